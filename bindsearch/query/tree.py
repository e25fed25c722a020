"""What a query is: a tree of terms and groups, and its writing as an expression.

Nothing here recurses, however deep a tree is nested: it is walked, compared and written with a stack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from bindsearch.modality import Modality

if TYPE_CHECKING:
    from pathlib import Path

STDIN = "-"
"""The value of a file term that stands for standard input."""


class TermKind(StrEnum):
    """What a term's value is: words, the path of a file, or the id of a segment."""

    TEXT = "text"
    FILE = "file"
    SEGMENT = "segment"


class Span(NamedTuple):
    """A part of a film, a sound or a log: seconds from its beginning, ``start`` before ``end``."""

    start: float
    end: float

    def __str__(self) -> str:
        return f"[{_plain(self.start)}-{_plain(self.end)}]"


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: ``weight`` is finite and not zero, negative where the term is taken away.

    A file may be read as a ``modality`` and be cut to a ``span``. ``position`` is where in the expression
    the term begins, if it was parsed; it has no say in whether two terms are equal.
    """

    weight: float
    kind: TermKind
    value: str
    modality: Modality | None = None
    span: Span | None = None
    position: int | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_weight(self.weight)

    def __str__(self) -> str:
        return _factor(self.weight) + self.name

    @property
    def is_stdin(self) -> bool:
        """Whether the term stands for standard input."""
        return self.kind is TermKind.FILE and self.value == STDIN

    @property
    def name(self) -> str:
        """The term without its weight, as it is written in an expression."""
        if self.kind is TermKind.SEGMENT:
            return f"@{self.value}"
        if self.kind is TermKind.TEXT:
            return _quote(self.value)
        return f"{self.modality or TermKind.FILE}:{_quote(self.value)}{self.span or ''}"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A sum in parentheses, of two parts or more: made unit length before its ``weight`` counts."""

    weight: float
    parts: tuple[Part, ...]
    position: int | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        if len(self.parts) < 2:
            raise ValueError("a group has two parts or more")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and _flat(self) == _flat(other)

    def __hash__(self) -> int:
        return hash(tuple(_flat(self)))

    def __repr__(self) -> str:
        return f"<Group {self.weight:g}*{self.name}>"

    def __str__(self) -> str:
        return _factor(self.weight) + self.name

    @property
    def name(self) -> str:
        """The group without its weight, as it is written in an expression."""
        return f"({_write(self.parts)})"


Part = Term | Group


@dataclass(frozen=True, slots=True)
class Query:
    """A sum of parts, not all of them taken away.

    ``expression`` is what it was parsed from, which errors point into; ``stdin`` is the file that holds what
    came over standard input, for terms that stand for it. Both have no say in whether two queries are equal.
    """

    terms: tuple[Part, ...]
    expression: str | None = field(default=None, compare=False, repr=False)
    stdin: Path | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return _write(self.terms)

    def leaves(self) -> Iterator[Term]:
        """Its terms, those in groups too, in the order in which they are written."""
        return (part for _, part in walk(self.terms) if isinstance(part, Term))


def walk(parts: Sequence[Part]) -> Iterator[tuple[int, Part]]:
    """Every part of a tree with its depth, from 0, a group before what is in it."""
    waiting = [(0, part) for part in reversed(parts)]
    while waiting:
        depth, part = waiting.pop()
        yield depth, part
        if isinstance(part, Group):
            waiting.extend((depth + 1, inner) for inner in reversed(part.parts))


def _flat(group: Group) -> list[tuple[int, float, Term | None]]:
    return [(depth, part.weight, part if isinstance(part, Term) else None) for depth, part in walk([group])]


def _write(parts: Sequence[Part]) -> str:
    pieces: list[str] = []
    open_sums = [iter(enumerate(parts))]
    while open_sums:
        index, part = next(open_sums[-1], (0, None))
        if part is None:
            open_sums.pop()
            pieces.append(")" * bool(open_sums))
            continue
        sign = "- " if part.weight < 0 else "+ " * bool(index)
        pieces.append(f"{' ' * bool(index)}{sign}{_factor(part.weight)}")
        if isinstance(part, Group):
            pieces.append("(")
            open_sums.append(iter(enumerate(part.parts)))
        else:
            pieces.append(part.name)
    return "".join(pieces)


def _factor(weight: float) -> str:
    factor = abs(float(weight))
    return "" if factor == 1 else f"{repr(factor).removesuffix('.0')}*"


def _quote(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _plain(seconds: float) -> str:
    """Exactly this number of seconds, without an exponent."""
    from decimal import Decimal

    return format(Decimal(repr(float(seconds))), "f").removesuffix(".0")


def _check_weight(weight: float) -> None:
    if not math.isfinite(weight) or weight == 0:
        raise ValueError(f"a weight is a finite number other than 0, not {weight}")
