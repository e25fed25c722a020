"""What requests look like, and the refusals: the part of the protocol that is checked and described.

Answers are the dataclasses of bindsearch.answers, as bindsearch.remote.wire writes them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from bindsearch.answers import SearchOptions
from bindsearch.modality import Modality
from bindsearch.wishes import Wishes

MOST_HITS = 100_000
MOST_SECONDS = 1e9


def _text(value: object) -> str:
    # Names of files may hold lone surrogates, which pydantic's own strings may not.
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _whole(value: object) -> object:
    # To JSON, 10.0 is a whole number.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]
Texts = list[Text]
Kind = Annotated[Text, AfterValidator(Modality), WithJsonSchema({"type": "string", "enum": list(Modality)})]
Hits = Annotated[int, Field(ge=1, le=MOST_HITS), BeforeValidator(_whole)]
Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
Query = Annotated[
    Text | Texts,
    Field(description="An expression, or the arguments of a command line.", examples=["a dog on the beach"]),
]


class Strict(BaseModel):
    """No key is ignored, nothing is converted."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Wished(Strict):
    """What is asked of hits, as on the command line; see the options of ``bindsearch search``."""

    types: list[Kind] = []
    folders: Texts = []
    globs: Texts = []
    watched: Texts = []
    since: Text | None = None
    until: Text | None = None
    when: Texts = []
    near: Texts = []
    within: Texts = []
    longer: Text | None = None
    shorter: Text | None = None
    cameras: Texts = []
    tags: Texts = []
    where: Text | None = None
    offline: bool = False

    def wishes(self) -> Wishes:
        """The same as the record that the library takes."""
        return Wishes.of(self.model_dump())


class Ranked(Strict):
    """How to search; see the options of ``bindsearch search``."""

    words: bool = True
    exact: bool = False
    all_moments: bool = False
    duplicates: bool = False
    by_cosine: bool = False
    level: Annotated[float, Field(allow_inf_nan=False)] | None = None
    strict: bool = False

    def options(self) -> SearchOptions:
        """The same as the record that the library takes."""
        return SearchOptions(**self.model_dump())


class Asked(Strict):
    """What all searches have in common.

    ``folder`` is the folder that names of files are relative to, ``stdin`` a file that holds what came over
    standard input; both only on the socket.
    """

    wishes: Wished = Wished()
    folder: Text | None = Field(None, description="Only on the Unix socket.")
    stdin: Text | None = Field(None, description="Only on the Unix socket.")


class SearchAsked(Asked):
    """The best hits for a query."""

    query: Query
    k: Hits = 10
    options: Ranked = Ranked()


class SequenceAsked(Asked):
    """Moments that came one after the other, one for each query."""

    queries: Annotated[list[Query], Field(min_length=2, max_length=20)]
    k: Hits = 10
    within: Seconds | None = None
    all_moments: bool = False


class AroundAsked(Asked):
    """What was about when a hit was: a segment such as ``@12``, or a file of the library."""

    hit: Text
    within: Seconds | None = None
    query: Query | None = None
    k: Hits | None = None


class PauseAsked(Strict):
    """For how long; until told otherwise if null."""

    seconds: Seconds | None = None


class RescanAsked(Strict):
    """Absolute paths at or below roots; all roots if there are none."""

    paths: Texts = []


class Nothing(Strict):
    """An empty object."""


class Fault(BaseModel):
    """An error of the library with all that it carries."""

    kind: str
    message: str
    subject: str | None = None
    hint: str | None = None
    position: int | None = None
    expression: str | None = None
    pid: int | None = None


class Problem(BaseModel):
    """Why a request is refused (RFC 9457)."""

    title: str
    status: int
    detail: str
    error: Fault | None = None
