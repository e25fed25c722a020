"""Verifying a library: the catalog, the vector indexes, the files, each against the others.

Nothing is changed, no lock is taken, and an indexing run may go on meanwhile: the catalog is seen as of one
moment. Memory does not grow with the library, but for eight bytes a vector.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path

from bindsearch.index.catalog import HEAD
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.checks import check_catalog
from bindsearch.index.upkeep.files import check_files
from bindsearch.index.upkeep.findings import INDEX, Check, Finding, Severity
from bindsearch.index.upkeep.opening import UNREADABLE, catalog_path, snapshot
from bindsearch.index.upkeep.views import check_views


def verify(folder: Path, *, files: bool = False, contents: bool = False) -> Iterator[Finding]:
    """Every finding about the library in ``folder``, as they come.

    With ``files`` every present file is looked at, with ``contents`` read through as well. Raises
    LibraryMissing where there is no library.
    """
    path = catalog_path(folder)
    if (yield from verify_catalog(path)):
        yield from check_views(path)
        if files or contents:
            with snapshot(path) as connection:
                yield from check_files(connection, contents=contents)


def verify_catalog(path: Path) -> Generator[Finding, None, bool]:
    """The findings about the catalog alone; returns whether the rest of the library can be looked at."""
    try:
        with snapshot(path) as connection:
            version = tables_version(connection)
            if version != HEAD:
                yield _of_version(version)
                return False
            yield from check_catalog(connection)
    except UNREADABLE as error:
        yield Finding(Check.STRUCTURE, CATALOG_FILE, f"cannot be read: {error}")
        return False
    return True


def tables_version(connection: sqlite3.Connection) -> str | None:
    """The number of the last migration that a catalog has seen. Raises sqlite3.Error."""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _of_version(version: str | None) -> Finding:
    if version is None or not version.isdecimal():
        return Finding(Check.STRUCTURE, CATALOG_FILE, "does not say which version its tables are of")
    problem = f"its tables are of version {version}, this bindsearch knows {HEAD}"
    remedy = INDEX if version < HEAD else "update bindsearch"
    return Finding(Check.STRUCTURE, CATALOG_FILE, problem, Severity.GAP, remedy)
