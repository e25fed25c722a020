"""Hits: what a search gives back, with everything that a person needs to find the moment again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from bindsearch.answers import Hit, State
from bindsearch.index.fetching import as_json, fetched
from bindsearch.index.filters import Filter, under
from bindsearch.index.schema import locations, roots
from bindsearch.modality import Modality

_SEGMENTS = """
SELECT s.id, s.content_id, s.modality, s.start, s."end", s.first_line, s.last_line, s.text,
    c.sha256, c.taken_at
FROM json_each(?) AS asked
CROSS JOIN segments AS s ON s.id = asked.value CROSS JOIN contents AS c ON c.id = s.content_id
"""
_PLACES = """
SELECT l.content_id, r.path, l.path, l.state FROM json_each(?) AS asked
CROSS JOIN locations AS l ON l.content_id = asked.value CROSS JOIN roots AS r ON r.id = l.root_id
WHERE l.state IN (?, ?) ORDER BY l.state DESC, r.path, l.path
"""


class SegmentRow(NamedTuple):
    """A segment with what a hit tells of its content."""

    id: int
    content_id: int
    modality: str
    start: float | None
    end: float | None
    first_line: int | None
    last_line: int | None
    text: str | None
    sha256: bytes
    taken_at: float | None


class Place(NamedTuple):
    """Where a content lies: a path within a root."""

    root: str
    path: str
    state: State


def segments_of(catalog: Connection, segment_ids: Sequence[int]) -> dict[int, SegmentRow]:
    """The segments that still exist of some, by id, with what a hit tells of their contents."""
    return {row[0]: SegmentRow(*row) for row in fetched(catalog, _SEGMENTS, as_json(segment_ids))}


def paths_of(catalog: Connection, content_ids: Sequence[int], wanted: Filter) -> dict[int, list[Place]]:
    """Where contents lie, by content id, as far as ``wanted`` allows.

    Present locations come first, then by path.
    """
    places: dict[int, list[Place]] = {}
    for content, root, path, state in _located(catalog, content_ids, wanted):
        places.setdefault(content, []).append(Place(root, path, State(state)))
    return places


def _located(
    catalog: Connection, content_ids: Sequence[int], wanted: Filter
) -> Iterator[tuple[int, str, str, str]]:
    """Rows of content, root, path and state, the best first."""
    if not wanted.folders:
        given = as_json(content_ids), wanted.states[0], wanted.states[-1]
        for content, root, path, state in fetched(catalog, _PLACES, *given):
            yield content, os.fsdecode(root), os.fsdecode(path), state
        return
    statement = (
        select(locations.c.content_id, roots.c.path.label("root"), locations.c.path, locations.c.state)
        .join(roots, roots.c.id == locations.c.root_id)
        .where(locations.c.content_id.in_(content_ids), locations.c.state.in_(wanted.states))
        .order_by(locations.c.state.desc(), roots.c.path, locations.c.path)
    )
    rows: Iterable[Any] = catalog.execute(statement.where(under(catalog, wanted.folders)))
    yield from (tuple(row) for row in rows)


def make_hit(score: float, segment: SegmentRow | Row[Any], places: Sequence[Place]) -> Hit:
    """Join what is known of one hit; ``places`` is not empty."""
    paths = [absolute(place.root, place.path) for place in places]
    return Hit(
        score=score,
        path=paths[0],
        modality=Modality(segment.modality),
        start=segment.start,
        end=segment.end,
        first_line=segment.first_line,
        last_line=segment.last_line,
        text=segment.text,
        taken_at=segment.taken_at,
        state=places[0].state,
        other_paths=tuple(paths[1:]),
        segment_id=segment.id,
        sha256=segment.sha256.hex(),
    )


def absolute(root: str, path: str) -> Path:
    """A location's path in the file system; "." is a root that is itself a file."""
    return Path(root) if path == os.curdir else Path(root) / path
