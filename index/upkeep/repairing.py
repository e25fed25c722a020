"""Repair: what verifying finds and can be put right without loss.

1. A catalog that SQLite calls malformed is salvaged into a new one; the damaged one is kept beside it.
2. Vectors that are not what an intact vector index holds under their number are taken from there: the
   index has a checksum, the catalog has none.
3. What contradicts itself is mended in place, in one transaction. Where rows go, the catalog as it was is
   kept beside it first. What can only be made from the files is left to the next indexing run.
4. Vector indexes and reference queries that are not what they should be are made anew.

A crash anywhere leaves the library as it was, or with some of these steps done; repairing again goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bindsearch.errors import LibraryDamaged
from bindsearch.index.background import references_path
from bindsearch.index.catalog import HEAD
from bindsearch.index.disk import disk_errors, need_room
from bindsearch.index.lock import writer_lock
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.checks import NORM_TOLERANCE
from bindsearch.index.upkeep.findings import Check, Finding, Severity
from bindsearch.index.upkeep.mending import MENDS
from bindsearch.index.upkeep.opening import UNREADABLE, catalog_path, for_writing, snapshot, transaction
from bindsearch.index.upkeep.rebuilding import build_views
from bindsearch.index.upkeep.salvage import Salvaged, is_damage, salvage
from bindsearch.index.upkeep.swapping import keep_copy, put_in_force
from bindsearch.index.upkeep.verifying import tables_version, verify, verify_catalog
from bindsearch.index.upkeep.views import (
    VECTORS_FOLDER,
    Comparison,
    Held,
    as_bytes,
    check_views,
    compare,
    fits,
    folder_of,
    hold,
    is_sealed,
    space_of,
    spaces_of,
)
from bindsearch.index.vectors.generations import FORMAT, read_manifest

PART_FOLDER = "repair.part"
ROUNDS = 4  # what is mended may uncover more, as a salvaged catalog does
TAKES_ROWS = {Check.ORPHANS, Check.VALUES, Check.SEGMENTS}


@dataclass(slots=True)
class RepairReport:
    """What was ``done``, which files are ``kept`` of what was there before, and what is ``left``."""

    done: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)


def repair(folder: Path, *, index_kind: str = "auto") -> RepairReport:
    """Put right what can be in the library in ``folder``.

    Raises LibraryMissing, LibraryBusy; LibraryDamaged if nothing of the catalog can be read; LibraryError
    for a full or read-only disk. The library is as it was, then.
    """
    path = catalog_path(folder)
    report = RepairReport()
    with writer_lock(folder), disk_errors(folder):
        shutil.rmtree(folder / PART_FOLDER, ignore_errors=True)
        if _mend_catalog(folder, path, report):
            _remake_views(folder, path, index_kind, report)
        report.left += verify(folder)
    return report


def _mend_catalog(folder: Path, path: Path, report: RepairReport) -> bool:
    """Whether the catalog can be used in the end."""
    for _ in range(ROUNDS):
        bad = {found.check for found in verify_catalog(path) if found.severity is Severity.DAMAGE}
        if not bad:
            break
        if Check.STRUCTURE in bad or not _mend_in_place(folder, path, bad, report):
            _salvage(folder, path, report)
    try:
        with snapshot(path) as connection:
            if tables_version(connection) != HEAD:
                return False
        _take_vectors_from_views(path, report)
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        return False
    return True


def _mend_in_place(folder: Path, path: Path, bad: Collection[Check], report: RepairReport) -> bool:
    """Mend what is ``bad``; returns False if that leads nowhere, with the catalog as it was."""
    done: list[str] = []
    kept = len(report.kept)
    try:
        _take_vectors_from_views(path, report)
        if TAKES_ROWS & set(bad):
            need_room(folder, path.stat().st_size, "keeping a copy of the catalog")
            report.kept.append(keep_copy(folder, "before-repair"))
        with closing(for_writing(path)) as connection, transaction(connection):
            done += [mend(connection) for check, mend in MENDS.items() if check in bad]
    except UNREADABLE as error:
        if not is_damage(error):
            raise
        for needless in report.kept[kept:]:  # a salvage follows, which keeps the catalog itself
            needless.unlink(missing_ok=True)
        del report.kept[kept:]
        return False
    report.done += done
    return True


def _salvage(folder: Path, path: Path, report: RepairReport) -> None:
    need_room(folder, 2 * path.stat().st_size, "salvaging the catalog")
    part = folder / PART_FOLDER
    try:
        result = _salvaged(path, part)
        kept = put_in_force(folder, part / CATALOG_FILE, "damaged")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    report.kept += [] if kept is None else [kept]
    told = ", ".join(f"{count:,} {name}" for name, count in result.rows.items() if count)
    report.done.append(f"salvaged into a new catalog: {told}")
    lost = [name for name, gaps in result.gaps.items() if gaps]
    if lost:
        report.done.append(f"could not read all of: {', '.join(lost)}")


def _salvaged(path: Path, part: Path) -> Salvaged:
    _refuse_older_tables(path)
    return salvage(path, part)


def _refuse_older_tables(path: Path) -> None:
    try:
        with snapshot(path) as connection:
            version = tables_version(connection)
    except UNREADABLE:
        return
    if version is not None and version.isdecimal() and version != HEAD:
        raise LibraryDamaged(
            f"damaged, and of tables {version}, which can only be salvaged at {HEAD}",
            subject=str(path),
            hint="'bindsearch restore' a backup; or move the catalog away and index again",
        )


def _take_vectors_from_views(path: Path, report: RepairReport) -> None:
    """Give vectors that were altered the value that an intact index holds for them."""
    with snapshot(path) as connection:
        found = spaces_of(connection)
    for space in found:
        folder = folder_of(path, space)
        generation = read_manifest(folder)
        if generation is None or generation.format != FORMAT or not is_sealed(folder, generation):
            continue
        with snapshot(path) as connection:
            if not fits(connection, space, generation):
                continue
            try:
                held = {name: hold(folder, shelf) for name, shelf in generation.shelves.items()}
            except (OSError, ValueError, EOFError, IndexError):
                continue
            result: Comparison = compare(connection, space, generation, held)
        if not result.differing or not result.agrees_but_for_few:
            continue
        if _overwrite(path, result, held):
            report.done.append(
                f"took {len(result.differing):,} vectors of {space.name} from its vector index"
            )


def _overwrite(path: Path, result: Comparison, held: dict[str, Held]) -> bool:
    """Write what the index holds, where that is a vector; returns whether all of it is."""
    whole = True
    with closing(for_writing(path)) as connection, transaction(connection):
        for key, shelf, place in result.differing:
            row = held[shelf].rows_at(np.array([place], np.intp))[0]
            with np.errstate(all="ignore"):
                fine = abs(float(np.linalg.norm(row.astype(np.float32))) - 1) < NORM_TOLERANCE
            whole = whole and fine
            if fine:
                connection.execute("UPDATE vectors SET data = ? WHERE id = ?", (as_bytes(row), key))
    return whole


def _remake_views(folder: Path, path: Path, kind: str, report: RepairReport) -> None:
    with snapshot(path) as connection:
        known = spaces_of(connection)
    names = {found.where.partition(":")[0] for found in _of_views(path, Check.VIEWS)}
    salvaged = any(line.startswith("salvaged") for line in report.done)
    for space in known:
        if salvaged or space.name in names:
            shutil.rmtree(folder_of(path, space), ignore_errors=True)
            build_views(folder, kind, {space.key}, train=False)
            report.done.append(f"built the vector index of {space.name} anew")
    broken = {found.where for found in _of_views(path, Check.REFERENCES)}
    for space in known:
        file = references_path(folder / VECTORS_FOLDER, space_of(space))
        if f"{space.name}: {file.name}" in broken:
            file.unlink(missing_ok=True)
            report.done.append(
                f"took away the broken reference queries of {space.name}; indexing makes them anew"
            )


def _of_views(path: Path, check: Check) -> list[Finding]:
    return [found for found in check_views(path) if found.check is check]
