"""The catalog on disk: one SQLite file in WAL mode, opened through SQLAlchemy.

Contract: a transaction that returned from ``write()`` survives power loss (synchronous=FULL); one that
did not leaves nothing behind. Readers see one consistent snapshot a ``read()`` block and never wait
for the writer, unless the disk is too full for what connections share: then they take turns. Only the
holder of the writer lock (see ``lock.py``) may call ``write()``.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from bindsearch.errors import LibraryDamaged, LibraryError, LibraryMissing
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.remembering import forget, recall
from bindsearch.index.word_functions import register

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.pool import ConnectionPoolEntry

HEAD = "0005"  # the newest migration; a test compares it with the scripts
WAIT_SECONDS = 30  # for the short moments in which SQLite itself locks, as at a checkpoint
_AGAIN_SECONDS = (0.001, 0.02)  # until another try to be alone

# Two float16 vectors of 1024 numbers fill a page of 4096 bytes only by half; 16384 loses nothing.
PAGE_SIZE = 16384


class Catalog:
    """One open catalog; safe to use from several threads."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self.path = path
        self._file = _file_of(path)
        self._changes = 0
        self._reopening = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Catalog:
        """Open the catalog in ``folder``, made or brought up to date first. Needs the writer lock."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / CATALOG_FILE
        catalog = cls(_make_engine(path), path)
        version = catalog._version()
        if version != HEAD:
            catalog._migrate(version)
        catalog._file = _file_of(path)  # SQLite has made it, if there was none
        return catalog

    @classmethod
    def open(cls, folder: Path) -> Catalog:
        """Open an existing catalog to read from.

        Raises LibraryMissing where there is none, LibraryDamaged where it cannot be read.
        """
        path = folder / CATALOG_FILE
        if not path.is_file():
            raise _missing(folder)
        catalog = cls(_make_engine(path), path)
        version = catalog._version()
        if version != HEAD:
            catalog.close()
            raise _of_another_version(folder, version)
        return catalog

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one snapshot.

        Another catalog that was put in this one's place, as ``restore`` does, is opened first. Raises
        LibraryMissing where it is gone, LibraryDamaged where the new one cannot be used.
        """
        self._follow()
        with _sqlite_errors(self.path), self._engine.begin() as connection:
            recall(connection, self._changes)
            yield connection

    @property
    def file(self) -> tuple[int, int] | None:
        """By what the file is known: another one means another catalog."""
        return self._file

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session whose work is committed as one transaction when the block ends."""
        from sqlalchemy.orm import Session  # readers do without, and start sooner

        with _sqlite_errors(self.path), Session(self._immediate, expire_on_commit=False) as session:
            yield session
            self._changes += 1
            session.commit()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _follow(self) -> None:
        """Let go of connections to a file that is no longer there under its name."""
        if _file_of(self.path) == self._file:
            return
        with self._reopening:
            found = _file_of(self.path)
            if found == self._file:
                return
            self._engine.dispose()
            if found is None:
                raise _missing(self.path.parent)
            version = self._version()
            if version != HEAD:
                raise _of_another_version(self.path.parent, version)
            self._file = found

    @property
    def _immediate(self) -> Engine:
        """The engine for writing: a transaction that only turned into a write later could fail to."""
        return self._engine.execution_options(begin="BEGIN IMMEDIATE")

    def _version(self) -> str | None:
        """The number of the last migration that ran; None for an empty database."""
        with _sqlite_errors(self.path), self._engine.connect() as connection:
            query = "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
            if connection.exec_driver_sql(query).first() is None:
                return None
            row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
            return None if row is None else str(row[0])

    def _migrate(self, version: str | None) -> None:
        if version is not None and version > HEAD:
            raise LibraryDamaged(
                f"written by a newer bindsearch (tables {version}, known up to {HEAD})",
                subject=str(self.path.parent),
                hint="update bindsearch",
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "bindsearch.index:migrations")
        with _sqlite_errors(self.path), self._immediate.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)


def _file_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _missing(folder: Path) -> LibraryMissing:
    return LibraryMissing("no library here", subject=str(folder), hint="'bindsearch index FOLDER' makes one")


def _of_another_version(folder: Path, version: str | None) -> LibraryDamaged:
    known = "an unfinished set-up" if version is None else f"version {version} of the tables"
    return LibraryDamaged(
        f"its catalog holds {known}, this bindsearch needs {HEAD}",
        subject=str(folder),
        hint="'bindsearch index' brings older ones up to date",
    )


def _make_engine(path: Path) -> Engine:
    # What is remembered goes with a connection, so that the one that was used last is the one to use again.
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": WAIT_SECONDS}, pool_use_lifo=True)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkin", _keep_none_alone)
    event.listen(engine, "begin", _begin)
    return engine


class _Alone(sqlite3.Connection):
    """A connection beside which there can be no other: for disks that are too full for what they share.

    The first to open a catalog in WAL mode sets up 32 kB beside it, by which connections find what is in the
    log. One that is alone keeps them in its own memory.
    """


def _connect(
    _dialect: Any, _record: Any, arguments: Sequence[Any], options: Mapping[str, Any]
) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(*arguments, **options)
    try:
        _set_pragmas(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        if error.sqlite_errorname != "SQLITE_IOERR_SHMSIZE":
            raise
        return _connect_alone(arguments, options)
    return connection


def _connect_alone(arguments: Sequence[Any], options: Mapping[str, Any]) -> sqlite3.Connection:
    # SQLite would wait for the others to go with its foot in the door, and so would they.
    end = time.monotonic() + WAIT_SECONDS
    while True:
        connection: _Alone = sqlite3.connect(*arguments, **{**options, "timeout": 0}, factory=_Alone)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            _set_pragmas(connection)
        except sqlite3.DatabaseError as error:
            connection.close()
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > end:
                raise
            time.sleep(random.uniform(*_AGAIN_SECONDS))
        else:
            return connection


def _keep_none_alone(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    """Close what would keep others out, as soon as it is not used."""
    if isinstance(connection, _Alone):
        record.invalidate()


def _set_pragmas(connection: sqlite3.Connection) -> None:
    # The driver's own transaction handling commits behind one's back; _begin takes its place.
    connection.isolation_level = None
    for pragma in (
        f"page_size = {PAGE_SIZE}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "mmap_size = 268435456",
        "trusted_schema = ON",  # triggers call functions of ours, which some systems forbid by default
    ):
        connection.execute(f"PRAGMA {pragma}")
    register(connection)


def _begin(connection: Connection) -> None:
    forget(connection)
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says of the file into the library's own errors."""
    try:
        yield
    except OperationalError as error:
        raise LibraryError(f"the catalog cannot be used: {error.orig}", subject=str(path)) from error
    except DatabaseError as error:
        if isinstance(error.orig, sqlite3.IntegrityError):
            raise
        raise LibraryDamaged(
            f"the catalog is damaged: {error.orig}",
            subject=str(path),
            hint="restore it from a backup, or move it away and index again",
        ) from error
