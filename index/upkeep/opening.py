"""SQLite connections for upkeep, without SQLAlchemy: damage has to be met row by row.

Nothing is memory-mapped, because a mapped file that is too short ends the process instead of raising. Texts
come as they are, with whatever is not UTF-8 replaced.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from bindsearch.errors import LibraryError, LibraryMissing
from bindsearch.index.catalog import WAIT_SECONDS
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.word_functions import register

# What reading a damaged catalog raises: Python cannot decode SQLite's message if it repeats torn bytes.
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)

BATCH = 2_000  # rows that are held at a time


def catalog_path(folder: Path) -> Path:
    """The catalog of the library in ``folder``; raises LibraryMissing where there is none."""
    path = folder / CATALOG_FILE
    if not path.is_file():
        raise LibraryMissing(
            "no library here", subject=str(folder), hint="'bindsearch index FOLDER' makes one"
        )
    return path


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read and sees one moment. Raises sqlite3.Error.

    A library on a read-only disk is read as it lies there, if nothing waits in its log to be merged.
    """
    connection = _open_snapshot(path, "mode=ro")
    with closing(connection):
        yield connection


def for_writing(path: Path, wait: float = WAIT_SECONDS) -> sqlite3.Connection:
    """A connection for whoever holds the writer lock; transactions are begun and ended by hand."""
    connection = sqlite3.connect(path, timeout=wait, isolation_level=None)
    _set_up(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """All or nothing of what happens within."""
    connection.execute(begin)
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back already when the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def leave_log(path: Path) -> bool:
    """Merge the write-ahead log and do without it; returns whether that worked.

    SQLite grants it to a process that is alone with the catalog, and to no other. The next to open the
    catalog goes back to a log. Raises sqlite3.DatabaseError for a catalog that is too damaged.
    """
    with closing(for_writing(path, wait=2.0)) as connection:
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return False
        return bool(mode and mode[0] == "delete")


def busy(folder: Path) -> LibraryError:
    """The error for work that cannot be done while others have the library open."""
    return LibraryError(
        "another process has this library open",
        subject=str(folder),
        hint="end it, and try again; nothing was changed",
    )


def _open_snapshot(path: Path, how: str) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(path))}?{how}"
    connection = sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        _set_up(connection)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if "immutable" in how or _log_size(path) or os.access(path.parent, os.W_OK):
            raise
        return _open_snapshot(path, "mode=ro&immutable=1")
    except UNREADABLE:
        connection.close()
        raise
    return connection


def _log_size(path: Path) -> int:
    with suppress(OSError):
        return path.with_name(path.name + "-wal").stat().st_size
    return 0


def _set_up(connection: sqlite3.Connection) -> None:
    connection.text_factory = _text
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA temp_store = FILE")
    connection.execute("PRAGMA trusted_schema = ON")
    register(connection)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
