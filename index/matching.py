"""Conditions held against the catalog: which contents each fact is true of, as masks joined by and, or, not.

A mask is an array of booleans indexed by content id. Ids are small and dense, so that a mask of a hundred
thousand files is 100 kB and joining two takes microseconds; the time goes into the one statement that each
fact costs. Ids leave SQLite as one string, which is several times quicker than a row for each.

What a fact needs and the catalog does not know (a place, a length, a camera) makes it untrue, and its
negation true: ``not`` is the plain complement. Facts about paths are true of a content if they are of any
location at which it may be found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from itertools import chain
from operator import and_, or_
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    String,
    case,
    func,
    literal,
    select,
)

from bindsearch.answers import State
from bindsearch.conditions import All, AnyOf, Condition, Fact, Key, Not, meaning_of
from bindsearch.conditions.globs import NameGlob, PathGlob
from bindsearch.conditions.meaning import Folder, Known, Range
from bindsearch.errors import QueryError
from bindsearch.index.local import local_seconds, recurs
from bindsearch.index.paths import under
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import contents, locations, roots, tags
from bindsearch.modality import Modality
from bindsearch.periods import Hours, Period, Weekdays, Yearly
from bindsearch.places import EARTH_RADIUS, Around, distances

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Seconds = NDArray[np.float64]

_SLACK = 1e-6  # degrees; for rounding at the edge of the box that is looked at before distances are computed


class Matcher:
    """Holds conditions against one snapshot of the catalog; ``now`` is what "last week" counts from."""

    def __init__(self, catalog: Connection, states: Sequence[State], now: datetime | None = None) -> None:
        self._catalog = catalog
        self._located = locations.c.state.in_(states)
        self._now = now
        self._states = tuple(states)
        self._size = 1 + (catalog.scalar(select(func.max(contents.c.id))) or 0)

    def everything(self) -> Mask:
        """All contents, and ids that are none."""
        return np.ones(self._size, dtype=bool)

    def holds(self, condition: Condition, modality: Modality) -> Mask:
        """Which contents ``condition`` holds for, of their segments of ``modality``."""
        match condition:
            case Not():
                return ~self.holds(condition.part, modality)
            case All():
                return reduce(and_, (self.holds(part, modality) for part in condition.parts))
            case AnyOf():
                return reduce(or_, (self.holds(part, modality) for part in condition.parts))
        if condition.key is Key.TYPE:
            return np.full(self._size, meaning_of(condition) is modality)
        meaning = meaning_of(condition, self._now)
        # "last week" means another one in a week; all else is the same for ever.
        key = "fact", self._states, condition, meaning if isinstance(meaning, Period) else None
        return remembered(self._catalog, key, lambda: self._is_true(condition, meaning))

    def during(self, start: float, stop: float) -> Mask:
        """Contents of which the moment lies from ``start`` up to, without, ``stop`` (seconds, UTC)."""
        taken = contents.c.taken_at
        mask = self._mask(_ids(self._catalog, select(contents.c.id).where(taken >= start, taken < stop)))
        ids, moments = self._undated
        mask[ids[(moments >= start) & (moments < stop)]] = True
        return mask

    def inside(self, folders: Sequence[str]) -> Mask:
        """Contents at or below one of ``folders``, absolute paths."""
        return self._at(under(self._catalog, folders))

    def _is_true(self, made: Fact, meaning: object) -> Mask:
        match meaning:
            case Folder(path):
                return self.inside([path])
            case PathGlob() as glob if made.key is Key.ROOT:
                return self._at(locations.c.root_id.in_(self._roots_like(glob)))
            case PathGlob() as glob:
                return self._called(glob)
            case NameGlob() as glob:
                return self._named(made.key, glob)
            case Period(start, stop):
                return self.during(start, stop)
            case Yearly() | Hours() | Weekdays() as part:
                ids, local = self._local
                return self._mask(ids[recurs(part, local)])
            case Around() as around:
                return self._near(around)
            case Range() as wanted:
                return self._in_range(contents.c[made.key], wanted)
            case Known() as fact:
                return self._mask(_ids(self._catalog, _KNOWN[fact]))
        raise AssertionError(f"{made} has a meaning that nobody reads")

    def _mask(self, ids: Ids) -> Mask:
        mask = np.zeros(self._size, dtype=bool)
        mask[ids] = True
        return mask

    def _at(self, condition: ColumnElement[bool]) -> Mask:
        """Contents with a location, of those at which they may be found, that ``condition`` holds for."""
        found = select(locations.c.content_id).where(self._located, condition)
        return self._mask(_ids(self._catalog, found))

    def _roots_like(self, glob: PathGlob) -> list[int]:
        known = self._catalog.execute(select(roots.c.id, roots.c.path)).all()
        return [number for number, path in known if glob.matches(path if glob.absolute else _name(path))]

    def _called(self, glob: PathGlob) -> Mask:
        """SQLite sorts out what cannot match; what is left is looked at here."""
        before = {
            number: os.fsencode((root if glob.absolute else _name(root)).rstrip("/") + "/")
            for number, root in self._catalog.execute(select(roots.c.id, roots.c.path))
        }
        if not before:
            return self._mask(np.empty(0, np.int64))
        starts = {number: literal(start, LargeBinary) for number, start in before.items()}
        whole = case(starts, value=locations.c.root_id).op("||")(locations.c.path)
        likely = whole.op("GLOB")(literal(glob.rough, String))
        columns = locations.c.content_id, locations.c.root_id, locations.c.path
        rows = _rows(self._catalog, select(*columns).where(self._located, likely))
        paths = [before[root][:-1] if path == b"." else before[root] + path for _, root, path in rows]
        contents_of = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        return self._mask(contents_of[glob.which(paths)])

    def _named(self, key: Key, glob: NameGlob) -> Mask:
        owner, column = {
            Key.TAG: (tags.c.content_id, tags.c.name),
            Key.CAMERA: (contents.c.id, contents.c.camera),
            Key.FORMAT: (contents.c.id, contents.c.format),
        }[key]
        names = self._catalog.scalars(select(column).distinct()).all()
        alike = [name for name in names if name is not None and glob.matches(name)]
        return self._mask(_ids(self._catalog, select(owner).where(_one_of(column, alike))))

    def _in_range(self, column: Column[Any], wanted: Range) -> Mask:
        if wanted.open:
            bounds = column > wanted.least, column < wanted.most
        else:
            bounds = column >= wanted.least, column <= wanted.most
        return self._mask(_ids(self._catalog, select(contents.c.id).where(*bounds)))

    def _near(self, around: Around) -> Mask:
        """A belt of latitudes is read from the catalog, distances are computed for what lies in it."""
        if isinstance(around.place, str):
            hint = "write LAT,LON; Library.search looks up names"
            raise QueryError("this place has not been looked up", subject=around.place, hint=hint)
        reach = np.degrees(around.radius / EARTH_RADIUS) + _SLACK
        north = contents.c.latitude.between(around.place.latitude - reach, around.place.latitude + reach)
        statement = select(contents.c.id, contents.c.latitude, contents.c.longitude)
        columns = _columns(self._catalog, statement.where(north, contents.c.longitude.is_not(None)), 3)
        apart = distances(around.place, columns[1], columns[2])
        return self._mask(columns[0][apart <= around.radius].astype(np.int64))

    @property
    def _undated(self) -> tuple[Ids, Seconds]:
        return remembered(self._catalog, "undated", self._read_undated)

    @property
    def _local(self) -> tuple[Ids, Seconds]:
        return remembered(self._catalog, ("local", time.tzname, time.timezone), self._read_local)

    def _read_undated(self) -> tuple[Ids, Seconds]:
        """Contents that do not say when they were taken, with their files' earliest time of modification."""
        modified = func.min(locations.c.mtime_ns) / 1e9
        statement = (
            select(contents.c.id, modified)
            .join(locations, locations.c.content_id == contents.c.id)
            .where(contents.c.taken_at.is_(None))
            .group_by(contents.c.id)
        )
        ids, moments = _columns(self._catalog, statement, 2)
        return ids.astype(np.int64), moments

    def _read_local(self) -> tuple[Ids, Seconds]:
        """All contents with a moment, and what the clocks here showed then, as if they were UTC."""
        statement = select(contents.c.id, contents.c.taken_at).where(contents.c.taken_at.is_not(None))
        dated = _columns(self._catalog, statement, 2)
        ids = np.concatenate([dated[0].astype(np.int64), self._undated[0]])
        local = local_seconds(np.concatenate([dated[1], self._undated[1]]))
        shown = np.isfinite(local)
        return ids[shown], local[shown]


