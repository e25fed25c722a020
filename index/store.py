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

from sqlalchemy import Connection, Row, delete, select

from bindsearch.answers import Answer, SearchOptions, State
from bindsearch.encoders.protocol import Space
from bindsearch.index.active import choose, set_filling, switch_if_complete
from bindsearch.index.background import read_references, write_references
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter, under
from bindsearch.index.nearest import Question, Unread
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import locations, roots, spaces
from bindsearch.index.searching import search, search_by_words, search_without_vectors
from bindsearch.index.vectors import VectorView
from bindsearch.modality import Modality
from bindsearch.ranking import Part, Rows
from bindsearch.words import WordQuery

VECTORS_FOLDER = "vectors"


class Store:
    """An open library; safe to use from several threads. Use as a context manager, or call ``close``."""

    def __init__(self, folder: Path, catalog: Catalog, index_kind: str) -> None:
        self.folder = folder
        self.catalog = catalog
        self._index_kind = index_kind
        self._views: dict[str, VectorView] = {}
        self._views_lock = threading.Lock()
        self._references: dict[str, Rows] = {}
        self._viewed = catalog.file

    @classmethod
    def open(cls, folder: Path, *, index_kind: str = "auto") -> Self:
        """Open the library in ``folder`` to read from.

        Raises LibraryMissing, LibraryDamaged, or LibraryError where SQLite cannot use the file.
        """
        return cls(folder, Catalog.open(folder), index_kind)

    @classmethod
    @contextmanager
    def writing(cls, folder: Path, *, index_kind: str = "auto", gives_way: bool = False) -> Iterator[Self]:
        """The library in ``folder``, made if need be, with the writer lock held; see index.lock.

        Raises LibraryBusy if another process holds the lock and does not give way.
        """
        from bindsearch.index.lock import writer_lock  # readers do without, and start sooner

        lock = writer_lock(folder, gives_way=gives_way)
        with lock, cls(folder, Catalog.create(folder), index_kind) as store:
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
        question: Question | Unread,
        space: Space,
        k: int,
        wanted: Filter | None = None,
        options: SearchOptions | None = None,
    ) -> Answer:
        """The ``k`` best hits for ``question``, best first.

        Raises QueryError for k below 1, and what reading the question raises.
        """
        options = options or SearchOptions()
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            if row is None:
                return search_without_vectors(catalog, question.words, k, wanted or Filter(), options)
            view, references = self._view(catalog, row), self.references(space)
            return search(catalog, view, row.id, references, question, k, wanted or Filter(), options)

    def search_words(
        self, asked: WordQuery, k: int, wanted: Filter | None = None, options: SearchOptions | None = None
    ) -> Answer:
        """The ``k`` best hits that hold all words of ``asked``; no vector has a say.

        Raises QueryError for k below 1 and for a query without words.
        """
        with self.catalog.read() as catalog:
            return search_by_words(catalog, asked, k, wanted or Filter(), options or SearchOptions())

    def references(self, space: Space) -> Rows | None:
        """The vectors (r, d) of the reference queries in ``space``; None as long as they were not kept."""
        if space.key not in self._references:
            rows = read_references(self.folder / VECTORS_FOLDER, space)
            if rows is None:
                return None
            self._references[space.key] = rows
        return self._references[space.key]

    def keep_references(self, space: Space, rows: Rows) -> None:
        """Keep the vectors of the reference queries in ``space``. Raises OSError; nothing is lost by it."""
        write_references(self.folder / VECTORS_FOLDER, space, rows)

    @property
    def viewed(self) -> bool:
        """Whether anything was asked of vectors yet."""
        return bool(self._views)

    def view(self, space: Space) -> None:
        """Load what searches in ``space`` need, if there is any of it."""
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            if row is not None:
                self._view(catalog, row)
                self.references(space)

    def freshen(self) -> None:
        """Do what the next search would otherwise wait for, in every space that was asked in.

        For a process that stays, and that calls it beside its searches whenever the library may have
        changed: what is new is taken in, a vector index that a writer has meanwhile made is read from disk
        and takes the place of the one in memory, and what queries are judged by is reckoned anew.
        """
        for key in tuple(self._views):
            with self.catalog.read() as catalog:
                row = catalog.execute(select(spaces).where(spaces.c.key == key)).first()
                if row is not None:
                    self._freshen(catalog, row)

    def _freshen(self, catalog: Connection, space: Row[Any]) -> None:
        view = self._view(catalog, space)
        if view.superseded:
            view = VectorView(catalog, space, self.folder / VECTORS_FOLDER, self._index_kind)
            view.warm(catalog)
        references = self._references.get(space.key)
        if references is not None:
            view.backgrounds(references).judge([Part(Modality.TEXT, 1.0, references[0])])
        with self._views_lock:
            if space.key in self._views and self._viewed == self.catalog.file:
                self._views[space.key] = view

    def maintain(self, space: Space) -> None:
        """Bring the vector index of ``space`` up to date on disk. Needs the writer lock.

        Raises OSError when the disk is full; nothing but time is lost.
        """
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            if row is not None:
                self._view(catalog, row).maintain(catalog)

    def index_kinds(self, space: Space) -> dict[Modality, str]:
        """Which kind of vector index serves each modality in ``space``."""
        with self.catalog.read() as catalog:
            row = _space_row(catalog, space)
            return {} if row is None else self._view(catalog, row).kinds

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
            if self._viewed != self.catalog.file:  # another catalog, whose numbers mean other things
                self._views, self._references, self._viewed = {}, {}, self.catalog.file
            known = self._views.get(space.key)
            if known is None:
                return self._first_view(catalog, space)
        known.refresh(catalog)
        known.warm(catalog)  # whoever asks twice stays
        return known

    def _first_view(self, catalog: Connection, space: Row[Any]) -> VectorView:
        view = VectorView(catalog, space, self.folder / VECTORS_FOLDER, self._index_kind)
        self._views[space.key] = view
        if not view.saved:
            # So that the next start is quick; a reader on a read-only disk does without.
            with suppress(OSError):
                view.save()
        return view


def _space_row(catalog: Connection, space: Space) -> Row[Any] | None:
    def read() -> Row[Any] | None:
        return catalog.execute(select(spaces).where(spaces.c.key == space.key)).first()

    return remembered(catalog, ("space", space.key), read)
