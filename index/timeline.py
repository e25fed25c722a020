"""The timeline: when a segment was, and what else was about then.

A time is told by a *clock*. The world's is that of every file that says when it was taken: a segment of it
was at that time plus its offset. A file that does not say so has a clock of its own, which begins with it and
tells nothing of any other file. A file's modification time is no clock: copying and editing set it.

* A photo or a map is an instant, which no clock of its own can tell.
* Words that come with a file (a caption, a title) last as long as the file.
* A note has no time, unless something beside it says when it was written.

Times are whole milliseconds, so that a file's moments lie alike on its own clock and on the world's.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Row, Select, func, or_, select

from bindsearch.answers import Neighbour
from bindsearch.errors import QueryError
from bindsearch.index.fetching import IDS_PER_STATEMENT
from bindsearch.index.filters import Filter, descends, select_vectors
from bindsearch.index.hits import Place, absolute, paths_of
from bindsearch.index.schema import contents, locations, roots, segments, spaces, vectors
from bindsearch.modality import Modality

WORLD = 0
"""The clock that all files share which say when they were taken; others are called by their content's id."""

_MS = 1000
_FARTHEST = 1e12  # seconds; what is beyond is no time
_DAY = 86_400.0
_UNDATED = "it does not say when it was taken, and is no film or recording"


