"""The store: one library on disk, its catalog joined to its vector indexes.

    <library>/catalog.sqlite3        metadata and vectors, the truth (catalog.py, schema.py)
    <library>/vectors/<space>/       vector indexes, disposable (vectors/)
    <library>/writer.lock            held by the one process that changes the library (lock.py)

Any number of processes may hold a store to read from. A search sees the catalog as of its own beginning:
what was committed before is in, deletions included.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, delete, select

from bindsearch.encoders.protocol import Space
from bindsearch.errors import QueryError
from bindsearch.index.active import choose, set_filling, switch_if_complete
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter, select_vectors, under
from bindsearch.index.hits import Hit, make_hit, paths_of, segments_of
from bindsearch.index.schema import State, locations, roots, spaces
from bindsearch.index.vectors import Found, Selection, VectorView

VECTORS_FOLDER = "vectors"


class Store:
    """An open library; safe to use from several threads. Use as a context manager, or call ``close``."""

    def __init__(self, folder: Path, catalog: Catalog, index_kind: str) -> None:
        self.folder = folder
        self.catalog = catalog
        self._index_kind = index_kind
        self._views: dict[str, VectorView] = {}
        self._views_lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, *, index_kind: str = "auto") -> Self:
        """Open the library in ``folder`` to read from.

        Raises LibraryMissing, LibraryDamaged, or LibraryError where SQLite cannot use the file.
        """
        return cls(folder, Catalog.open(folder), index_kind)

    @classmethod
    @contextmanager
    def writing(cls, folder: Path, *, index_kind: str = "auto") -> Iterator[Self]:
        """The library in ``folder``, made if need be, with the writer lock held.

        Raises LibraryBusy at once if another process holds the lock.
        """
        from bindsearch.index.lock import writer_lock  # readers do without, and start sooner

        with writer_lock(folder), cls(folder, Catalog.create(folder), index_kind) as store:
            yield store

    def close(self) -> None:
        """Close the catalog and let go of the vector indexes."""
        self._views.clear()
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        query: NDArray[np.float32],
        space: Space,
        k: int,
        wanted: Filter | None = None,
        *,
        all_moments: bool = False,
    ) -> list[Hit]:
        """The ``k`` best hits for the unit vector ``query`` (d,), best first.

        One hit a content, its best segment, unless ``all_moments``. Raises QueryError for k below 1.
        """
        if k < 1:
            raise QueryError(f"k is {k}, but at least one hit must be asked for")
        wanted = wanted or Filter()
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            if row is None:
                return []
            selection = select_vectors(catalog, row.id, wanted)
            best = _best(catalog, self._view(catalog, row), query, k, selection, all_moments)
            places = paths_of(catalog, [segment.content_id for _, segment in best], wanted)
            return [
                make_hit(score, segment, places[segment.content_id])
                for score, segment in best
                if segment.content_id in places
            ]

    def maintain(self, space: Space) -> None:
        """Bring the vector index of ``space`` up to date on disk. Needs the writer lock.

        Raises OSError when the disk is full; nothing but time is lost.
        """
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            if row is not None:
                self._view(catalog, row).maintain(catalog)

    def index_kind(self, space: Space) -> str | None:
        """Which kind of vector index serves ``space``; None if there are no vectors of it."""
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            return None if row is None else self._view(catalog, row).kind

    def forget(self, folders: Sequence[str]) -> int:
        """Take everything at or below ``folders`` out of the catalog; returns how many locations.

        A folder that is a root stops being one. The files themselves are never touched. Needs the
        writer lock.
        """
        from bindsearch.index.changes import collect_garbage

        with self.catalog.write() as session:
            doomed = under(session.connection(), folders)
            gone = session.execute(delete(locations).where(doomed).returning(locations.c.id)).all()
            session.execute(delete(roots).where(roots.c.path.in_(folders)))
            collect_garbage(session)
            return len(gone)

    def forget_missing(self) -> int:
        """Take out every location in state missing; returns how many. Needs the writer lock."""
        from bindsearch.index.changes import collect_garbage

        with self.catalog.write() as session:
            missing = delete(locations).where(locations.c.state == State.MISSING)
            gone = session.execute(missing.returning(locations.c.id)).all()
            collect_garbage(session)
            return len(gone)

    def choose_space(self, name: str, space: Space, answering: str, *, can_answer: bool) -> None:
        """Make a space answer in place of the one named ``answering``, at once or once it is filled.

        At once if it is complete, or if the other can answer no more. Needs the writer lock.
        """
        with self.catalog.write() as session:
            choose(session, name, space, answering, can_answer=can_answer)

    def begin_filling(self, name: str, space: Space) -> None:
        """Note the identity that the space to be filled has now. Needs the writer lock."""
        with self.catalog.write() as session:
            set_filling(session, name, space)

    def switch_if_complete(self) -> bool:
        """Let the space that was filled answer, if nothing lacks vectors in it. Needs the writer lock."""
        with self.catalog.write() as session:
            return switch_if_complete(session)

    def _view(self, catalog: Connection, space: Row[Any]) -> VectorView:
        """The view of a space, as new as ``catalog``."""
        with self._views_lock:
            view = self._views.get(space.key)
            if view is None:
                view = VectorView(catalog, space, self.folder / VECTORS_FOLDER, self._index_kind)
                self._views[space.key] = view
                if not view.saved:
                    # So that the next start is quick; a reader on a read-only disk does without.
                    with suppress(OSError):
                        view.save()
                return view
        view.refresh(catalog)
        return view


def _space_row(catalog: Connection, space: Space) -> Row[Any] | None:
    return catalog.execute(select(spaces).where(spaces.c.key == space.key)).first()


def _best(
    catalog: Connection,
    view: VectorView,
    query: NDArray[np.float32],
    k: int,
    selection: Selection,
    all_moments: bool,
) -> list[tuple[float, Row[Any]]]:
    """The ``k`` best segments, asking the index for more until enough contents are among them."""
    wanted = k if all_moments else 4 * k
    while True:
        found = view.search(query, wanted, selection)
        best = _distinct(catalog, found, k, all_moments)
        if len(best) == k or len(found.ids) < wanted:
            return best
        wanted *= 4


def _distinct(catalog: Connection, found: Found, k: int, all_moments: bool) -> list[tuple[float, Row[Any]]]:
    """Segments with their scores, best first; of each content only the best unless ``all_moments``."""
    segments = segments_of(catalog, found.ids.tolist())
    best: list[tuple[float, Row[Any]]] = []
    seen: set[int] = set()
    for vector_id, score in zip(found.ids.tolist(), found.scores.tolist(), strict=True):
        segment = segments.get(vector_id)
        if segment is None or (segment.content_id in seen and not all_moments):
            continue
        seen.add(segment.content_id)
        best.append((score, segment))
    return best[:k]
