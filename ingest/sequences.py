"""Sequences: moments that came one after the other, each found by a query of its own; and what was about.

A sequence takes one moment for each query, in the order of the queries:

* All its moments lie on one clock (index/timeline.py): the world's, or that of a file that does not say when
  it was taken. So moments of two files meet only where both say so.
* A moment comes *after* another where it begins later and the two share at most half of either. Spans of a
  film or a recording that touch, or overlap a little as those of sounds do, so follow each other; what
  is seen and heard at once does not, nor do two photos of one instant.
* It begins at most ``within`` seconds after the one before has ended.
* A sequence is as good as its weakest moment: two strong moments are worth more than one that is
  unmistakable and one that could be anything. Among equals the sum of all decides, then time, then ids.

Finding them costs O(n log n) for n candidate moments, and for each sequence that is given a look at what
follows its moments. For every moment the best that can still follow is known beforehand, by sweeping over
time from the last query to the first; so the best beginnings are followed first, and others not at all.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from bindsearch.answers import WITHIN, Hit, MomentSequence, Neighbour
from bindsearch.errors import QueryError
from bindsearch.here import absolute
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter
from bindsearch.index.timeline import (
    Anchor,
    Timing,
    anchor_file,
    anchor_segment,
    holds,
    narrowed,
    neighbours,
    timings_of,
)
from bindsearch.query import Query, Term, TermKind, parse_query

CANDIDATES = 1_000  # moments of each query that a sequence is made of, the best
_MOST_ASKED = 16  # times as many are looked through for such as have a time

_MS = 1_000
_UNITS = 1_000_000  # of a strength, which is compared as a whole number so that sums have no rounding
_FARTHEST = 1e12  # seconds

Asking = str | Query
Search = Callable[[Asking, int, Filter | None], Sequence[Hit]]
"""A query, how many, and a filter, to the best moments: all of a file's, and of files that are alike."""


class Event(NamedTuple):
    """A moment that may be part of a sequence; ``strength`` is a whole number."""

    timing: Timing
    strength: int
    segment_id: int


def find_sequences(
    search: Search,
    catalog: Catalog,
    queries: Sequence[Asking],
    k: int = 10,
    wanted: Filter | None = None,
    within: float = WITHIN,
    *,
    all_moments: bool = False,
    candidates: int = CANDIDATES,
) -> list[MomentSequence]:
    """The ``k`` best sequences of moments for ``queries``, in this order in time, best first.

    Each moment begins one sequence at most, unless ``all_moments``. Raises QueryError for fewer than two
    queries, for k below 1, and for a negative ``within``, beside what ``search`` raises.
    """
    if len(queries) < 2:
        raise QueryError("a sequence has at least two parts", hint="name what came next with --then")
    if k < 1:
        raise QueryError(f"k is {k}, but at least one sequence must be asked for")
    reach = _milliseconds(within)
    found = [_candidates(search, catalog, query, candidates, wanted) for query in queries]
    stands = all(hit.standing is not None for timed in found for hit, _ in timed)
    parts = [
        [Event(timing, round(_strength(hit, stands) * _UNITS), hit.segment_id) for hit, timing in timed]
        for timed in found
    ]
    known = [{hit.segment_id: hit for hit, _ in timed} for timed in found]
    return [
        _sequence([hits[event.segment_id] for hits, event in zip(known, events, strict=True)], events)
        for events in join(parts, reach, k, once=not all_moments)
    ]


def find_neighbours(
    search: Search | None,
    catalog: Catalog,
    anchor: Anchor,
    space_key: str,
    query: Asking | None = None,
    k: int | None = None,
    wanted: Filter | None = None,
    within: float = WITHIN,
) -> list[Neighbour]:
    """What was at most ``within`` seconds before or after ``anchor``: the ``k`` nearest, in time order.

    With a ``query``, and a ``search`` to ask it with, the ``k`` best, best first. Raises as
    ``find_sequences`` does.
    """
    wanted = wanted or Filter()
    _milliseconds(within)
    if k is not None and k < 1:
        raise QueryError(f"k is {k}, but at least one moment must be asked for")
    with catalog.read() as reader:
        found = neighbours(reader, anchor, within, wanted, space_key)
        around = narrowed(reader, anchor, within, wanted)
    if query is None or search is None:
        nearest = sorted(found, key=lambda one: (abs(one.gap), abs(one.offset)))[:k]
        kept = {one.segment_id for one in nearest}
        return [one for one in found if one.segment_id in kept]
    return _ranked(search, query, found, around)[:k]


