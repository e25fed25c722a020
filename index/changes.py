"""What an indexing run writes to the catalog, as functions over one session.

None of them commits: the caller groups them into transactions, so that a content, its segments, its vectors
and the location that led to it become visible together or not at all. All of them take many rows at once,
because a statement for each row costs more than encoding a picture.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, exists, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import Session

from bindsearch.answers import State
from bindsearch.encoders.protocol import Vectors
from bindsearch.index.records import FileStat
from bindsearch.index.schema import FsPath, Stage, contents, failures, locations, segments, vectors
from bindsearch.loaders.base import FileFacts
from bindsearch.media import Media

Rows = list[dict[str, Any]]


class SegmentFacts(NamedTuple):
    """A segment's place in its file; see the schema for the units."""

    modality: str
    start: float | None
    end: float | None
    first_line: int | None
    last_line: int | None
    text: str | None

    @classmethod
    def of(cls, media: Media) -> SegmentFacts:
        """The place of ``media``, without its pixels or samples."""
        return cls(media.modality, *(getattr(media, name, None) for name in cls._fields[1:]))


@dataclass(frozen=True, slots=True, eq=False)
class NewContent:
    """A decoded and encoded file.

    ``vectors`` (m, d) belong, in order, to those of the ``segments`` (n) that ``encoded`` (n) says true of.
    """

    identity: bytes
    sha256: bytes
    hint: str
    size: int
    facts: FileFacts
    segments: Sequence[SegmentFacts]
    encoded: Sequence[bool]
    vectors: Vectors


class Placement(NamedTuple):
    """A content lies at a path."""

    root_id: int
    path: str
    stat: FileStat
    content_id: int
    hint: str = ""


class Move(NamedTuple):
    """A location has another path."""

    location_id: int
    root_id: int
    path: str


class Fault(NamedTuple):
    """A path cannot be taken in; ``stat`` is None where there was nothing to stat.

    ``failed_at`` is when it was tried, in seconds since 1970 UTC; now if None.
    """

    root_id: int
    path: str
    stage: Stage
    reason: str
    stat: FileStat | None
    hint: str = ""
    failed_at: float | None = None


def store_contents(session: Session, space_id: int, batch: Sequence[NewContent]) -> list[int]:
    """Write contents with their segments and vectors; returns their ids, in order.

    A content that is there already, with vectors of another space, keeps its segments if they are cut
    alike; if not, they are cut anew and the other space's vectors of it are given up.
    """
    known = select(contents.c.identity, contents.c.id)
    known = known.where(contents.c.identity.in_([new.identity for new in batch]))
    ids: dict[bytes, int] = {row[0]: row[1] for row in session.execute(known)}
    fresh = {new.identity: new for new in batch if new.identity not in ids}
    segment_ids = {
        new.identity: _recut(session, ids[new.identity], space_id, new)
        for new in batch
        if new.identity in ids
    }
    ids |= zip(fresh, _insert(session, contents, [_content_row(new) for new in fresh.values()]), strict=True)
    rows = [row for new in fresh.values() for row in _segment_rows(ids[new.identity], new.segments)]
    inserted = iter(_insert(session, segments, rows))
    segment_ids |= {identity: [next(inserted) for _ in new.segments] for identity, new in fresh.items()}
    once = {new.identity: new for new in batch}.values()
    _insert_many(
        session,
        vectors,
        [row for new in once for row in _vector_rows(segment_ids[new.identity], space_id, new)],
    )
    return [ids[new.identity] for new in batch]


def place(session: Session, placements: Sequence[Placement]) -> None:
    """Say where contents lie; whatever was said of those paths before no longer holds."""
    rows: Rows = [
        {"root_id": p.root_id, "path": p.path, "content_id": p.content_id, "hint": p.hint}
        | {"state": State.PRESENT}
        | p.stat._asdict()
        for p in placements
    ]
    _upsert(session, locations, rows)
    _delete_at(session, failures, placements)


def move(session: Session, moves: Sequence[Move]) -> None:
    """Give locations other paths; whatever was said of those paths before no longer holds."""
    if not moves:
        return
    params: Rows = [{"the_id": m.location_id, "the_root": m.root_id, "the_path": m.path} for m in moves]
    session.execute(delete(locations).where(_at(locations), locations.c.id != bindparam("the_id")), params)
    statement = update(locations).where(locations.c.id == bindparam("the_id"))
    values = {
        "root_id": bindparam("the_root"),
        "path": bindparam("the_path", type_=FsPath),
        "state": State.PRESENT,
    }
    session.execute(statement.values(values), params)
    _delete_at(session, failures, moves)


