"""Searching: from a question to hits, best first, over one snapshot of the catalog and its view.

Every modality gives its own nearest; they meet in one list by how far they stand out (see ranking.py), or by
the bare cosine where that is asked for. Of each file the best moment stays, and what is nearly the same as a
better hit is folded into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter, select_vectors
from bindsearch.index.hits import Hit, absolute, make_hit, paths_of, segments_of
from bindsearch.index.vectors import Selection, VectorView
from bindsearch.modality import Modality
from bindsearch.ranking import LEVEL, Judge, Part

Vector = NDArray[np.float32]

# From this cosine on two pictures are views of one thing: see docs/ranking.md for how it was measured.
NEARLY_THE_SAME = 0.98

# Kinds in which two different moments never come so close by chance; logs of the same motion do.
FOLDED = frozenset(
    {Modality.IMAGE, Modality.VIDEO, Modality.AUDIO, Modality.DEPTH, Modality.THERMAL, Modality.TEXT}
)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    ``all_moments`` gives every segment that fits, not only the best of each file; ``duplicates`` hits of their
    own where they are nearly the same as a better one. ``by_cosine`` ranks by the bare cosine. A hit stands
    out from the standing ``level`` on; with ``strict`` no other is given.
    """

    all_moments: bool = False
    duplicates: bool = False
    by_cosine: bool = False
    level: float = LEVEL
    strict: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query in one space: its unit ``vector`` (d,), and the ``parts`` that it is the sum of."""

    vector: Vector
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, vector: Vector, kind: Modality) -> Question:
        """A question of a single term."""
        return cls(vector, (Part(kind, 1.0, vector),))


@dataclass(frozen=True, slots=True)
class Answer(Sequence[Hit]):
    """The hits, best first. ``stands_out`` says whether any reaches ``level``; where it is false, the library
    most likely holds no answer.
    """

    hits: tuple[Hit, ...] = ()
    level: float = LEVEL
    best: float | None = None

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


@dataclass(slots=True, eq=False)
class _Candidate:
    """A segment that may become a hit, with its vector and the contents that are folded into it."""

    segment: Row[Any]
    standing: float
    folded: list[int] = field(default_factory=list)

    @property
    def modality(self) -> Modality:
        return Modality(self.segment.modality)

    @property
    def vector(self) -> Vector:
        return np.frombuffer(self.segment.data, "<f2").astype(np.float32)


def search(
    catalog: Connection,
    view: VectorView,
    space_id: int,
    references: Vector | None,
    question: Question,
    k: int,
    wanted: Filter,
    options: SearchOptions,
) -> Answer:
    """The ``k`` best hits for ``question`` among what ``wanted`` lets through.

    Raises QueryError for k below 1.
    """
    if k < 1:
        raise QueryError(f"k is {k}, but at least one hit must be asked for")
    selection = select_vectors(catalog, space_id, wanted)
    judge = view.backgrounds(references).judge(question.parts)
    looking = _Looking(catalog, view, judge, question, wanted, selection, options)
    kept, best = looking.kept(k)
    return Answer(tuple(_hits(catalog, kept, question, wanted)), options.level, best)


@dataclass(slots=True, eq=False)
class _Looking:
    """One search under way."""

    catalog: Connection
    view: VectorView
    judge: Judge
    question: Question
    wanted: Filter
    selection: Selection
    options: SearchOptions

    def kept(self, k: int) -> tuple[list[_Candidate], float | None]:
        """The ``k`` best candidates, asking the indexes for more until enough are apart; the best standing."""
        count = k if self.options.all_moments and self.options.duplicates else 4 * k
        while True:
            candidates, exhausted = self._candidates(count)
            best = max((one.standing for one in candidates), default=None)
            if self.options.strict:
                inside = [one for one in candidates if one.standing >= self.options.level]
                exhausted = exhausted or len(inside) < len(candidates)
                candidates = inside
            kept = self._apart(candidates, k)
            if len(kept) == k or exhausted:
                return kept, best
            count *= 4

    def _candidates(self, count: int) -> tuple[list[_Candidate], bool]:
        """The ``count`` best segments of all modalities, and whether there are no more."""
        vector = self.question.vector if self.options.by_cosine else self.judge.vector
        judged = self.judge.levels.keys() & (self.wanted.modalities or self.judge.levels.keys())
        found = self.view.search(vector, count, self.selection, judged)
        ids = np.concatenate([one.ids for one in found.values()] or [np.empty(0, np.int64)])
        ranks = np.concatenate(
            [self._ranks(modality, one.scores) for modality, one in found.items()]
            or [np.empty(0, np.float32)]
        )
        order = np.lexsort((ids, -ranks))[:count]
        segments = segments_of(self.catalog, ids[order].tolist())
        chosen = [segments[own] for own in ids[order].tolist() if own in segments]
        exhausted = all(len(one.ids) < count for one in found.values())
        return [_Candidate(row, self._standing(row)) for row in chosen], exhausted

    def _ranks(self, modality: Modality, scores: Vector) -> Vector:
        return scores if self.options.by_cosine else self.judge.standings(modality, scores)

    def _standing(self, segment: Row[Any]) -> float:
        scores = np.frombuffer(segment.data, "<f2").astype(np.float32)[None] @ self.judge.vector
        return float(self.judge.standings(Modality(segment.modality), scores)[0])

    def _apart(self, candidates: Sequence[_Candidate], k: int) -> list[_Candidate]:
        """The best ``k`` that are hits of their own; of each content only the best unless told otherwise."""
        kept: list[_Candidate] = []
        seen: set[int] = set()
        for one in candidates:
            content = one.segment.content_id
            if content in seen and not self.options.all_moments:
                continue
            like = None if self.options.duplicates else _nearly_the_same(one, kept)
            if like is not None:
                like.folded.append(content)
            elif len(kept) < k:
                kept.append(one)
            seen.add(content)
        return kept


def _nearly_the_same(one: _Candidate, kept: Sequence[_Candidate]) -> _Candidate | None:
    """The first hit of another file that ``one`` hardly differs from."""
    if one.modality not in FOLDED:
        return None
    vector = one.vector
    for other in kept:
        if other.modality is one.modality and other.segment.content_id != one.segment.content_id:
            if float(other.vector @ vector) >= NEARLY_THE_SAME:
                return other
    return None


def _hits(
    catalog: Connection, kept: Sequence[_Candidate], question: Question, wanted: Filter
) -> Iterator[Hit]:
    contents = {one.segment.content_id for one in kept} | {own for one in kept for own in one.folded}
    places = paths_of(catalog, sorted(contents), wanted)
    for one in kept:
        if one.segment.content_id in places:
            hit = make_hit(float(one.vector @ question.vector), one.segment, places[one.segment.content_id])
            yield replace(hit, standing=one.standing, duplicates=_paths(one.folded, places))


def _paths(contents: Sequence[int], places: Mapping[int, Sequence[Any]]) -> tuple[Path, ...]:
    """One path of each content."""
    known = dict.fromkeys(own for own in contents if own in places)
    return tuple(absolute(places[own][0].root, places[own][0].path) for own in known)
