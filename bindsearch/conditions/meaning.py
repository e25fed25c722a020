"""Values of facts, and what they ask for.

Reading a value twice gives the same unless it counts from now: "last week" is that of the day on which it is
read, so a condition keeps the words and they are read anew for every search.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from bindsearch.conditions.globs import NameGlob, PathGlob
from bindsearch.conditions.tree import Fact, Key
from bindsearch.errors import QueryError
from bindsearch.here import absolute
from bindsearch.modality import Modality
from bindsearch.periods import When, read_when
from bindsearch.places import Around, parse_around


class Known(StrEnum):
    """What may be known of a file, or not."""

    PLACE = "place"
    TIME = "time"
    DURATION = "duration"
    CAMERA = "camera"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from ``least`` to ``most``; an end that is ``open`` does not belong to it."""

    least: float
    most: float
    open: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder or a file by its absolute path."""

    path: str


Meaning = Modality | Folder | PathGlob | NameGlob | When | Around | Range | Known

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?(b|[kmgt]i?b?)?", re.ASCII | re.IGNORECASE)
_COMPARED = re.compile(r"\s*(<=|>=|<|>)\s*(.*)", re.DOTALL)
_POWERS = "bkmgt"


def fact(key: Key, value: str) -> Fact:
    """The fact that ``value`` stands for, its paths made absolute. Raises QueryError if it cannot be read."""
    value = value.strip()
    if not value:
        raise QueryError("a value is missing", hint=f"as in {EXAMPLES[key]}")
    if key is Key.IN or (key in (Key.PATH, Key.ROOT) and value.startswith("~")):
        value = absolute(value) if key is Key.IN else _at_home(value)
    if key is Key.TAG:
        value = unicodedata.normalize("NFC", value)
    made = Fact(key, value)
    meaning_of(made)
    return made


def meaning_of(made: Fact, now: datetime | None = None) -> Meaning:
    """What a fact asks for; ``now`` (local, without a zone) is what "last week" counts from.

    Raises QueryError for a value that cannot be read.
    """
    if made.key is Key.TIME:
        return read_when(made.value, now)
    return _READERS[made.key](made.value)


def parse_size(text: str) -> float:
    """Bytes, from ``500``, ``10 kB``, ``1.5MB`` or ``2GiB``. Raises QueryError for anything else."""
    match = _SIZE.fullmatch(" ".join(text.split()))
    if match is None:
        raise QueryError("this is not a size", subject=text, hint="write 500kB, 10MB, 2GB or 1.5GiB")
    unit = (match[2] or "b").lower()
    power = float(1024 if "i" in unit else 1000) ** _POWERS.index(unit[0])
    return float(match[1]) * power


def _at_home(value: str) -> str:
    return os.fspath(Path(value).expanduser()) + "/" * value.endswith("/")


def _modality(value: str) -> Modality:
    try:
        return Modality(value.lower())
    except ValueError:
        raise QueryError(
            "there is no such kind", subject=value, hint=f"one of {', '.join(Modality)}"
        ) from None


def _known(value: str) -> Known:
    try:
        return Known(value.lower())
    except ValueError:
        raise QueryError(
            "nothing is known by this name", subject=value, hint=f"one of {', '.join(Known)}"
        ) from None


def _part_of_a_name(value: str) -> NameGlob:
    return NameGlob(value, inside=True)


def _seconds(value: str) -> Range:
    from bindsearch.when import parse_timespan

    return _range(value, parse_timespan)


def _bytes(value: str) -> Range:
    return _range(value, parse_size)


def _range(value: str, parse: Callable[[str], float]) -> Range:
    """From ``>10s``, ``<=2m``, ``10s-2m`` (both ends included) or one number."""
    infinite = float("inf")
    if match := _COMPARED.fullmatch(value):
        bound = parse(match[2])
        ends = (bound, infinite) if match[1].startswith(">") else (-infinite, bound)
        return Range(*ends, open="=" not in match[1])
    first, dash, last = value.partition("-")
    if not dash:
        return Range(parse(value), parse(value))
    ends = parse(first), parse(last)
    if ends[0] > ends[1]:
        raise QueryError("this ends before it begins", subject=value, hint="put the smaller number first")
    return Range(*ends)


_READERS: dict[Key, Callable[[str], Meaning]] = {
    Key.TYPE: _modality,
    Key.IN: Folder,
    Key.PATH: PathGlob,
    Key.ROOT: PathGlob,
    Key.NEAR: parse_around,
    Key.DURATION: _seconds,
    Key.SIZE: _bytes,
    Key.CAMERA: _part_of_a_name,
    Key.FORMAT: NameGlob,
    Key.TAG: NameGlob,
    Key.HAS: _known,
}

EXAMPLES = {
    Key.TYPE: "type:image",
    Key.IN: "in:~/Pictures",
    Key.PATH: 'path:"*.jpg"',
    Key.ROOT: "root:Pictures",
    Key.TIME: 'time:"last summer"',
    Key.NEAR: "near:48.137,11.575,2km",
    Key.DURATION: "duration:10s-2m",
    Key.SIZE: 'size:">10MB"',
    Key.CAMERA: "camera:canon",
    Key.FORMAT: "format:jpeg",
    Key.TAG: "tag:beach",
    Key.HAS: "has:place",
}
