"""Hits: what a search gives back, with everything that a person needs to find the moment again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from bindsearch.index.filters import Filter, under
from bindsearch.index.schema import State, contents, locations, roots, segments, vectors
from bindsearch.modality import Modality

# SQLite allows 32,766 variables in a statement; hits are few, but k is the user's to choose.
IDS_PER_STATEMENT = 10_000


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


class Place(NamedTuple):
    """Where a content lies: a path within a root."""

    root: str
    path: str
    state: State


def segments_of(catalog: Connection, vector_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """The segment of each vector that still exists, with its vector and what a hit tells of its content."""
    found: dict[int, Row[Any]] = {}
    for first in range(0, len(vector_ids), IDS_PER_STATEMENT):
        statement = (
            select(
                vectors.c.id.label("vector_id"),
                vectors.c.data,
                segments,
                contents.c.sha256,
                contents.c.taken_at,
            )
            .join(segments, segments.c.id == vectors.c.segment_id)
            .join(contents, contents.c.id == segments.c.content_id)
            .where(vectors.c.id.in_(vector_ids[first : first + IDS_PER_STATEMENT]))
        )
        found |= {row.vector_id: row for row in catalog.execute(statement)}
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
