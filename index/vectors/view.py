"""The view: one vector index of one space, kept in step with the catalog.

The catalog is the truth. A view starts from the generation on disk if that fits (right space, right
files, not ahead of the catalog), else from nothing; then it replays the catalog's vectors and tombstones
above the generation's sequence numbers. So it makes no difference to any answer whether the files on disk are
fresh, stale, damaged or gone: only to how long the first search takes.

``refresh`` replays again, cheaply when nothing has changed. It never trains: a reader that finds no FAISS
files answers from an exact index at once, and ``maintain``, which the writer calls, builds what is wanted and
writes it down. One lock is held around every search and
every change, because FAISS must not be changed during a search.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select, text

from bindsearch.errors import SettingsError
from bindsearch.index.schema import tombstones, vectors
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.generations import FORMAT, Generation, read_generation, write_generation
from bindsearch.index.vectors.protocol import EVERYTHING, Found, Queries, Selection, VectorIndex

KINDS = ("auto", "exact", "flat", "ivf")

# From so many vectors on, "auto" means ivf. Below it the exact scan takes a few milliseconds and needs
# neither training nor the import of FAISS.
IVF_FROM = 50_000
IVF_TRAINS_FROM = 1_000  # fewer vectors than this cannot fill cells, whatever was asked for

REPLAY_ROWS = 20_000

# A generation is written anew when more than this part of the vectors has to be replayed at each start.
STALE_SHARE = 0.1
STALE_ROWS = 2_000


class VectorView:
    """A vector index over one space of one library; safe to use from several threads.

    ``kind`` is one of KINDS; raises SettingsError for any other.
    """

    def __init__(self, catalog: Connection, space: Row[Any], folder: Path, kind: str = "auto") -> None:
        if kind not in KINDS:
            raise SettingsError(f"no vector index is called {kind!r}", hint=f"one of {', '.join(KINDS)}")
        self._space_id, self._space_key, self._dimensions = space.id, space.key, space.dimensions
        self._folder = folder / space.key
        self._wanted = kind
        self._lock = threading.Lock()
        self._last_vector = self._last_tombstone = 0
        self._unsaved = 0
        self._saved = False
        self._index: VectorIndex = self._load(catalog) or ExactIndex(self._dimensions)
        self.refresh(catalog)

    @property
    def kind(self) -> str:
        """Which index serves: exact, flat or ivf."""
        return self._index.kind

    @property
    def saved(self) -> bool:
        """Whether a generation on disk was used, or written since."""
        return self._saved

    def __len__(self) -> int:
        return len(self._index)

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """The ``k`` best of ``selection`` for the unit vector ``query`` (d,)."""
        with self._lock:
            return self._index.search(query, k, selection)

    def refresh(self, catalog: Connection) -> None:
        """Take in what ``catalog`` shows of new vectors and tombstones."""
        with self._lock:
            self._replay_vectors(catalog)
            self._replay_tombstones(catalog)

    def maintain(self, catalog: Connection) -> None:
        """Refresh, turn into the kind that is wanted now, and write a generation if that pays.

        Raises OSError (full or read-only disk); the generation before stays in force.
        """
        self.refresh(catalog)
        with self._lock:
            changed = self._become(self._kind_for(len(self._index)))
        if changed or not self._saved or self._unsaved > max(STALE_ROWS, STALE_SHARE * len(self._index)):
            self.save()

    def save(self) -> None:
        """Write a generation. Raises OSError (full or read-only disk); the one before stays in force."""
        with self._lock:
            write_generation(self._folder, self._describe, self._index.write)
            self._saved, self._unsaved = True, 0

    def _kind_for(self, count: int) -> str:
        if self._wanted == "flat":
            return "flat"
        if self._wanted == "ivf" and count >= IVF_TRAINS_FROM:
            return "ivf"
        return "ivf" if self._wanted == "auto" and count >= IVF_FROM else "exact"

    def _become(self, kind: str) -> bool:
        """Rebuild as ``kind`` if that is not what serves, or if an inverted file has outgrown its cells."""
        if kind == self._index.kind and not self._index.outgrown:
            return False
        ids, rows = self._index.contents()
        self._index = index_class(kind).build(self._dimensions, ids, rows)
        return True

    def _describe(self, files: dict[str, tuple[int, int]]) -> Generation:
        return Generation(
            format=FORMAT,
            space=self._space_key,
            kind=self._index.kind,
            dimensions=self._dimensions,
            count=len(self._index),
            last_vector=self._last_vector,
            last_tombstone=self._last_tombstone,
            files=files,
        )

    def _load(self, catalog: Connection) -> VectorIndex | None:
        generation = read_generation(self._folder)
        if generation is None or not self._fits(catalog, generation):
            return None
        try:
            index = index_class(generation.kind).read(
                self._folder, list(generation.files), generation.dimensions
            )
        except (OSError, ValueError, EOFError):
            return None
        if len(index) != generation.count:
            return None
        self._last_vector, self._last_tombstone = generation.last_vector, generation.last_tombstone
        self._saved = True
        return index

    def _fits(self, catalog: Connection, generation: Generation) -> bool:
        """Whether the catalog's history contains the moment at which ``generation`` was written.

        A catalog that was restored from a backup may be older than the files beside it.
        """
        return (
            (generation.space, generation.dimensions) == (self._space_key, self._dimensions)
            and self._wanted in ("auto", generation.kind)
            and generation.last_vector <= _sequence(catalog, vectors.name)
            and generation.last_tombstone <= _sequence(catalog, tombstones.name)
        )

    def _replay_vectors(self, catalog: Connection) -> None:
        query = (
            select(vectors.c.id, vectors.c.data)
            .where(vectors.c.space_id == self._space_id, vectors.c.id > self._last_vector)
            .order_by(vectors.c.id)
        )
        for part in catalog.execute(query).partitions(REPLAY_ROWS):
            ids = np.fromiter((row.id for row in part), np.int64, len(part))
            data = b"".join(row.data for row in part)
            self._index.add(ids, np.frombuffer(data, "<f2").reshape(len(part), self._dimensions))
            self._last_vector = int(ids[-1])
            self._unsaved += len(ids)

    def _replay_tombstones(self, catalog: Connection) -> None:
        query = (
            select(tombstones.c.seq, tombstones.c.vector_id)
            .where(tombstones.c.space_id == self._space_id, tombstones.c.seq > self._last_tombstone)
            .order_by(tombstones.c.seq)
        )
        dead = catalog.execute(query).all()
        if dead:
            self._index.remove(np.sort(np.fromiter((row.vector_id for row in dead), np.int64, len(dead))))
            self._last_tombstone = dead[-1].seq
            self._unsaved += len(dead)


def index_class(kind: str) -> type[VectorIndex]:
    """The class behind a kind's name; FAISS is imported only for its own kinds."""
    if kind == "exact":
        return ExactIndex
    from bindsearch.index.vectors.faiss_index import FlatIndex, IvfIndex

    classes: dict[str, type[VectorIndex]] = {"flat": FlatIndex, "ivf": IvfIndex}
    if kind not in classes:
        raise ValueError(f"no vector index is called {kind!r}")
    return classes[kind]


def _sequence(catalog: Connection, table: str) -> int:
    """The highest id that ``table`` has ever given out."""
    statement = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    return int(catalog.scalar(statement, {"table": table}) or 0)
