"""Which segment and which file every vector of a space is of, and the other way round.

A search that stands alone asks the catalog about the few vectors that it has to do with. A process that
stays keeps the whole table, four numbers a vector, and takes in what is new as the vector indexes do. The
table may know vectors that are gone; whoever uses it finds no rows for them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from bindsearch.modality import Modality

Ids = NDArray[np.int64]

MOST_GONE = 1_000  # and an eighth of the table: so many vectors that are gone are not worth a new table

_KINDS = tuple(Modality)
_KIND = " ".join(f"WHEN '{kind}' THEN {number}" for number, kind in enumerate(_KINDS))
_COLUMNS = f"SELECT v.id, v.segment_id, s.content_id, CASE s.modality {_KIND} END FROM "
_JOINED = "CROSS JOIN vectors AS v ON v.segment_id = s.id AND v.space_id = :space"
_OF_VECTORS = f"""{_COLUMNS} json_each(:ids) AS asked
CROSS JOIN vectors AS v ON v.id = asked.value CROSS JOIN segments AS s ON s.id = v.segment_id"""
_OF_SEGMENTS = f"{_COLUMNS} json_each(:ids) AS asked CROSS JOIN segments AS s ON s.id = asked.value {_JOINED}"
_OF_CONTENTS = (
    f"{_COLUMNS} json_each(:ids) AS asked CROSS JOIN segments AS s ON s.content_id = asked.value {_JOINED}"
)
# The index of segment and space holds the vectors' ids, so that the vectors themselves are not read.
_ALL = f"{_COLUMNS} segments AS s {_JOINED}"


class Owners(NamedTuple):
    """Vectors (n,), sorted, with the segment and the content of each, and the place of its modality."""

    vectors: Ids
    segments: Ids
    contents: Ids
    kinds: Ids

    @classmethod
    def of_rows(cls, rows: NDArray[np.int64]) -> Owners:
        """From rows (n, 4) in any order."""
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        return cls(*(np.ascontiguousarray(rows[:, column]) for column in range(4)))

    def chosen(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> Owners:
        """Those at ``places``."""
        return Owners(*(column[places] for column in self))

    def by_modality(self) -> dict[Modality, Owners]:
        """They, those of each modality apart."""
        kinds = np.flatnonzero(np.bincount(self.kinds)).tolist() if len(self.kinds) else []
        return {_KINDS[kind]: self.chosen(self.kinds == kind) for kind in kinds}


class Moments:
    """The table of one space; safe to use from several threads."""

    def __init__(self, space_id: int) -> None:
        self._space_id = space_id
        self._all: Owners | None = None
        self._new: list[NDArray[np.int64]] = []
        self._gone: list[Ids] = []
        self._sorted: dict[str, tuple[Ids, NDArray[np.intp]]] = {}
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the whole table is here."""
        return self._all is not None

    def load(self, catalog: Connection) -> None:
        """Read the whole table."""
        table = Owners.of_rows(_rows(catalog, _ALL, {"space": self._space_id}))
        with self._lock:
            self._all, self._new, self._gone, self._sorted = table, [], [], {}

    def add(self, rows: NDArray[np.int64]) -> None:
        """Take in rows (n, 4), as ``Owners`` has columns, if the table is here."""
        with self._lock:
            if self._all is not None:
                self._new.append(rows)

    def forget(self, ids: Ids) -> None:
        """Give up vectors that are gone, sooner or later: until then they are known and nowhere found."""
        with self._lock:
            if self._all is not None:
                self._gone.append(ids)

    def among(self, mask: NDArray[np.bool_], kinds: Collection[Modality]) -> Ids:
        """The vectors, sorted, of contents that ``mask`` holds for: of ``kinds``, of all if there are none.

        Only where the whole table is here.
        """
        with self._lock:
            table = self._table()
        known = table.contents < len(mask)
        found = mask[np.where(known, table.contents, 0)] & known
        if kinds:
            found &= np.isin(table.kinds, [_KINDS.index(kind) for kind in kinds])
        ids: Ids = table.vectors[found]
        return ids

    def of_vectors(self, catalog: Connection, ids: Ids) -> Owners:
        """Those of the vectors ``ids`` that are known."""
        if not self.loaded:
            return self._asked(catalog, _OF_VECTORS, ids)
        with self._lock:
            table = self._table()
        return table.chosen(_places(table.vectors, np.sort(ids)))

    def of_segments(self, catalog: Connection, ids: Collection[int]) -> Owners:
        """All vectors of some segments."""
        if not self.loaded:
            return self._asked(catalog, _OF_SEGMENTS, ids)
        return self._within("segments", ids)

    def of_contents(self, catalog: Connection, ids: Collection[int]) -> Owners:
        """All vectors of some contents."""
        if not self.loaded:
            return self._asked(catalog, _OF_CONTENTS, ids)
        return self._within("contents", ids)

    def _asked(self, catalog: Connection, statement: str, ids: Collection[int]) -> Owners:
        given: dict[str, object] = {"ids": json.dumps([int(one) for one in ids])}
        if ":space" in statement:
            given["space"] = self._space_id
        return Owners.of_rows(_rows(catalog, statement, given))

    def _table(self) -> Owners:
        assert self._all is not None
        gone = sum(map(len, self._gone))
        if self._new or gone > MOST_GONE + len(self._all.vectors) // 8:
            rows = np.concatenate([np.stack(self._all, axis=1), *self._new])
            if gone:
                rows = rows[~np.isin(rows[:, 0], np.concatenate(self._gone))]
            self._all, self._new, self._gone, self._sorted = Owners.of_rows(rows), [], [], {}
        return self._all

    def _within(self, name: str, ids: Collection[int]) -> Owners:
        """All rows whose column ``name`` is among ``ids``."""
        with self._lock:
            table = self._table()
            if name not in self._sorted:
                column: Ids = getattr(table, name)
                order = np.argsort(column, kind="stable")
                self._sorted[name] = column[order], order
            column, order = self._sorted[name]
        wanted = np.unique(np.fromiter(ids, np.int64, len(ids)))
        first, last = np.searchsorted(column, wanted), np.searchsorted(column, wanted, side="right")
        counts = last - first
        before = np.cumsum(counts) - counts
        places = np.repeat(first - before, counts) + np.arange(int(counts.sum()))
        return table.chosen(np.sort(order[places]))


def _rows(catalog: Connection, statement: str, given: dict[str, object]) -> NDArray[np.int64]:
    cursor = catalog.execute(text(statement), given).cursor
    found = [] if cursor is None else cursor.fetchall()
    rows: NDArray[np.int64] = np.array(found, dtype=np.int64).reshape(len(found), 4)
    return rows


def _places(own: Ids, wanted: Ids) -> NDArray[np.intp]:
    """Where those of the sorted ``wanted`` lie that are in the sorted ``own``."""
    if not len(own):
        return np.empty(0, np.intp)
    places = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
    here: NDArray[np.intp] = places[own[places] == wanted]
    return here


def kind_of(modality: str) -> int:
    """The number by which tables know a modality."""
    return _KINDS.index(Modality(modality))
