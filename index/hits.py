"""Hits: what a search gives back, with everything that a person needs to find the moment again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from bindsearch.answers import Hit, State
from bindsearch.index.filters import Filter, under
from bindsearch.index.schema import contents, locations, roots, segments
from bindsearch.modality import Modality

# SQLite allows 32,766 variables in a statement; hits are few, but k is the user's to choose.
IDS_PER_STATEMENT = 10_000


class Place(NamedTuple):
    """Where a content lies: a path within a root."""

    root: str
    path: str
    state: State


def segments_of(catalog: Connection, segment_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """The segments that still exist of some, by id, with what a hit tells of their contents."""
    found: dict[int, Row[Any]] = {}
    for first in range(0, len(segment_ids), IDS_PER_STATEMENT):
        some = segments.c.id.in_(segment_ids[first : first + IDS_PER_STATEMENT])
        statement = select(segments, contents.c.sha256, contents.c.taken_at).join(contents).where(some)
        found |= {row.id: row for row in catalog.execute(statement)}
    return found


def paths_of(catalog: Connection, content_ids: Sequence[int], wanted: Filter) -> dict[int, list[Place]]:
    """Where contents lie, by content id, as far as ``wanted`` allows.

    Present locations come first, then by path.
    """
    statement = (
        select(locations.c.content_id, roots.c.path.label("root"), locations.c.path, locations.c.state)
        .join(roots, roots.c.id == locations.c.root_id)
        .where(locations.c.content_id.in_(content_ids), locations.c.state.in_(wanted.states))
        .order_by(locations.c.state.desc(), roots.c.path, locations.c.path)
    )
    if wanted.folders:
        statement = statement.where(under(catalog, wanted.folders))
    places: dict[int, list[Place]] = {}
    for row in catalog.execute(statement):
        places.setdefault(row.content_id, []).append(Place(row.root, row.path, State(row.state)))
    return places


def make_hit(score: float, segment: Row[Any], places: Sequence[Place]) -> Hit:
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