def read_anchor(catalog: Catalog, hit: str) -> Anchor:
    """The anchor that ``hit`` names: a segment as in ``@12``, or a file of the library or a span of one.

    The file need not be there now. Raises QueryError for anything else, and for what has no time.
    """
    with catalog.read() as reader:
        if not hit.startswith("@") and holds(reader, name := absolute(hit)):
            return anchor_file(reader, name)
        query = parse_query([hit])
        term = query.terms[0]
        if len(query.terms) > 1 or not isinstance(term, Term) or term.kind is TermKind.TEXT:
            hint = "name one file of the library, or one segment as in @12"
            raise QueryError("this is neither a file nor a segment", subject=hit, hint=hint)
        if term.kind is TermKind.SEGMENT:
            return anchor_segment(reader, int(term.value))
        return anchor_file(reader, absolute(term.value), term.span)


def join(parts: Sequence[Sequence[Event]], within: int, k: int, *, once: bool = True) -> list[list[Event]]:
    """The ``k`` best rows of events, one of each part, each after the one before it; best first.

    ``within`` is in milliseconds. With ``once`` an event begins one row at most.
    """
    ordered = [sorted(part, key=lambda event: (event.timing, event.segment_id)) for part in parts]
    levels = _levels(ordered, within)
    waiting = [
        (-best.weakest, -best.total, _order([event]), [event])
        for event, best in zip(ordered[0], levels[0].best, strict=True)
        if best is not None
    ]
    heapify(waiting)
    rows: list[list[Event]] = []
    begun: set[Event] = set()
    while waiting and len(rows) < k:
        *_, row = heappop(waiting)
        if once and row[0] in begun:
            continue
        if len(row) == len(parts):
            rows.append(row)
            begun.add(row[0])
            continue
        weakest, total = min(e.strength for e in row), sum(e.strength for e in row)
        for event, best in levels[len(row)].after(row[-1].timing):
            longer = [*row, event]
            bound = -min(weakest, best.weakest), -(total + best.total)
            heappush(waiting, (*bound, _order(longer), longer))
    return rows


class _Best(NamedTuple):
    """The most that a row which goes on with some event can have: bounds, each for itself."""

    weakest: int
    total: int


