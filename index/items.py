"""The contents of a library as vectors, for those who judge all of them: no file is opened.

A content counts by what it is: a film by its pictures, a captioned photo by its picture; where the filter
names modalities, by these alone. What a content has of one modality comes as the direction of its mean, or
segment by segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, func, select

from bindsearch.encoders.protocol import Space, Vectors
from bindsearch.index.fetching import IDS_PER_STATEMENT
from bindsearch.index.filters import Filter, select_vectors
from bindsearch.index.schema import contents, segments, spaces, vectors
from bindsearch.index.vectors import Selection
from bindsearch.modality import Modality

ROWS = 4096  # that are read at once
BATCH = 2048  # items that are given at once


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Vectors of one modality (n, d), float32, unit length, and the contents (n) that they are of.

    Segment by segment, a content comes several times.
    """

    modality: Modality
    content_ids: list[int]
    vectors: Vectors


def stored_items(
    catalog: Connection,
    space: Space,
    wanted: Filter,
    *,
    content_ids: Sequence[int] | None = None,
    by_segment: bool = False,
    every: int = 1,
) -> Iterator[Items]:
    """What ``wanted`` lets through, or those of it that are among ``content_ids``, in batches.

    Of many, ``every`` takes one content in so many, by its id. Nothing comes from a library
    without vectors of ``space``.
    """
    space_id = catalog.scalar(select(spaces.c.id).where(spaces.c.key == space.key))
    if space_id is None:
        return
    selection = select_vectors(catalog, space_id, wanted)
    statement = _rows(space_id, every)
    if not wanted.modalities:
        statement = statement.where(segments.c.modality == contents.c.modality)
    waiting: dict[Modality, tuple[list[int], list[Vectors]]] = {}
    for rows in _groups(catalog, statement, content_ids, selection):
        ids, found = waiting.setdefault(Modality(rows[0].modality), ([], []))
        own = _unit(np.stack([np.frombuffer(row.data, "<f2") for row in rows]), by_segment)
        ids += [rows[0].content_id] * len(own)
        found.append(own)
        if len(ids) >= BATCH:
            modality = Modality(rows[0].modality)
            del waiting[modality]
            yield Items(modality, ids, np.concatenate(found))
    for modality, (ids, found) in waiting.items():
        yield Items(modality, ids, np.concatenate(found))


def count_contents(catalog: Connection) -> dict[Modality, int]:
    """How many contents with a file that is there are of each modality."""
    statement = select(contents.c.modality, func.count()).group_by(contents.c.modality)
    counted = catalog.execute(statement.where(contents.c.present_locations > 0))
    return {Modality(name): count for name, count in counted}


def _rows(space_id: int, every: int) -> Select[Any]:
    statement = (
        select(vectors.c.id, vectors.c.data, segments.c.content_id, segments.c.modality)
        .join(segments, segments.c.id == vectors.c.segment_id)
        .join(contents, contents.c.id == segments.c.content_id)
        .where(vectors.c.space_id == space_id)
        .order_by(segments.c.content_id, segments.c.modality, segments.c.ordinal)
    )
    return statement if every == 1 else statement.where(segments.c.content_id % every == 0)


def _groups(
    catalog: Connection, statement: Select[Any], content_ids: Sequence[int] | None, selection: Selection
) -> Iterator[list[Row[Any]]]:
    """The rows of each content and modality that the selection lets through."""
    for part in _portions(statement, content_ids):
        allowed = _allowed(catalog, part, selection)
        for _, rows in groupby(allowed, lambda row: (row.content_id, row.modality)):
            yield list(rows)


def _portions(statement: Select[Any], content_ids: Sequence[int] | None) -> Iterator[Select[Any]]:
    """The statement, for all contents or for some of those that are named at a time."""
    if content_ids is None:
        yield statement
        return
    for first in range(0, len(content_ids), IDS_PER_STATEMENT):
        yield statement.where(segments.c.content_id.in_(content_ids[first : first + IDS_PER_STATEMENT]))


def _allowed(catalog: Connection, statement: Select[Any], selection: Selection) -> Iterator[Row[Any]]:
    for rows in catalog.execute(statement).partitions(ROWS):
        mask = selection.allows(np.array([row.id for row in rows], np.int64))
        yield from (row for row, allowed in zip(rows, mask.tolist(), strict=True) if allowed)


def _unit(rows: Vectors, by_segment: bool) -> Vectors:
    wide = np.asarray(rows, np.float32)
    wide = wide if by_segment else wide.mean(axis=0, keepdims=True)
    unit: Vectors = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
