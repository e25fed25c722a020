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
from bindsearch.fusion import fused_standing
from bindsearch.index.filters import Filter, select_vectors
from bindsearch.index.hits import Hit, Via, absolute, make_hit, paths_of, segments_of
from bindsearch.index.tags import tags_of
from bindsearch.index.vectors import Selection, VectorView
from bindsearch.index.words import Evidence, find_words, search_words
from bindsearch.modality import Modality
from bindsearch.ranking import LEVEL, Judge, Part
from bindsearch.words import NO_WORDS, WordQuery

Vector = NDArray[np.float32]

MOST_TOLD = 1_000  # segments for which words speak, at most; those of the rarest words

# From this cosine on two segments of a modality are versions of one thing: see docs/ranking.md for how it was
# measured. Logs of the same motion come as close to each other by chance, so they are never folded.
NEARLY_THE_SAME = {
    Modality.IMAGE: 0.95,
    Modality.VIDEO: 0.95,
    Modality.AUDIO: 0.97,
    Modality.THERMAL: 0.97,
    Modality.DEPTH: 0.98,
    Modality.TEXT: 0.98,
}


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    ``words`` lets what is written (names, tags, notes) rank together with meaning; ``exact`` searches by
    words alone, all of which must be there. ``all_moments`` gives every segment that fits, not only the best
    of each file; ``duplicates`` also those that are nearly the same as a better hit. ``by_cosine`` ranks by
    the bare cosine. A hit stands out from the standing ``level`` on, LEVEL if None;
    with ``strict`` no other is given.
    """

    words: bool = True
    exact: bool = False
    all_moments: bool = False
    duplicates: bool = False
    by_cosine: bool = False
    level: float | None = None
    strict: bool = False

    @property
    def least(self) -> float:
        """The standing from which on a hit stands out."""
        return LEVEL if self.level is None else self.level


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query in one space: its unit ``vector`` (d,), the ``parts`` that it is the sum of, and its words."""

    vector: Vector
    parts: tuple[Part, ...]
    words: WordQuery = NO_WORDS

    @property
    def in_words(self) -> bool:
        """Whether it asks for something in words, for which the level of standing out was measured."""
        return any(part.kind is Modality.TEXT and part.factor > 0 for part in self.parts)

    @classmethod
    def of(cls, vector: Vector, kind: Modality) -> Question:
        """A question of a single term."""
        return cls(vector, (Part(kind, 1.0, vector),))


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


@dataclass(slots=True, eq=False)
class _Candidate:
    """A segment that may become a hit, with its vector and the contents that are folded into it."""

    segment: Row[Any]
    vector: Vector
    standing: float
    by_words: bool
    folded: list[int] = field(default_factory=list)

    @property
    def modality(self) -> Modality:
        return Modality(self.segment.modality)


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
    _check(k)
    selection = select_vectors(catalog, space_id, wanted)
    judge = view.backgrounds(references).judge(question.parts)
    words = options.words and not options.by_cosine and bool(question.words.wanted)
    told = find_words(catalog, question.words, MOST_TOLD, wanted) if words else []
    evidence = Evidence.of_hits(told, all_moments=options.all_moments)
    looking = _Looking(catalog, view, space_id, judge, question, wanted, selection, options, evidence)
    kept, best = looking.kept(k)
    used = frozenset({Via.MEANING, Via.WORDS} if words else {Via.MEANING})
    judged = question.in_words or options.level is not None
    return Answer(tuple(_hits(catalog, kept, question, wanted)), options.least, best, judged, used)


def search_by_words(
    catalog: Connection, asked: WordQuery, k: int, wanted: Filter, options: SearchOptions
) -> Answer:
    """The ``k`` best hits that hold all the words of ``asked``.

    Raises QueryError for k below 1, and where there is no word to look for.
    """
    _check(k)
    if not asked.wanted:
        hint = "files and segments have a meaning, but no words: leave --exact out"
        raise QueryError("there are no words in this query to look for", hint=hint)
    hits = search_words(catalog, asked, k, wanted, all_moments=options.all_moments)
    return Answer(tuple(hits), options.least, used=frozenset({Via.WORDS}))


def search_without_vectors(
    catalog: Connection, asked: WordQuery, k: int, wanted: Filter, options: SearchOptions
) -> Answer:
    """What words alone find in a library that has no vectors of the space; the answer says so."""
    _check(k)
    hits = search_words(catalog, asked, k, wanted, all_moments=options.all_moments) if options.words else ()
    return Answer(tuple(hits), options.least, used=frozenset({Via.WORDS}), has_vectors=False)


def _check(k: int) -> None:
    if k < 1:
        raise QueryError(f"k is {k}, but at least one hit must be asked for")


