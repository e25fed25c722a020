"""Putting another catalog in force, the one before being kept beside it.

    <library>/catalog.<why>-<moment>.sqlite3     what was in force; never deleted by bindsearch

Order: the vector indexes go out of force, since they are views of the old catalog; the old catalog's log is
merged into it, which SQLite grants only to a process that is alone with it; the old one gets its second
name; the new one is renamed over the first. A crash anywhere leaves the old catalog in force or the new
one. A log that cannot be merged, since its catalog is too damaged, is kept under the second name as well,
and has left the first before the new catalog comes there: SQLite would play it into that.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from bindsearch.durable import sync
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.opening import busy, for_writing, leave_log
from bindsearch.index.upkeep.views import drop_views

LOG = "-wal"
LOG_MAP = "-shm"


def put_in_force(folder: Path, new: Path, why: str) -> Path | None:
    """Let the closed catalog at ``new`` take the place of the library's; returns where that is kept.

    ``new`` lies on the same disk and has no log. Needs the writer lock. Raises LibraryError if another
    process has the library open, OSError where the disk refuses; the old catalog stays in force then.
    """
    path = folder / CATALOG_FILE
    sync(new)
    kept = _keep(folder, path, why) if path.exists() else None
    new.replace(path)
    sync(folder)
    drop_views(folder)  # once more: a reader that was just ending may have left one of the old catalog
    return kept


def dated(folder: Path, name: str, why: str) -> Path:
    """A name, not taken yet, for what is kept: ``catalog.<why>-<moment>.sqlite3`` for ``catalog.sqlite3``."""
    stem, _, suffix = name.partition(".")
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1000):
        again = f"-{number}" if number else ""
        kept = folder / f"{stem}.{why}-{moment}{again}.{suffix}"
        if not kept.exists():
            return kept
    raise FileExistsError(str(kept))


def keep_copy(folder: Path, why: str) -> Path:
    """A copy of the catalog as it is, beside it. Needs the writer lock. Raises OSError, sqlite3.Error."""
    kept = dated(folder, CATALOG_FILE, why)
    part = kept.with_suffix(".part")
    source = for_writing(folder / CATALOG_FILE)
    target = sqlite3.connect(part)
    try:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        target.close()
        sync(part)
        part.replace(kept)
    finally:
        source.close()
        target.close()
        part.unlink(missing_ok=True)
    return kept


def _keep(folder: Path, path: Path, why: str) -> Path:
    log = path.with_name(path.name + LOG)
    try:
        if not leave_log(path):
            raise busy(folder)
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        pass  # too damaged to be merged with its log: both are kept
    drop_views(folder)
    kept = dated(folder, path.name, why)
    _second_name(path, kept)
    if log.exists():
        _second_name(log, kept.with_name(kept.name + LOG))
        sync(folder)
        log.unlink()
    path.with_name(path.name + LOG_MAP).unlink(missing_ok=True)
    sync(folder)
    return kept


def _second_name(path: Path, kept: Path) -> None:
    """A hard link or, on disks that know none, a copy."""
    with suppress(OSError):
        os.link(path, kept)
        return
    part = kept.with_suffix(".part")
    try:
        shutil.copy2(path, part)
        sync(part)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
