"""Salvage: from a catalog that SQLite calls malformed into a new one, row by row.

Tables are read by their own order, without any index, from below and from above; where neither goes on,
what lies between is halved until single rows are left, so that a page that is broken costs its own rows.
Rows keep their numbers. What belonged to a row that is lost is left to the repairs that follow, and a
content that may have lost segments is marked so that the next indexing run reads its files again. The
damaged catalog is only read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bindsearch.errors import LibraryDamaged
from bindsearch.index.catalog import Catalog
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.opening import BATCH, UNREADABLE, for_writing, transaction
from bindsearch.index.upkeep.schema_of import columns

TABLES = (
    *("roots", "spaces", "active_spaces", "contents", "locations"),
    *("segments", "tags", "vectors", "failures"),
)

MOST_PROBES = 400_000
MOST_ROW = (1 << 63) - 1
LEAST_ROW_BYTES = 8  # no table can hold more rows than its file has room for

# Errors that are of the disk or of the lock, not of the catalog: salvaging does not help.
NOT_DAMAGE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}

Row = tuple[Any, ...]


def is_damage(error: Exception) -> bool:
    """Whether SQLite speaks of what is in the file, rather than of the disk or of a lock."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF not in NOT_DAMAGE and code != sqlite3.SQLITE_IOERR_WRITE


@dataclass(slots=True)
class Salvaged:
    """How many rows of each table were read, and between which numbers some could not be."""

    rows: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def salvage(damaged: Path, folder: Path) -> Salvaged:
    """Make a catalog in the empty ``folder`` of what can be read of the one at ``damaged``.

    Raises LibraryDamaged if nothing can, sqlite3.OperationalError where the disk is full.
    """
    Catalog.create(folder).close()
    result = Salvaged()
    with closing(for_writing(damaged)) as source, closing(for_writing(folder / CATALOG_FILE)) as target:
        with suppress(*UNREADABLE):
            source.execute(
                "PRAGMA writable_schema = ON"
            )  # reads past entries of the schema that make no sense
            source.execute("PRAGMA query_only = ON")
        target.execute("PRAGMA foreign_keys = OFF")
        with transaction(target):
            for table in TABLES:
                reader = TableReader(source, table, damaged.stat().st_size)
                result.rows[table] = _copy(reader, target)
                result.gaps[table] = reader.gaps
            _mark_cut_contents(target, result.gaps["segments"])
            _keep_sequences(source, target)
        if not result.rows["contents"] and not result.rows["roots"] and not result.rows["locations"]:
            raise LibraryDamaged(
                "nothing of its catalog can be read",
                subject=str(damaged),
                hint="'bindsearch restore' a backup; or move the catalog away and index again",
            )
        target.execute("PRAGMA journal_mode = DELETE")
    return result


class TableReader:
    """All rows of one table that can be read; ``gaps`` are the ranges of numbers that could not be."""

    def __init__(self, source: sqlite3.Connection, table: str, size: int) -> None:
        self._source = source
        self._most = size // LEAST_ROW_BYTES
        self._probes = MOST_PROBES
        self.table = table
        self.columns = self._readable_columns()
        self.gaps: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[Row]:
        """The rows without their row number, in no particular order, none of them twice."""
        waiting = [(-MOST_ROW - 1, MOST_ROW)]
        while waiting:
            first, last = waiting.pop()
            low = yield from self._read(first, last, 1)
            if low > last:
                continue
            high = yield from self._read(low, last, -1)
            if high < low:
                continue
            if low == high or not self._may_split(low, high):
                self.gaps.append((low, high))
                continue
            middle = (low + high) // 2
            waiting += [(middle + 1, high), (low, middle)]

    def _read(self, first: int, last: int, step: int) -> Generator[Row, None, int]:
        """Read from one end as far as it goes; returns the number next to be read from there."""
        at = first if step > 0 else last
        self._probes -= 1
        order = "" if step > 0 else " DESC"
        query = (
            f"SELECT rowid, {', '.join(self.columns)} FROM {self.table} NOT INDEXED "
            f"WHERE rowid BETWEEN ? AND ? ORDER BY rowid{order}"
        )
        try:
            for row in self._source.execute(query, (first, last)):
                if not (at <= row[0] <= last if step > 0 else first <= row[0] <= at):
                    return at  # the tree leads in circles
                at = row[0] + step
                yield row[1:]
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            return at
        return last + 1 if step > 0 else first - 1

    def _may_split(self, low: int, high: int) -> bool:
        return self._probes > 0 and high - low <= self._most

    def _readable_columns(self) -> tuple[str, ...]:
        return tuple(f'"{name}"' for name in columns()[self.table])


def _copy(reader: TableReader, target: sqlite3.Connection) -> int:
    """Insert what ``reader`` reads; a row that breaks a rule of the table is left out."""
    names = columns()[reader.table]
    marks = ", ".join("?" * len(names))
    # A trigger counts the places anew as locations come.
    counted = names.index("present_locations") if "present_locations" in names else None
    statement = f"INSERT OR IGNORE INTO {reader.table} ({', '.join(reader.columns)}) VALUES ({marks})"
    rows = iter(reader)
    count = 0
    while batch := list(islice(rows, BATCH)):
        if counted is not None:
            batch = [(*row[:counted], 0, *row[counted + 1 :]) for row in batch]
        count += _insert(target, statement, batch)
    return count


def _insert(target: sqlite3.Connection, statement: str, batch: Sequence[Row]) -> int:
    target.execute("SAVEPOINT batch")
    try:
        count = target.executemany(statement, batch).rowcount
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        target.execute("ROLLBACK TO batch")
        count = sum(_insert_one(target, statement, row) for row in batch)
    target.execute("RELEASE batch")
    return count


def _insert_one(target: sqlite3.Connection, statement: str, row: Row) -> int:
    try:
        return target.execute(statement, row).rowcount
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return 0


def _mark_cut_contents(target: sqlite3.Connection, gaps: Sequence[tuple[int, int]]) -> None:
    """Give contents whose last segments may lie in a gap one more, which has no vector: see repairing."""
    for low, _ in gaps:
        target.execute(
            "INSERT INTO segments (content_id, ordinal, modality) "
            "SELECT content_id, (SELECT max(ordinal) + 1 FROM segments AS own "
            "WHERE own.content_id = segments.content_id), modality "
            "FROM segments WHERE id < ? ORDER BY id DESC LIMIT 1",
            (low,),
        )


def _keep_sequences(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """No number is to be given out twice, not even those of rows that are lost."""
    with suppress(*UNREADABLE):
        for table, last in source.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            if table in ("vectors", "tombstones") and isinstance(last, int):
                raise_sequence(target, table, last)


def raise_sequence(connection: sqlite3.Connection, table: str, last: int) -> None:
    """Let the numbers of ``table`` go on above ``last``."""
    (there,) = connection.execute("SELECT count(*) FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    if there:
        connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, table))
    else:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))