class Timing(NamedTuple):
    """A span of time on a clock, in milliseconds; ``start`` is ``end`` for an instant."""

    clock: int
    start: int
    end: int

    def gap(self, other: Timing) -> int:
        """The milliseconds from here to ``other``: negative if it was before, 0 where they meet."""
        return max(other.start - self.end, 0) or min(other.end - self.start, 0)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What neighbours are looked for of: a segment, or a file or a part of it, with ``segment_id`` None."""

    timing: Timing
    content_id: int
    segment_id: int | None = None


def timings_of(catalog: Connection, segment_ids: Collection[int]) -> dict[int, Timing]:
    """When each of some segments was, by its id; those of which nobody knows are left out."""
    timings: dict[int, Timing] = {}
    ids = list(segment_ids)
    for first in range(0, len(ids), IDS_PER_STATEMENT):
        chosen = segments.c.id.in_(ids[first : first + IDS_PER_STATEMENT])
        for row in catalog.execute(_timed().where(chosen)):
            if (timing := _timing(row)) is not None:
                timings[row.id] = timing
    return timings


def anchor_segment(catalog: Connection, segment_id: int) -> Anchor:
    """The anchor that is a segment. Raises QueryError for one that is not there or has no time."""
    subject = f"@{segment_id}"
    row = catalog.execute(_timed().where(segments.c.id == segment_id)).first()
    if row is None:
        hint = "search --json prints the ids of segments"
        raise QueryError("there is no such segment", subject=subject, hint=hint)
    timing = _timing(row)
    if timing is None:
        raise QueryError(_UNDATED, subject=subject)
    return Anchor(timing, row.content_id, segment_id)


def holds(catalog: Connection, path: str) -> bool:
    """Whether the library knows a file at the absolute ``path``, there or not."""
    return _content_at(catalog, path) is not None


def anchor_file(catalog: Connection, path: str, part: tuple[float, float] | None = None) -> Anchor:
    """The anchor that is the file at the absolute ``path``, or ``part`` of it, from and to in seconds.

    Raises QueryError for a file that the library does not hold, or that has no time.
    """
    content_id = _content_at(catalog, path)
    if content_id is None:
        hint = "index it first, or name a segment as in @12"
        raise QueryError("no file of this library", subject=path, hint=hint)
    lasts = select(func.max(segments.c.end)).where(segments.c.content_id == contents.c.id).scalar_subquery()
    duration = func.coalesce(contents.c.duration, lasts).label("duration")
    statement = select(contents.c.taken_at, duration).where(contents.c.id == content_id)
    facts = catalog.execute(statement).one()
    start, end = part or (None, None)
    timing = _on_clock(content_id, facts.taken_at, facts.duration, start, end)
    if timing is None:
        raise QueryError(_UNDATED, subject=path)
    return Anchor(timing, content_id)


def neighbours(
    catalog: Connection, anchor: Anchor, within: float, wanted: Filter, space_key: str
) -> list[Neighbour]:
    """What was at most ``within`` seconds before or after ``anchor``, in time order, without itself.

    As far as ``wanted`` lets it through. What the space does not embed is among it only where nothing is
    asked for, since filters choose among vectors.
    """
    reach = round(min(within, _FARTHEST) * _MS)
    found: list[tuple[Timing, Row[Any]]] = []
    for row in _about(catalog, anchor, min(within, _FARTHEST)):
        timing = _timing(row)
        if timing is None or timing.clock != anchor.timing.clock or _is_itself(row, timing, anchor):
            continue
        if abs(anchor.timing.gap(timing)) <= reach:
            found.append((timing, row))
    found = _let_through(catalog, found, wanted, space_key)
    found.sort(key=lambda one: (one[0], one[1].id))
    places = _places(catalog, sorted({row.content_id for _, row in found}), wanted)
    return [
        _neighbour(anchor, timing, row, places[row.content_id])
        for timing, row in found
        if row.content_id in places
    ]


def narrowed(catalog: Connection, anchor: Anchor, within: float, wanted: Filter) -> Filter:
    """``wanted`` with what keeps a search to where the neighbours of ``anchor`` are, or a little more."""
    if anchor.timing.clock != WORLD:
        places = paths_of(catalog, [anchor.content_id], replace(wanted, folders=()))
        paths = [absolute(place.root, place.path) for place in places.get(anchor.content_id, [])]
        return replace(wanted, folders=tuple(map(os.fspath, paths))) if paths else wanted
    since, until = _reach(catalog, anchor, min(within, _FARTHEST))
    return replace(
        wanted,
        since=since if wanted.since is None else max(since, wanted.since),
        until=until + 1 if wanted.until is None else min(until + 1, wanted.until),
    )


def _timing(row: Row[Any]) -> Timing | None:
    return _on_clock(row.content_id, row.taken_at, row.duration, row.start, row.end)


def _on_clock(
    content_id: int, taken_at: float | None, duration: float | None, start: float | None, end: float | None
) -> Timing | None:
    """The timing of a part of a file, or of all of it without ``start``; None where nobody knows it."""
    if start is None:
        start, end = 0.0, duration or 0.0
        if taken_at is None and not duration:
            return None
    end = start if end is None else max(start, end)
    if not max(abs(taken_at or 0.0), abs(start), abs(end)) < _FARTHEST:
        return None
    base = 0 if taken_at is None else round(taken_at * _MS)
    clock = content_id if taken_at is None else WORLD
    return Timing(clock, base + round(start * _MS), base + round(end * _MS))


def _timed() -> Select[Any]:
    return select(segments, contents.c.taken_at, contents.c.duration).join(
        contents, contents.c.id == segments.c.content_id
    )


def _about(catalog: Connection, anchor: Anchor, within: float) -> Iterator[Row[Any]]:
    """Segments among which all neighbours are, and not many more."""
    if anchor.timing.clock != WORLD:
        return iter(catalog.execute(_timed().where(segments.c.content_id == anchor.content_id)))
    since, until = _reach(catalog, anchor, within)
    begin = contents.c.taken_at + func.coalesce(segments.c.start, 0.0)
    lasts = func.coalesce(segments.c.end, segments.c.start, contents.c.duration, 0.0)
    statement = _timed().where(
        contents.c.taken_at.between(since, until),
        begin <= until,
        contents.c.taken_at + lasts >= anchor.timing.start / _MS - within - 1,
    )
    return iter(catalog.execute(statement))


def _reach(catalog: Connection, anchor: Anchor, within: float) -> tuple[float, float]:
    """From when to when a file was begun that may hold a neighbour, in seconds since 1970 UTC."""
    longest = catalog.scalar(select(func.max(contents.c.duration)).where(contents.c.taken_at.is_not(None)))
    # A file's duration is what its header says; its last span may end later, or there may be no header.
    longest = max(1.1 * min(longest or 0.0, _FARTHEST), _DAY)
    start, end = anchor.timing.start / _MS, anchor.timing.end / _MS
    return start - within - longest, end + within + 1


def _is_itself(row: Row[Any], timing: Timing, anchor: Anchor) -> bool:
    if anchor.segment_id is not None:
        return bool(row.id == anchor.segment_id)
    return row.content_id == anchor.content_id and timing == anchor.timing


def _let_through(
    catalog: Connection, found: list[tuple[Timing, Row[Any]]], wanted: Filter, space_key: str
) -> list[tuple[Timing, Row[Any]]]:
    if replace(wanted, offline=False) == Filter():
        return found
    space_id = catalog.scalar(select(spaces.c.id).where(spaces.c.key == space_key))
    if space_id is None:
        return []
    selection = select_vectors(catalog, space_id, wanted)
    by_vector = _vector_ids(catalog, [row.id for _, row in found], space_id)
    ids = np.array(sorted(by_vector), dtype=np.int64)
    allowed = {by_vector[number] for number in ids[selection.allows(ids)].tolist()}
    return [one for one in found if one[1].id in allowed]


def _vector_ids(catalog: Connection, segment_ids: list[int], space_id: int) -> dict[int, int]:
    """The segment of each of their vectors in a space."""
    by_vector: dict[int, int] = {}
    for first in range(0, len(segment_ids), IDS_PER_STATEMENT):
        chosen = vectors.c.segment_id.in_(segment_ids[first : first + IDS_PER_STATEMENT])
        statement = select(vectors.c.id, vectors.c.segment_id).where(chosen, vectors.c.space_id == space_id)
        by_vector |= {row.id: row.segment_id for row in catalog.execute(statement)}
    return by_vector


def _places(catalog: Connection, content_ids: list[int], wanted: Filter) -> dict[int, list[Place]]:
    places: dict[int, list[Place]] = {}
    for first in range(0, len(content_ids), IDS_PER_STATEMENT):
        places |= paths_of(catalog, content_ids[first : first + IDS_PER_STATEMENT], wanted)
    return places


def _neighbour(anchor: Anchor, timing: Timing, row: Row[Any], places: list[Place]) -> Neighbour:
    paths = [absolute(place.root, place.path) for place in places]
    return Neighbour(
        offset=(timing.start - anchor.timing.start) / _MS,
        gap=anchor.timing.gap(timing) / _MS,
        path=paths[0],
        modality=Modality(row.modality),
        start=row.start,
        end=row.end,
        first_line=row.first_line,
        last_line=row.last_line,
        text=row.text,
        taken_at=row.taken_at,
        state=places[0].state,
        other_paths=tuple(paths[1:]),
        segment_id=row.id,
    )


def _content_at(catalog: Connection, path: str) -> int | None:
    """The content of the file at ``path``; of several roots that reach it, one where it is present."""
    known = catalog.execute(select(roots.c.id, roots.c.path)).all()
    within = [
        (locations.c.root_id == root.id) & (locations.c.path == os.path.relpath(path, root.path))
        for root in known
        if descends(path, root.path)
    ]
    if not within:
        return None
    statement = (
        select(locations.c.content_id).where(or_(*within)).order_by(locations.c.state.desc(), locations.c.id)
    )
    return catalog.scalar(statement.limit(1))