@dataclass(slots=True, eq=False)
class _Looking:
    """One search under way."""

    catalog: Connection
    view: VectorView
    space_id: int
    judge: Judge
    question: Question
    wanted: Filter
    selection: Selection
    options: SearchOptions
    evidence: Evidence

    def kept(self, k: int) -> tuple[list[_Candidate], float | None]:
        """The ``k`` best candidates, asking for more until enough are apart; and the best standing."""
        count = k if self.options.all_moments and self.options.duplicates else 4 * k
        told = self._told()
        while True:
            candidates, exhausted = self._candidates(count, told)
            best = max((one.standing for one in candidates), default=None)
            if self.options.strict:
                inside = [one for one in candidates if one.standing >= self.options.least]
                exhausted = exhausted or (not self.options.by_cosine and len(inside) < len(candidates))
                candidates = inside
            kept = self._apart(candidates, k)
            if len(kept) == k or exhausted:
                return kept, best
            count *= 4

    def _candidates(self, count: int, told: list[int]) -> tuple[list[_Candidate], bool]:
        """The ``count`` best segments of all modalities, with those of the vectors ``told`` by words.

        Also whether there are no more.
        """
        vector = self.question.vector if self.options.by_cosine else self.judge.vector
        judged = self.judge.levels.keys() & (self.wanted.modalities or self.judge.levels.keys())
        found = self.view.search(vector, count, self.selection, judged)
        ids = np.concatenate([one.ids for one in found.values()] or [np.empty(0, np.int64)])
        ranks = np.concatenate(
            [self._ranks(modality, one.scores) for modality, one in found.items()]
            or [np.empty(0, np.float32)]
        )
        order = np.lexsort((ids, -ranks))[:count]
        exhausted = all(len(one.ids) < count for one in found.values())
        nearest = ids[order].tolist()
        rows = segments_of(self.catalog, nearest + told)
        made = {number: self._candidate(row) for number, row in rows.items()}
        if not self.options.by_cosine:
            nearest = sorted(made, key=lambda number: (-made[number].standing, number))
        return [made[number] for number in nearest if number in made], exhausted

    def _told(self) -> list[int]:
        """The vectors of what words speak for, as far as they may be found."""
        ids = np.array(self.evidence.vector_ids(self.catalog, self.space_id), np.int64)
        return ids[self.selection.allows(ids)].tolist()  # type: ignore[no-any-return]

    def _ranks(self, modality: Modality, scores: Vector) -> Vector:
        return scores if self.options.by_cosine else self.judge.standings(modality, scores)

    def _candidate(self, segment: Row[Any]) -> _Candidate:
        vector = np.frombuffer(segment.data, "<f2").astype(np.float32)
        scores = vector[None] @ self.judge.vector
        standing = float(self.judge.standings(Modality(segment.modality), scores)[0])
        nats = self.evidence.of(segment.id, segment.content_id, segment.modality)
        return _Candidate(segment, vector, fused_standing(standing, nats), by_words=nats > 0)

    def _apart(self, candidates: Sequence[_Candidate], k: int) -> list[_Candidate]:
        """The best ``k`` that are hits of their own; of each content only the best unless told otherwise."""
        kept = _Kept()
        seen: set[int] = set()
        for one in candidates:
            content = one.segment.content_id
            if content in seen and not self.options.all_moments:
                continue
            like = None if self.options.duplicates else kept.nearly_the_same(one)
            if like is not None:
                like.folded.append(content)
            elif len(kept.all) < k:
                kept.add(one)
            seen.add(content)
        return kept.all


class _Kept:
    """The hits so far, with their vectors side by side for each modality."""

    def __init__(self) -> None:
        self.all: list[_Candidate] = []
        self._like: dict[Modality, list[_Candidate]] = {}
        self._rows: dict[Modality, Vector] = {}

    def add(self, one: _Candidate) -> None:
        """Keep ``one``, the next best."""
        self.all.append(one)
        like = self._like.setdefault(one.modality, [])
        rows = self._rows.get(one.modality)
        if rows is None or len(like) == len(rows):
            grown = np.zeros((2 * len(like) + 8, len(one.vector)), np.float32)
            grown[: len(like)] = grown[:0] if rows is None else rows
            self._rows[one.modality] = rows = grown
        rows[len(like)] = one.vector
        like.append(one)

    def nearly_the_same(self, one: _Candidate) -> _Candidate | None:
        """The best hit of another file that ``one`` hardly differs from."""
        limit = NEARLY_THE_SAME.get(one.modality)
        like = self._like.get(one.modality, ())
        if limit is None or not like:
            return None
        near = np.flatnonzero(self._rows[one.modality][: len(like)] @ one.vector >= limit)
        others = (like[place] for place in near.tolist())
        return next((own for own in others if own.segment.content_id != one.segment.content_id), None)


def _hits(
    catalog: Connection, kept: Sequence[_Candidate], question: Question, wanted: Filter
) -> Iterator[Hit]:
    contents = {one.segment.content_id for one in kept} | {own for one in kept for own in one.folded}
    places = paths_of(catalog, sorted(contents), wanted)
    tags = tags_of(catalog, [one.segment.content_id for one in kept])
    for one in kept:
        if one.segment.content_id in places:
            hit = make_hit(float(one.vector @ question.vector), one.segment, places[one.segment.content_id])
            via = Via.BOTH if one.by_words else Via.MEANING
            folded = _paths(one.folded, places)
            names = tags.get(one.segment.content_id, ())
            yield replace(hit, standing=one.standing, duplicates=folded, tags=names, via=via)


def _paths(contents: Sequence[int], places: Mapping[int, Sequence[Any]]) -> tuple[Path, ...]:
    """One path of each content."""
    known = dict.fromkeys(own for own in contents if own in places)
    return tuple(absolute(places[own][0].root, places[own][0].path) for own in known)
