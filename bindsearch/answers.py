"""What a search is told and what it answers: plain values, the same whether a library answers or its daemon.

Nothing here imports what is slow, so that a search through the daemon costs its process next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import overload

from bindsearch.modality import Modality
from bindsearch.options import LEVEL, SearchOptions

__all__ = [
    "LEVEL",
    "WITHIN",
    "Answer",
    "Hit",
    "MomentSequence",
    "Neighbour",
    "SearchOptions",
    "State",
    "Via",
]

WITHIN = 600.0
"""Seconds between two moments that have to do with each other, at most, where nobody says otherwise."""


class State(StrEnum):
    """Where a root or a location stands."""

    PRESENT = "present"
    MISSING = "missing"
    OFFLINE = "offline"


class Via(StrEnum):
    """By what a hit was found, or a search ranked: likeness of vectors, words that are written, or both."""

    MEANING = "meaning"
    WORDS = "words"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Hit:
    """A segment that was found. ``score`` is the cosine to the query, ``standing`` how far the hit stands out
    of the query's background in its modality (see ranking.py), by which hits are ranked. Where a search was
    by words alone, ``score`` is BM25 and there is no standing.

    ``start`` and ``end`` are seconds into a film or recording, ``first_line`` and ``last_line`` lines of a
    text; None where the segment is the whole file. ``taken_at`` is seconds since 1970 UTC. ``other_paths``
    hold the same bytes, ``duplicates`` nearly the same and were folded into this hit.
    """

    score: float
    path: Path
    modality: Modality
    start: float | None
    end: float | None
    first_line: int | None
    last_line: int | None
    text: str | None
    taken_at: float | None
    state: State
    other_paths: tuple[Path, ...]
    segment_id: int
    sha256: str
    standing: float | None = None
    duplicates: tuple[Path, ...] = ()
    tags: tuple[str, ...] = ()
    via: Via = Via.MEANING


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The hits, best first.

    ``stands_out`` says whether any reaches ``level``; where it is false, the library most likely holds no
    answer. That is ``judged`` for words; files ask on another scale. ``used`` is what the list was ranked by,
    ``has_vectors`` whether the library has any to rank by.
    """

    hits: tuple[Hit, ...] = ()
    level: float = LEVEL
    best: float | None = None
    judged: bool = False
    used: frozenset[Via] = frozenset({Via.MEANING})
    has_vectors: bool = True

    @property
    def stands_out(self) -> bool:
        """Whether the ``best`` standing of all, be it among the hits or not, reaches the level."""
        return self.best is not None and self.best >= self.level

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]


@dataclass(frozen=True, slots=True)
class MomentSequence:
    """Moments in time order, one for each query.

    ``gaps`` are the seconds from the end of each moment to the beginning of the next, 0 where they touch.
    ``standing`` and ``score`` are the lowest of its moments; it is ranked by the first, where all have one.
    """

    moments: tuple[Hit, ...]
    gaps: tuple[float, ...]
    score: float
    standing: float | None

    @property
    def rank(self) -> float:
        """What it is ranked by."""
        return self.score if self.standing is None else self.standing


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A segment that was about when an anchor was; ``start`` to ``other_paths`` are as in Hit.

    ``offset`` is the seconds from the anchor's beginning to its own, negative if it began before; ``gap`` the
    seconds that lie between the two, 0 where they meet, with the same sign. ``score`` and ``standing`` are a
    query's, if there was one.
    """

    offset: float
    gap: float
    path: Path
    modality: Modality
    start: float | None
    end: float | None
    first_line: int | None
    last_line: int | None
    text: str | None
    taken_at: float | None
    state: State
    other_paths: tuple[Path, ...]
    segment_id: int
    score: float | None = None
    standing: float | None = None
