"""Searching: from a question to hits, best first, over one snapshot of the catalog and its view.

Every modality gives its own nearest; they meet in one list by how far they stand out (see ranking.py), or by
the bare cosine where that is asked for. Of each file the best moment stays, and what is nearly the same as a
better hit is folded into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from bindsearch.answers import Answer, Hit, SearchOptions, Via
from bindsearch.errors import QueryError
from bindsearch.fusion import fused_standings
from bindsearch.index.candidates import Candidates, Kept, apart
from bindsearch.index.evidence import Evidence
from bindsearch.index.filters import Filter, select_vectors
from bindsearch.index.hits import absolute, make_hit, paths_of, segments_of
from bindsearch.index.moments import Ids, Owners
from bindsearch.index.nearest import Posed, Question, SharedScan, Unread
from bindsearch.index.tags import tags_of
from bindsearch.index.vectors import Selection, VectorView
from bindsearch.index.words import search_words
from bindsearch.modality import Modality
from bindsearch.ranking import Judge
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


def search(
    catalog: Connection,
    view: VectorView,
    space_id: int,
    references: Vector | None,
    question: Question | Unread,
    k: int,
    wanted: Filter,
    options: SearchOptions,
) -> Answer:
    """The ``k`` best hits for ``question`` among what ``wanted`` lets through.

    Raises QueryError for k below 1, and what reading the question raises.
    """
    _check(k)
    selection = select_vectors(catalog, space_id, wanted, view.moments)
    words = options.words and not options.by_cosine and bool(question.words.wanted)
    asked = question.words if words else NO_WORDS
    pose = partial(Posed.of, view, references, question, wanted.modalities, by_cosine=options.by_cosine)
    scan = SharedScan(view, selection, _first_count(k, options), pose)
    evidence = Evidence.of_query(catalog, asked, MOST_TOLD, wanted, all_moments=options.all_moments)
    told = _gathered(catalog, view, evidence, _told(catalog, view, evidence, selection))
    posed = scan.finish()
    kept, best = _Looking(catalog, view, posed, scan, options, evidence, told).kept(k)
    used = frozenset({Via.MEANING, Via.WORDS} if words else {Via.MEANING})
    judged = posed.question.in_words or options.level is not None
    return Answer(tuple(_hits(catalog, kept, posed.question, wanted)), options.least, best, judged, used)


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


def _first_count(k: int, options: SearchOptions) -> int:
    """How many of the nearest to ask for at first: some will turn out to be versions of others."""
    return k if options.all_moments and options.duplicates else 4 * k


@dataclass(frozen=True, slots=True, eq=False)
class _Gathered:
    """Vectors of one modality with all that their standing is reckoned from, the question apart."""

    modality: Modality
    owners: Owners
    rows: Vector
    nats: NDArray[np.float64]

    def judged(self, judge: Judge) -> Candidates:
        """They as candidates, in no order, by their vectors alone."""
        standings = judge.standings(self.modality, self.rows @ judge.vector)
        return Candidates.of(self.owners, self.rows, standings.astype(np.float64), self.nats > 0)


def _gathered(catalog: Connection, view: VectorView, evidence: Evidence, ids: Ids) -> list[_Gathered]:
    """The vectors ``ids`` by modality, without those that are gone."""
    owners = view.moments.of_vectors(catalog, ids).by_modality()
    gathered = []
    for modality, (own, rows) in view.rows({kind: one.vectors for kind, one in owners.items()}).items():
        here = owners[modality].chosen(np.searchsorted(owners[modality].vectors, own))
        gathered.append(_Gathered(modality, here, rows, _nats(evidence, modality, here)))
    return gathered


def _nats(evidence: Evidence, modality: Modality, owners: Owners) -> NDArray[np.float64]:
    if not evidence.segments:
        return np.zeros(len(owners.vectors))
    return evidence.of_many(owners.segments, owners.contents, modality)


def _told(catalog: Connection, view: VectorView, evidence: Evidence, selection: Selection) -> Ids:
    """The vectors of what words speak for, as far as they may be found."""
    moments = view.moments
    whole = [one for one, nats in evidence.contents.items() if nats > 0]
    own = [one for one, nats in evidence.segments.items() if nats > 0]
    if whole:  # all their segments are among those of the contents
        ids = moments.of_contents(catalog, whole).vectors
    else:
        ids = moments.of_segments(catalog, own).vectors if own else np.empty(0, np.int64)
    return ids[selection.allows(ids)]


@dataclass(slots=True, eq=False)
class _Looking:
    """One search under way; ``told`` are the vectors of what words speak for."""

    catalog: Connection
    view: VectorView
    posed: Posed
    scan: SharedScan
    options: SearchOptions
    evidence: Evidence
    told: Sequence[_Gathered]

    def kept(self, k: int) -> tuple[list[Kept], float | None]:
        """The ``k`` best candidates, asking for more until enough are apart; and the best standing."""
        count = _first_count(k, self.options)
        while True:
            candidates, exhausted = self._candidates(count)
            best = float(candidates.standings.max()) if len(candidates) else None
            if self.options.strict:
                inside = candidates.chosen(candidates.standings >= self.options.least)
                exhausted = exhausted or (not self.options.by_cosine and len(inside) < len(candidates))
                candidates = inside
            kept = apart(
                candidates,
                k,
                all_moments=self.options.all_moments,
                limits={} if self.options.duplicates else NEARLY_THE_SAME,
            )
            if len(kept) == k or exhausted:
                return kept, best
            count *= 4

    def _candidates(self, count: int) -> tuple[Candidates, bool]:
        """The ``count`` best segments of all modalities, with those that words speak for.

        Also whether there are no more.
        """
        found = self.scan.nearest(count)
        ids = np.concatenate([one.ids for one in found.values()] or [np.empty(0, np.int64)])
        ranks = np.concatenate(
            [self._ranks(modality, one.scores) for modality, one in found.items()]
            or [np.empty(0, np.float32)]
        )
        order = np.lexsort((ids, -ranks))[:count]
        exhausted = all(len(one.ids) < count for one in found.values())
        made = self._made(ids[order])
        if self.options.by_cosine:
            return made.chosen(_in_order(made.vectors, ids[order])), exhausted
        return made.chosen(np.lexsort((made.vectors, -made.standings))), exhausted

    def _ranks(self, modality: Modality, scores: Vector) -> Vector:
        return scores if self.options.by_cosine else self.posed.judge.standings(modality, scores)

    def _made(self, ids: Ids) -> Candidates:
        """Candidates of the vectors ``ids`` and of those that words speak for, in no order."""
        known = [one.owners.vectors for one in self.told]
        new = np.setdiff1d(ids, np.concatenate([ids[:0], *known]), assume_unique=True)
        gathered = [*self.told, *_gathered(self.catalog, self.view, self.evidence, np.sort(new))]
        judge = self.posed.judge
        parts = [one for one in gathered if one.modality in judge.levels]
        made = Candidates.joined([one.judged(judge) for one in parts], len(self.posed.vector))
        nats = np.concatenate([np.empty(0, np.float64), *(one.nats for one in parts)])
        return replace(made, standings=fused_standings(made.standings, nats))


def _in_order(ids: Ids, order: Ids) -> NDArray[np.intp]:
    """Where in ``ids`` those of ``order`` lie, in its order."""
    if not len(ids):
        return np.empty(0, np.intp)
    by_id = np.argsort(ids)
    places = by_id[np.minimum(np.searchsorted(ids, order, sorter=by_id), len(ids) - 1)]
    here: NDArray[np.intp] = places[ids[places] == order]
    return here


def _hits(catalog: Connection, kept: Sequence[Kept], question: Question, wanted: Filter) -> Iterator[Hit]:
    contents = {one.content for one in kept} | {own for one in kept for own in one.folded}
    places = paths_of(catalog, sorted(contents), wanted)
    tags = tags_of(catalog, [one.content for one in kept])
    rows = segments_of(catalog, [one.segment for one in kept])
    for one in kept:
        if one.content in places and one.segment in rows:
            hit = make_hit(float(one.vector @ question.vector), rows[one.segment], places[one.content])
            via = Via.BOTH if one.by_words else Via.MEANING
            folded = _paths(one.folded, places)
            names = tags.get(one.content, ())
            yield replace(hit, standing=one.standing, duplicates=folded, tags=names, via=via)


def _paths(contents: Sequence[int], places: Mapping[int, Sequence[Any]]) -> tuple[Path, ...]:
    """One path of each content."""
    known = dict.fromkeys(own for own in contents if own in places)
    return tuple(absolute(places[own][0].root, places[own][0].path) for own in known)
