"""What an indexing run asks the catalog: what is known of files, failures and contents."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, select
from sqlalchemy.orm import Session

from bindsearch.encoders.protocol import Space
from bindsearch.index.filters import below
from bindsearch.index.models import SpaceRow
from bindsearch.index.schema import State, contents, failures, locations, roots, segments, vectors

Reader = Connection | Session


class FileStat(NamedTuple):
    """By what a file is taken to be unchanged: equal stats mean equal bytes."""

    size: int
    mtime_ns: int
    inode: int
    device: int


@dataclass(frozen=True, slots=True)
class KnownLocation:
    """A location as the catalog has it."""

    id: int
    path: str
    content_id: int
    state: State
    stat: FileStat


class Twin(NamedTuple):
    """A location by which a file can be recognised without reading it."""

    location_id: int
    content_id: int
    root: str
    path: str


def ensure_space(session: Session, space: Space) -> SpaceRow:
    """The row of ``space``, made if it is new."""
    row = session.scalar(select(SpaceRow).where(SpaceRow.key == space.key))
    if row is None:
        row = SpaceRow(
            key=space.key,
            name=space.id,
            revision=space.revision,
            weights_sha256=space.weights_sha256,
            dimensions=space.dimensions,
            preprocessing=space.preprocessing,
            added_at=time.time(),
        )
        session.add(row)
        session.flush()
    return row


def known_locations(catalog: Reader, root_id: int, prefix: str | None = None) -> dict[str, KnownLocation]:
    """The locations of a root, or those at or below ``prefix`` within it, by path."""
    statement = select(locations).where(locations.c.root_id == root_id)
    if prefix is not None:
        statement = statement.where(below(prefix))
    stat = (locations.c.size, locations.c.mtime_ns, locations.c.inode, locations.c.device)
    columns = (locations.c.id, locations.c.path, locations.c.content_id, locations.c.state, *stat)
    rows: Iterable[Any] = catalog.execute(statement.with_only_columns(*columns))
    return {
        row.path: KnownLocation(row.id, row.path, row.content_id, State(row.state), FileStat(*row[4:]))
        for row in rows
    }


def known_failures(catalog: Reader, root_id: int) -> dict[str, FileStat | None]:
    """The paths of a root that failed, with the stat they had; None where there was nothing to stat."""
    rows: Iterable[Any] = catalog.execute(
        select(
            failures.c.path, failures.c.size, failures.c.mtime_ns, failures.c.inode, failures.c.device
        ).where(failures.c.root_id == root_id)
    )
    return {row.path: None if row.size is None else FileStat(*row[1:]) for row in rows}


def contents_without(catalog: Reader, space_id: int, modalities: Collection[str]) -> set[int]:
    """Ids of contents of these modalities that have no vectors in a space yet."""
    encoded = select(segments.c.content_id).join(vectors, vectors.c.segment_id == segments.c.id)
    encoded = encoded.where(vectors.c.space_id == space_id)
    lacking = contents.c.id.not_in(encoded.scalar_subquery()), contents.c.modality.in_(modalities)
    return set(catalog.scalars(select(contents.c.id).where(*lacking)))


def find_content(catalog: Reader, sha256: bytes, space_id: int) -> int | None:
    """The id of a content that is known and complete in a space."""
    encoded = exists().where(
        segments.c.content_id == contents.c.id,
        vectors.c.segment_id == segments.c.id,
        vectors.c.space_id == space_id,
    )
    return catalog.scalar(select(contents.c.id).where(contents.c.sha256 == sha256, encoded))


def locations_by_stat(catalog: Reader) -> dict[FileStat, Twin]:
    """One location for each stat known: a file that has it holds the same bytes, whatever its name."""
    columns = (locations.c.size, locations.c.mtime_ns, locations.c.inode, locations.c.device)
    rows: Iterable[Any] = catalog.execute(
        select(*columns, locations.c.id, locations.c.content_id, roots.c.path, locations.c.path).join(roots)
    )
    return {FileStat(*row[:4]): Twin(*row[4:]) for row in rows}
