"""Filters: which segments a search may find, turned into a selection of vector ids inside the search."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select

from bindsearch.index.schema import FsPath, State, contents, locations, roots, segments, vectors
from bindsearch.index.vectors import Selection
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class Filter:
    """What a hit must satisfy; empty fields ask for nothing.

    ``folders`` are absolute paths of folders or files. ``since`` (included) and ``until`` (excluded) are
    seconds since 1970 UTC, held against the time the content was taken or, where it does not say, the
    file's modification time. ``offline`` also finds files on roots that are not there now.
    """

    modalities: frozenset[Modality] = frozenset()
    folders: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    offline: bool = False

    @property
    def states(self) -> tuple[State, ...]:
        """The states in which a location may be found."""
        return (State.PRESENT, State.OFFLINE) if self.offline else (State.PRESENT,)

    @property
    def only_hides(self) -> bool:
        """Whether nothing is asked for beyond a file's being there."""
        return (
            not (self.modalities or self.folders or self.offline)
            and self.since is None
            and self.until is None
        )


def select_vectors(catalog: Connection, space_id: int, wanted: Filter) -> Selection:
    """The vectors of a space that ``wanted`` lets through.

    Without any wish, only what has no present location is left out, which costs nothing in a library
    where little is missing.
    """
    if wanted.only_hides:
        return Selection(without=_ids(catalog, _vectors(space_id).where(contents.c.present_locations == 0)))
    return Selection(only=_ids(catalog, _vectors(space_id).where(*_conditions(catalog, wanted))))


def under(catalog: Connection, folders: Sequence[str]) -> ColumnElement[bool]:
    """Locations that are one of ``folders`` or lie inside one."""
    known = catalog.execute(select(roots.c.id, roots.c.path)).all()
    return or_(literal(False), *(_inside(*root, folder) for root in known for folder in folders))


def descends(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies inside it; both absolute and normal."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def below(prefix: str) -> ColumnElement[bool]:
    """Locations whose path within the root is ``prefix`` or lies inside it.

    Paths are compared as bytes, so that no collation is in the way: "a/" up to "a0" holds all of "a/...".
    """
    first = os.fsencode(prefix + "/")
    last = first[:-1] + bytes([first[-1] + 1])
    return or_(
        locations.c.path == literal(prefix, FsPath),
        and_(
            locations.c.path >= literal(os.fsdecode(first), FsPath),
            locations.c.path < literal(os.fsdecode(last), FsPath),
        ),
    )


def _inside(root_id: int, root: str, folder: str) -> ColumnElement[bool]:
    if descends(root, folder):
        return locations.c.root_id == root_id
    if descends(folder, root):
        return and_(locations.c.root_id == root_id, below(Path(folder).relative_to(root).as_posix()))
    return literal(False)


def _vectors(space_id: int) -> Select[Any]:
    return (
        select(vectors.c.id)
        .join(segments, segments.c.id == vectors.c.segment_id)
        .join(contents, contents.c.id == segments.c.content_id)
        .where(vectors.c.space_id == space_id)
    )


def _conditions(catalog: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    located = [locations.c.content_id == contents.c.id, locations.c.state.in_(wanted.states)]
    if wanted.folders:
        located.append(under(catalog, wanted.folders))
    conditions: list[ColumnElement[bool]] = [select(locations.c.id).where(*located).exists()]
    if wanted.modalities:
        conditions.append(segments.c.modality.in_(sorted(wanted.modalities)))
    modified = select(func.min(locations.c.mtime_ns) / 1e9).where(locations.c.content_id == contents.c.id)
    moment = func.coalesce(contents.c.taken_at, modified.scalar_subquery())
    if wanted.since is not None:
        conditions.append(moment >= wanted.since)
    if wanted.until is not None:
        conditions.append(moment < wanted.until)
    return conditions


def _ids(catalog: Connection, statement: Select[Any]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.sort(np.array(catalog.scalars(statement).all(), dtype=np.int64))
