"""Backups: a library in one file, made while it is used, and taken back.

A backup is a SQLite database: the catalog, and a table ``backup`` that holds the library's settings and
says when and by which version it was made. After the database come 48 bytes: SEAL and the SHA-256 of all
before them. SQLite takes no notice of them, so that any tool can look into a backup, and one flipped bit is
found.

Vector indexes and previews are not in it; the former are made anew by restoring. A backup is written under a
temporary name, read through, synced and renamed: a crash leaves what was there before, and perhaps a file
ending in ``.part``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bindsearch import __version__
from bindsearch.durable import sync
from bindsearch.errors import LibraryDamaged, LibraryError, SettingsError
from bindsearch.index.catalog import HEAD, Catalog
from bindsearch.index.disk import disk_errors, need_room
from bindsearch.index.lock import writer_lock
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.opening import catalog_path, for_writing, snapshot
from bindsearch.index.upkeep.rebuilding import build_views
from bindsearch.index.upkeep.swapping import dated, put_in_force
from bindsearch.index.upkeep.verifying import tables_version
from bindsearch.settings import SETTINGS_FILE, Settings

SEAL = b"bindsearch-bkup1"
SEAL_BYTES = len(SEAL) + hashlib.sha256().digest_size
FORMAT = "1"
PART_FOLDER = "restore.part"
CHUNK_BYTES = 1 << 20
PAGES_A_STEP = 2_000  # between which Ctrl-C is heard


@dataclass(frozen=True, slots=True)
class BackupReport:
    """A backup that was made or taken back: its bytes, when it was made, and what it holds."""

    path: Path
    size: int
    made_at: float
    contents: int
    segments: int
    kept: tuple[Path, ...] = ()


def back_up(folder: Path, target: Path) -> BackupReport:
    """Write the library in ``folder``, as of this moment, to the file ``target``.

    An older backup there is replaced. No lock is taken, and nobody waits. Raises LibraryMissing;
    LibraryDamaged if the catalog is, so that no sound backup gives way to a broken one; LibraryError where
    the disk is full or read-only, or where ``target`` is something else than a backup.
    """
    path = catalog_path(folder)
    with disk_errors(target):
        if target.exists() and not is_backup(target):
            raise LibraryError("is there already, and is no backup", subject=str(target))
        need_room(target.absolute().parent, path.stat().st_size, "the backup")
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            _copy_catalog(path, part)
            _describe(folder, part)
            _append_seal(part)
            report = check_backup(part)
            part.replace(target)
            sync(target.absolute().parent)
        finally:
            for leftover in (part, part.with_name(part.name + "-journal")):
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)
    return BackupReport(target, report.size, report.made_at, report.contents, report.segments)


def restore(source: Path, folder: Path, *, force: bool = False) -> BackupReport:
    """Put the library that the backup ``source`` holds into ``folder``.

    A library that is there already is replaced only with ``force``, and kept beside. Raises LibraryDamaged
    for a backup that is not to the last bit what was written, or is of a newer bindsearch; LibraryBusy;
    LibraryError for a library in use, a full or a read-only disk. What was there before stays in force, then.
    """
    with disk_errors(source):
        report = check_backup(source)
    path = folder / CATALOG_FILE
    if path.exists() and not force:
        raise LibraryError(
            "there is a library already",
            subject=str(folder),
            hint="--force replaces it, and keeps the old one",
        )
    with writer_lock(folder), disk_errors(folder):
        part = folder / PART_FOLDER
        shutil.rmtree(part, ignore_errors=True)
        need_room(folder, 2 * report.size, "restoring")
        try:
            settings = _unpack(source, part)
            kept = _restore_settings(folder, part, settings)
            old = put_in_force(folder, part / CATALOG_FILE, "before-restore")
            with suppress(OSError):  # a disk with no room for them costs the first search some time
                build_views(folder, _index_kind(folder), train=False)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    kept += () if old is None else (old,)
    return BackupReport(source, report.size, report.made_at, report.contents, report.segments, kept)


def is_backup(path: Path) -> bool:
    """Whether a file ends as backups do. Raises OSError."""
    if not path.is_file() or path.stat().st_size <= SEAL_BYTES:
        return False
    with path.open("rb") as file:
        file.seek(-SEAL_BYTES, os.SEEK_END)
        return file.read(len(SEAL)) == SEAL


def check_backup(path: Path) -> BackupReport:
    """Read a backup through; raises LibraryDamaged if it is not to the last bit what was written."""
    _check_seal(path)
    try:
        with _opened(path) as connection:
            lines = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
            version = tables_version(connection)
            notes = dict(connection.execute("SELECT name, value FROM backup"))
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("contents", "segments")
            ]
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _no_use(path, f"damaged: {error}") from error
    if lines != ["ok"]:
        raise _no_use(path, f"damaged: {lines[0]}")
    if notes.get("format") != FORMAT or version is None or version > HEAD:
        raise _no_use(path, f"written by a newer bindsearch ({notes.get('bindsearch')})", "update bindsearch")
    return BackupReport(path, path.stat().st_size, float(notes["made_at"]), counts[0], counts[1])


def _copy_catalog(path: Path, part: Path) -> None:
    """A snapshot of the catalog in a file of its own, without a log."""
    with snapshot(path) as source, closing(sqlite3.connect(part, isolation_level=None)) as target:
        source.backup(target, pages=PAGES_A_STEP)
        target.execute("PRAGMA journal_mode = DELETE")


def _describe(folder: Path, part: Path) -> None:
    settings = None
    with suppress(FileNotFoundError):
        settings = (folder / SETTINGS_FILE).read_bytes()
    notes = {"format": FORMAT, "bindsearch": __version__, "made_at": time.time(), "settings": settings}
    with closing(sqlite3.connect(part)) as connection, connection:
        connection.execute("CREATE TABLE backup (name TEXT PRIMARY KEY, value)")
        connection.executemany("INSERT INTO backup VALUES (?, ?)", notes.items())


def _append_seal(part: Path) -> None:
    with part.open("r+b") as file:
        digest = _digest(file, part.stat().st_size)
        file.seek(0, os.SEEK_END)
        file.write(SEAL + digest)
    sync(part)


def _check_seal(path: Path) -> None:
    if not path.exists():
        raise LibraryError("no such file", subject=str(path))
    if not is_backup(path):
        raise _no_use(path, "is no backup, or was cut off")
    size = path.stat().st_size - SEAL_BYTES
    with path.open("rb") as file:
        digest = _digest(file, size)
        if file.read(SEAL_BYTES) != SEAL + digest:
            raise _no_use(path, "damaged: its bytes are not those that were written")


def _digest(file: BinaryIO, size: int) -> bytes:
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(size, CHUNK_BYTES))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A backup as it lies there: nothing is written beside it, not even on its own disk."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        yield connection


def _unpack(source: Path, part: Path) -> bytes | None:
    """Make a catalog of today's tables from a backup in the folder ``part``; returns the settings."""
    part.mkdir()
    path = part / CATALOG_FILE
    with source.open("rb") as packed, path.open("wb") as file:
        size = source.stat().st_size - SEAL_BYTES
        while size > 0 and (chunk := packed.read(min(size, CHUNK_BYTES))):
            file.write(chunk)
            size -= len(chunk)
    with closing(for_writing(path)) as connection:
        row = connection.execute("SELECT value FROM backup WHERE name = 'settings'").fetchone()
        connection.execute("DROP TABLE backup")
    Catalog.create(part).close()
    with closing(for_writing(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return None if row is None else row[0]


def _restore_settings(folder: Path, part: Path, settings: bytes | None) -> tuple[Path, ...]:
    """Put the settings of the backup in force; those that were, if they differ, are kept beside them."""
    path = folder / SETTINGS_FILE
    kept: tuple[Path, ...] = ()
    there = path.read_bytes() if path.exists() else None
    if there == settings:
        return kept
    if there is not None:
        kept = (dated(folder, SETTINGS_FILE, "before-restore"),)
        os.link(path, kept[0]) if settings is not None else path.rename(kept[0])
    if settings is not None:
        new = part / SETTINGS_FILE
        new.write_bytes(settings)
        sync(new)
        new.replace(path)
    return kept


def _index_kind(folder: Path) -> str:
    try:
        return Settings.of(folder).vector_index
    except SettingsError:
        return Settings().vector_index


def _no_use(
    path: Path, problem: str, hint: str = "use another backup; nothing was changed"
) -> LibraryDamaged:
    return LibraryDamaged(problem, subject=str(path), hint=hint)