def record_faults(session: Session, faults: Sequence[Fault]) -> None:
    """Say why paths could not be taken in; what was known to lie there no longer does.

    A file that was read and only could not be encoded still holds what it held, and stays where it is as long
    as its bytes and its hint are the same: another space may have vectors of it.
    """
    unknown: dict[str, int | None] = dict.fromkeys(FileStat._fields)
    rows: Rows = [
        {"root_id": f.root_id, "path": f.path, "stage": f.stage, "reason": f.reason, "hint": f.hint}
        | {"failed_at": time.time() if f.failed_at is None else f.failed_at}
        | (f.stat._asdict() if f.stat else unknown)
        for f in faults
    ]
    _upsert(session, failures, rows)
    _delete_at(session, locations, [fault for fault in faults if fault.stage is not Stage.ENCODE])
    params: Rows = [
        {"the_root": f.root_id, "the_path": f.path, "the_hint": f.hint}
        | {"the_size": f.stat.size, "the_mtime": f.stat.mtime_ns}
        for f in faults
        if f.stage is Stage.ENCODE and f.stat is not None
    ]
    if params:
        values = {"size": "the_size", "mtime_ns": "the_mtime", "hint": "the_hint"}
        same = and_(*(locations.c[name] == bindparam(value) for name, value in values.items()))
        session.execute(delete(locations).where(_at(locations), ~same), params)


def set_state(session: Session, location_ids: Iterable[int], state: State) -> None:
    """Put locations into a state."""
    params: Rows = [{"the_id": location_id} for location_id in location_ids]
    if params:
        statement = update(locations).where(locations.c.id == bindparam("the_id"))
        session.execute(statement.values(state=state), params)


def drop_failures(session: Session, root_id: int, paths: Iterable[str]) -> None:
    """Forget failures of paths that are gone."""
    _delete_at(session, failures, [Move(0, root_id, path) for path in paths])


def collect_garbage(session: Session) -> None:
    """Drop what no file stands behind any more.

    A missing location whose bytes are present elsewhere was a move or a copy. A content without any
    location goes with its segments and vectors, which leaves tombstones for the vector indexes. Contents
    of missing and offline files stay: they cost nothing when the files come back.
    """
    other = locations.alias()
    elsewhere = exists().where(other.c.content_id == locations.c.content_id, other.c.state == State.PRESENT)
    session.execute(delete(locations).where(locations.c.state == State.MISSING, elsewhere))
    placed = exists().where(locations.c.content_id == contents.c.id)
    orphans = select(contents.c.id).where(contents.c.present_locations == 0, ~placed)
    _drop_segments(session, segments.c.content_id.in_(orphans.scalar_subquery()))
    session.execute(delete(contents).where(contents.c.present_locations == 0, ~placed))


def _content_row(new: NewContent) -> dict[str, Any]:
    known_by = {"identity": new.identity, "sha256": new.sha256, "hint": new.hint}
    return known_by | {"size": new.size, "added_at": time.time()} | asdict(new.facts)


def _segment_rows(content_id: int, cut: Sequence[SegmentFacts]) -> Rows:
    return [{"content_id": content_id, "ordinal": n} | facts._asdict() for n, facts in enumerate(cut)]


def _vector_rows(segment_ids: Sequence[int], space_id: int, new: NewContent) -> Rows:
    encoded = compress(segment_ids, new.encoded)
    pairs = zip(encoded, new.vectors.astype("<f2"), strict=True)
    return [{"segment_id": own, "space_id": space_id, "data": row.tobytes()} for own, row in pairs]


def _recut(session: Session, content_id: int, space_id: int, new: NewContent) -> list[int]:
    """The segment ids of a content that is known, without vectors in the space."""
    columns = [segments.c[name] for name in SegmentFacts._fields]
    own = select(segments.c.id, *columns).where(segments.c.content_id == content_id)
    rows = session.execute(own.order_by(segments.c.ordinal)).all()
    if [tuple(row)[1:] for row in rows] != [tuple(facts) for facts in new.segments]:
        _drop_segments(session, segments.c.content_id == content_id)
        return _insert(session, segments, _segment_rows(content_id, new.segments))
    ids = [row.id for row in rows]
    stale = vectors.c.segment_id.in_(own.with_only_columns(segments.c.id).scalar_subquery())
    session.execute(delete(vectors).where(stale, vectors.c.space_id == space_id))
    return ids


def _drop_segments(session: Session, which: ColumnElement[bool]) -> None:
    doomed = select(segments.c.id).where(which).scalar_subquery()
    session.execute(delete(vectors).where(vectors.c.segment_id.in_(doomed)))
    session.execute(delete(segments).where(which))


def _insert(session: Session, table: Table, rows: Rows) -> list[int]:
    """Insert ``rows``; their ids, in order."""
    if not rows:
        return []
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows))


def _insert_many(session: Session, table: Table, rows: Rows) -> None:
    if rows:
        session.execute(insert(table), rows)


def _upsert(session: Session, table: Table, rows: Rows) -> None:
    """Insert ``rows``, or take them in place of those with the same root and path."""
    if not rows:
        return
    statement = upsert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in ("root_id", "path")}
    session.execute(statement.on_conflict_do_update(index_elements=["root_id", "path"], set_=values), rows)


def _delete_at(session: Session, table: Table, places: Sequence[Placement | Move | Fault]) -> None:
    """Delete what ``table`` says of the paths of ``places``."""
    if places:
        params: Rows = [{"the_root": place.root_id, "the_path": place.path} for place in places]
        session.execute(delete(table).where(_at(table)), params)


def _at(table: Table) -> ColumnElement[bool]:
    path = bindparam("the_path", type_=FsPath)
    return and_(table.c.root_id == bindparam("the_root"), table.c.path == path)
