"""Compacting: the room that is not used goes back to the disk.

1. The vector indexes are written as of now.
2. Tombstones that nobody needs go (below).
3. The full text tables are merged into one piece each, the catalog is rewritten without free pages, and its
   log is merged and cut to nothing.

**Which tombstones are needed.** A view that starts from a generation has to see every tombstone above the
generation's ``last_tombstone``, and a view in a process's memory every one above what it has replayed. A
view that starts from nothing needs none. So with nobody else having the library open, those at or below the
generation in force of their space can go, and all those of a space that has none. Whether somebody has it
open SQLite knows: it lets only a process that is alone give up the log. Who opens the library after that
starts from the generation in force, which is looked at then; one that a reader left behind in its last
moment is on disk, too. If the library is in use the tombstones stay, which costs 20 bytes each and nothing
else.
"""

from __future__ import annotations

import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bindsearch.index.catalog import Catalog
from bindsearch.index.disk import disk_errors, need_room
from bindsearch.index.lock import writer_lock
from bindsearch.index.upkeep.opening import catalog_path, for_writing, leave_log, transaction
from bindsearch.index.upkeep.rebuilding import build_views
from bindsearch.index.upkeep.views import VECTORS_FOLDER, folder_of, spaces_of
from bindsearch.index.upkeep.wording import TABLES
from bindsearch.index.vectors.generations import read_generation


@dataclass(frozen=True, slots=True)
class CompactReport:
    """Bytes before and after, how many tombstones went, and whether all was done.

    ``alone`` is False where another process had the library open: tombstones stay then. ``log_cut`` is False
    where one was reading at the very end: the log is cut when it is done.
    """

    before: int
    after: int
    tombstones: int
    alone: bool
    log_cut: bool


def compact(folder: Path, *, index_kind: str = "auto") -> CompactReport:
    """Give back what the library in ``folder`` does not use.

    Raises LibraryMissing, LibraryBusy, LibraryDamaged, and LibraryError where the disk is read-only or has
    not twice the catalog's size free. A crash or a full disk anywhere leaves every file and every vector.
    """
    path = catalog_path(folder)
    with writer_lock(folder), disk_errors(folder):
        Catalog.open(folder).close()
        before = size_of(folder)
        size = path.stat().st_size
        need_room(folder, 2 * size, "compacting")
        need_room(Path(tempfile.gettempdir()), size, "compacting")
        build_views(folder, index_kind, train=True)
        alone = leave_log(path)
        gone = _drop_tombstones(path) if alone else 0
        log_cut = _rewrite(path)
        return CompactReport(before, size_of(folder), gone, alone, log_cut)


def size_of(folder: Path) -> int:
    """The bytes of the catalog, its log and the vector indexes in ``folder``."""
    total = 0
    for file in (*folder.glob("catalog.sqlite3*"), *(folder / VECTORS_FOLDER).glob("**/*")):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _drop_tombstones(path: Path) -> int:
    """Drop those that no generation needs. Nobody else has the catalog open, and nobody can open it."""
    with closing(for_writing(path)) as connection, transaction(connection, "BEGIN EXCLUSIVE"):
        known = {space.id: read_generation(folder_of(path, space)) for space in spaces_of(connection)}
        count = connection.execute(
            f"DELETE FROM tombstones WHERE space_id NOT IN ({', '.join('?' * len(known))})", tuple(known)
        ).rowcount
        for space, generation in known.items():
            below = (1 << 62) if generation is None else generation.last_tombstone
            count += connection.execute(
                "DELETE FROM tombstones WHERE space_id = ? AND seq <= ?", (space, below)
            ).rowcount
        return count


def _rewrite(path: Path) -> bool:
    """Merge the words, rewrite the catalog, cut its log; returns whether the last could be done."""
    with closing(for_writing(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for table in TABLES:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        connection.execute("VACUUM")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