_KNOWN: dict[Known, Select[Any]] = {
    Known.PLACE: select(contents.c.id).where(
        contents.c.latitude.is_not(None), contents.c.longitude.is_not(None)
    ),
    Known.TIME: select(contents.c.id).where(contents.c.taken_at.is_not(None)),
    Known.DURATION: select(contents.c.id).where(contents.c.duration.is_not(None)),
    Known.CAMERA: select(contents.c.id).where(contents.c.camera.is_not(None)),
    Known.TAG: select(tags.c.content_id),
}


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _one_of(column: ColumnElement[Any], names: Iterable[str]) -> ColumnElement[bool]:
    """As JSON, since there may be more names than a statement may have parameters."""
    import json

    listed = func.json_each(json.dumps(list(names))).table_valued("value")
    return column.in_(select(listed.c.value))


def _rows(catalog: Connection, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """The driver's own rows: a path is bytes. SQLAlchemy's would take twice the time."""
    cursor = catalog.execute(statement).cursor
    return [] if cursor is None else list(cursor.fetchall())


def _columns(catalog: Connection, statement: Select[Any], count: int) -> NDArray[np.float64]:
    """The numbers of a statement's columns (count, rows)."""
    rows = _rows(catalog, statement)
    flat = np.fromiter(chain.from_iterable(rows), np.float64, len(rows) * count)
    return flat.reshape(len(rows), count).T


def _ids(catalog: Connection, statement: Select[Any]) -> Ids:
    """The ids that a statement of one column selects, in any order."""
    (column,) = statement.selected_columns
    return read_ids(catalog.scalar(statement.with_only_columns(func.group_concat(column))))


def read_ids(joined: str | None) -> Ids:
    """Ids that SQLite has joined by commas."""
    return np.fromstring(joined, dtype=np.int64, sep=",") if joined else np.empty(0, np.int64)
