"""What an indexing run asks the catalog: what is known of files, failures and contents."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, exists, or_, select
from sqlalchemy.orm import Session

from bindsearch.answers import State
from bindsearch.encoders.protocol import Space
from bindsearch.index.filters import below
from bindsearch.index.hits import absolute
from bindsearch.index.models import SpaceRow
from bindsearch.index.schema import Stage, contents, failures, locations, roots, segments, vectors

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
    hint: str


class KnownFailure(NamedTuple):
    """A file that could not be taken in, as it was then; ``stat`` is None where there was none."""

    stat: FileStat | None
    hint: str
    stage: Stage
    failed_at: float


class Twin(NamedTuple):
    """A location by which a file can be recognised without reading it."""

    location_id: int
    content_id: int
    root: str
    path: str
    hint: str


def content_identity(sha256: bytes, hint: str) -> bytes:
    """What bytes of that hash are known by when they are read with a hint of that key."""
    return hashlib.sha256(sha256 + hint.encode()).digest() if hint else sha256


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
    columns = (locations.c.id, locations.c.path, locations.c.content_id, locations.c.state, *_stat(locations))
    rows: Iterable[Any] = catalog.execute(statement.with_only_columns(*columns, locations.c.hint))
    return {
        row.path: KnownLocation(
            row.id, row.path, row.content_id, State(row.state), FileStat(*row[4:8]), row.hint
        )
        for row in rows
    }


def known_failures(catalog: Reader, root_id: int, prefix: str | None = None) -> dict[str, KnownFailure]:
    """The paths of a root that failed, or of those at or below ``prefix`` within it."""
    columns = (failures.c.path, failures.c.hint, failures.c.stage, failures.c.failed_at, *_stat(failures))
    statement = select(*columns).where(failures.c.root_id == root_id)
    if prefix is not None:
        statement = statement.where(below(prefix, failures))
    rows: Iterable[Any] = catalog.execute(statement)
    return {
        row.path: KnownFailure(
            None if row.size is None else FileStat(*row[4:]), row.hint, Stage(row.stage), row.failed_at
        )
        for row in rows
    }


def contents_without(
    catalog: Reader, space_id: int, modalities: Collection[str], among: Collection[int] | None = None
) -> set[int]:
    """Ids of contents with segments of these modalities that have no vectors in a space yet.

    Of all, or of those that are named, which must be few.
    """
    lacking = select(segments.c.content_id).where(segments.c.modality.in_(modalities)).distinct()
    if among is None:
        encoded = select(vectors.c.segment_id).where(vectors.c.space_id == space_id)
        return set(catalog.scalars(lacking.where(segments.c.id.not_in(encoded.scalar_subquery()))))
    own = exists().where(vectors.c.segment_id == segments.c.id, vectors.c.space_id == space_id)
    return set(catalog.scalars(lacking.where(segments.c.content_id.in_(among), ~own)))


def find_content(catalog: Reader, identity: bytes, space_id: int, modalities: Collection[str]) -> int | None:
    """The id of a content that is known and complete in a space, as far as that embeds ``modalities``."""
    encoded = exists().where(vectors.c.segment_id == segments.c.id, vectors.c.space_id == space_id)
    lacking = exists().where(
        segments.c.content_id == contents.c.id, segments.c.modality.in_(modalities), ~encoded
    )
    return catalog.scalar(select(contents.c.id).where(contents.c.identity == identity, ~lacking))


def locations_by_stat(catalog: Reader) -> dict[FileStat, Twin]:
    """One location for each stat known: a file that has it holds the same bytes, whatever its name."""
    columns = (locations.c.id, locations.c.content_id, roots.c.path, locations.c.path, locations.c.hint)
    rows: Iterable[Any] = catalog.execute(select(*_stat(locations), *columns).join(roots))
    return {FileStat(*row[:4]): Twin(*row[4:]) for row in rows}


def find_twin(catalog: Reader, stat: FileStat) -> Twin | None:
    """One location with this stat."""
    columns = (locations.c.id, locations.c.content_id, roots.c.path, locations.c.path, locations.c.hint)
    same = [locations.c[name] == value for name, value in stat._asdict().items()]
    statement = select(*columns).join(roots).where(*same).order_by(locations.c.id.desc()).limit(1)
    row: Any = catalog.execute(statement).first()
    return None if row is None else Twin(*row)


def other_names(catalog: Reader, stat: FileStat) -> list[Path]:
    """Under which names the same file is known as it was before; none where inodes are not known."""
    columns = roots.c.path, locations.c.path
    same = locations.c.inode == stat.inode, locations.c.device == stat.device, locations.c.inode != 0
    older = or_(locations.c.size != stat.size, locations.c.mtime_ns != stat.mtime_ns)
    there = locations.c.state == State.PRESENT
    return [
        absolute(root, path)
        for root, path in catalog.execute(select(*columns).join(roots).where(*same, older, there))
    ]


def _stat(table: Table) -> list[Column[Any]]:
    return [table.c[name] for name in FileStat._fields]
