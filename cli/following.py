"""Options of ``search`` that have to do with time: what came next, and what was about.

Apart from what is done about them, which a search without them does not load.
"""

# Annotations are values here: as text, Typer's options would have to be compiled one by one at each start.

from collections.abc import Sequence
from typing import Annotated

import typer

from bindsearch.cli.options import bundle
from bindsearch.errors import QueryError


@bundle
class SequenceOptions:
    """What a command line asks of time; nothing, by default."""

    then: Annotated[
        list[str] | None,
        typer.Option(
            "--then",
            metavar="QUERY",
            help="What came next, at most --within later (10m); may be repeated for what came after that.",
        ),
    ] = None
    before: Annotated[
        str | None, typer.Option("--before", metavar="QUERY", help="What all of it came before.")
    ] = None
    around: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--around",
            metavar="HIT SPAN",
            help="What was about when a segment (@1234) or a file was: --around @1234 5m. Needs no QUERY.",
        ),
    ] = None

    @property
    def is_sequence(self) -> bool:
        """Whether moments are asked for that came one after the other."""
        return bool(self.then) or self.before is not None

    @property
    def asked(self) -> bool:
        """Whether anything is asked of time."""
        return self.is_sequence or self.around is not None

    def queries(self, query: Sequence[str]) -> list[Sequence[str]]:
        """The queries of a sequence in the order of time; ``query`` is the arguments of the first.

        Raises QueryError where there is no first.
        """
        if self.around is not None:
            hint = "look around one of the hits afterwards"
            raise QueryError("--around does not go together with --then or --before", hint=hint)
        if not query:
            raise QueryError(
                "there is nothing that comes first", hint='write as in "barking" --then "a door"'
            )
        last = [] if self.before is None else [self.before]
        return [query, *([part] for part in [*(self.then or ()), *last])]
