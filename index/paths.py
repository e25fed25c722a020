"""Paths in the catalog: which locations lie at or below one, compared as the bytes that they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Table, and_, literal, or_, select

from bindsearch.index.schema import FsPath, locations, roots


def under(catalog: Connection, folders: Sequence[str]) -> ColumnElement[bool]:
    """Locations that are one of ``folders`` or lie inside one."""
    known = catalog.execute(select(roots.c.id, roots.c.path)).all()
    return or_(literal(False), *(_inside(*root, folder) for root in known for folder in folders))


def descends(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies inside it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def below(prefix: str, table: Table = locations) -> ColumnElement[bool]:
    """Rows of ``table`` whose path within the root is ``prefix`` or lies inside it.

    Paths are compared as bytes, so that no collation is in the way: "a/" up to "a0" holds all of "a/...".
    """
    first = os.fsencode(prefix + "/")
    last = first[:-1] + bytes([first[-1] + 1])
    return or_(
        table.c.path == literal(prefix, FsPath),
        and_(
            table.c.path >= literal(os.fsdecode(first), FsPath),
            table.c.path < literal(os.fsdecode(last), FsPath),
        ),
    )


def _inside(root_id: int, root: str, folder: str) -> ColumnElement[bool]:
    if descends(root, folder):
        return locations.c.root_id == root_id
    if descends(folder, root):
        return and_(locations.c.root_id == root_id, below(Path(folder).relative_to(root).as_posix()))
    return literal(False)