class _Level:
    """The events of one part in time order, with what can be had from each on."""

    def __init__(self, events: Sequence[Event], best: Sequence[_Best | None], within: int) -> None:
        self.best = best
        self._events = events
        self._within = within
        self._starts = [(event.timing.clock, event.timing.start) for event in events]

    def window(self, timing: Timing) -> tuple[int, int]:
        """The first, and one behind the last, of those that begin when what comes after ``timing`` may."""
        earliest = max(-(-(timing.start + timing.end) // 2), timing.start + 1)
        first = bisect_left(self._starts, (timing.clock, earliest))
        return first, bisect_right(self._starts, (timing.clock, timing.end + self._within), first)

    def after(self, timing: Timing) -> Iterator[tuple[Event, _Best]]:
        """Those that come after ``timing`` and can be gone on with."""
        for number in range(*self.window(timing)):
            event, best = self._events[number], self.best[number]
            if best is not None and event.timing.start + event.timing.end >= 2 * timing.end:
                yield event, best

    def best_after(self, events: Sequence[Event]) -> list[_Best | None]:
        """For each of ``events``, the best of those that come after it; None where nothing does.

        A sweep from the latest end to the earliest, in which an event of this level is let in once its middle
        is not before that end.
        """
        weakest, total = _Highest(len(self._events)), _Highest(len(self._events))
        middles = [(event.timing.clock, sum(event.timing[1:])) for event in self._events]
        coming = sorted(range(len(middles)), key=middles.__getitem__)
        answers: list[_Best | None] = [None] * len(events)
        ends = [(event.timing.clock, 2 * event.timing.end) for event in events]
        for number in sorted(range(len(ends)), key=ends.__getitem__, reverse=True):
            while coming and middles[coming[-1]] >= ends[number]:
                late = coming.pop()
                if (best := self.best[late]) is not None:
                    weakest.put(late, best.weakest)
                    total.put(late, best.total)
            window = self.window(events[number].timing)
            if (most := weakest.over(*window)) is not None:
                answers[number] = _Best(most, total.over(*window) or 0)
        return answers


class _Highest:
    """A row of numbers, put in one by one, and the highest of any stretch of it; both in O(log n)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tree: list[int | None] = [None] * (2 * size)

    def put(self, place: int, value: int) -> None:
        place += self._size
        while place and ((there := self._tree[place]) is None or there < value):
            self._tree[place] = value
            place //= 2

    def over(self, first: int, last: int) -> int | None:
        """The highest from ``first`` up to, but without, ``last``; None where there is nothing."""
        found: list[int | None] = []
        first, last = first + self._size, last + self._size
        while first < last:
            if first & 1:
                found.append(self._tree[first])
                first += 1
            if last & 1:
                last -= 1
                found.append(self._tree[last])
            first, last = first // 2, last // 2
        return max((value for value in found if value is not None), default=None)


def _levels(parts: Sequence[Sequence[Event]], within: int) -> list[_Level]:
    levels: list[_Level] = []
    for events in reversed(parts):
        best: list[_Best | None] = [_Best(event.strength, event.strength) for event in events]
        if levels:
            ahead = levels[-1].best_after(events)
            best = [_joined(event, rest) for event, rest in zip(events, ahead, strict=True)]
        levels.append(_Level(events, best, within))
    return levels[::-1]


def _joined(event: Event, rest: _Best | None) -> _Best | None:
    return rest and _Best(min(event.strength, rest.weakest), event.strength + rest.total)


def _order(row: Sequence[Event]) -> tuple[tuple[Timing, int], ...]:
    """What decides among rows of equal strength. The beginning of a row comes before the row."""
    return tuple((event.timing, event.segment_id) for event in row)


def _candidates(
    search: Search, catalog: Catalog, query: Asking, count: int, wanted: Filter | None
) -> list[tuple[Hit, Timing]]:
    """The best moments for ``query`` that have a time, with it: among as many as it takes to have some."""
    asked = count
    while True:
        hits = search(query, asked, wanted)
        with catalog.read() as reader:
            timings = timings_of(reader, {hit.segment_id for hit in hits})
        timed = [(hit, timings[hit.segment_id]) for hit in hits if hit.segment_id in timings]
        if 2 * len(timed) >= count or len(hits) < asked or asked >= _MOST_ASKED * count:
            return timed[:count]
        asked *= 4  # notes without a time may fill the first places


def _sequence(moments: Sequence[Hit], events: Sequence[Event]) -> MomentSequence:
    timings = [event.timing for event in events]
    gaps = (first.gap(second) / _MS for first, second in pairwise(timings))
    standings = [hit.standing for hit in moments if hit.standing is not None]
    standing = min(standings) if len(standings) == len(moments) else None
    return MomentSequence(tuple(moments), tuple(gaps), min(hit.score for hit in moments), standing)


def _ranked(search: Search, query: Asking, found: list[Neighbour], around: Filter) -> list[Neighbour]:
    """``found`` as ``search`` ranks it, asking for more until all are among it."""
    near = {one.segment_id: one for one in found}
    count = max(CANDIDATES, 2 * len(near))
    while near:
        hits = search(query, count, around)
        ranked = [hit for hit in hits if hit.segment_id in near]
        if len(ranked) == len(near) or len(hits) < count:
            return [replace(near[hit.segment_id], score=hit.score, standing=hit.standing) for hit in ranked]
        count *= 4
    return []


def _strength(hit: Hit, stands: bool) -> float:
    return hit.standing if stands and hit.standing is not None else hit.score


def _milliseconds(within: float) -> int:
    if math.isnan(within) or within < 0:
        raise QueryError("a limit of time is 0 or more", subject=f"{within:g} s")
    return round(min(within, _FARTHEST) * _MS)
