"""The view: the vector indexes of one space, one for each modality, kept in step with the catalog.

Modalities have indexes of their own because they are ranked apart (see ranking.py) and lie apart: the cells
of an inverted file that are nearest to words hold notes, and hardly ever the photos that the words describe.

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
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select, text

from bindsearch.errors import SettingsError
from bindsearch.index.schema import segments, tombstones, vectors
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.generations import (
    FORMAT,
    Generation,
    Shelf,
    read_generation,
    write_generation,
)
from bindsearch.index.vectors.protocol import EVERYTHING, Found, Queries, Scores, Selection, VectorIndex
from bindsearch.modality import Modality
from bindsearch.ranking import REFERENCES, SAMPLE, Backgrounds

KINDS = ("auto", "exact", "flat", "ivf")

# From so many vectors on, "auto" means ivf. Below it the exact scan takes a few milliseconds and needs
# neither training nor the import of FAISS.
IVF_FROM = 50_000
IVF_TRAINS_FROM = 1_000  # fewer vectors than this cannot fill cells, whatever was asked for

REPLAY_ROWS = 20_000
ASKED = 50  # vectors of each other modality that stand for its queries when an index is set

# A generation is written anew when more than this part of the vectors has to be replayed at each start.
STALE_SHARE = 0.1
STALE_ROWS = 2_000


class VectorView:
    """The vector indexes over one space of one library; safe to use from several threads.

    ``kind`` is one of KINDS; raises SettingsError for any other.
    """

    def __init__(self, catalog: Connection, space: Row[Any], folder: Path, kind: str = "auto") -> None:
        if kind not in KINDS:
            raise SettingsError(f"no vector index is called {kind!r}", hint=f"one of {', '.join(KINDS)}")
        self._space_id, self._space_key, self._dimensions = space.id, space.key, space.dimensions
        self.folder = folder / space.key
        self._wanted = kind
        self._lock = threading.Lock()
        self._last_vector = self._last_tombstone = 0
        self._unsaved = 0
        self._saved = False
        self._indexes: dict[Modality, VectorIndex] = self._load(catalog) or {}
        self._backgrounds: Backgrounds | None = None
        self.refresh(catalog)

    @property
    def kinds(self) -> dict[Modality, str]:
        """Which index serves each modality: exact, flat or ivf."""
        return {modality: index.kind for modality, index in self._indexes.items()}

    @property
    def saved(self) -> bool:
        """Whether a generation on disk was used, or written since."""
        return self._saved

    def __len__(self) -> int:
        return sum(map(len, self._indexes.values()))

    def search(
        self,
        query: Queries,
        k: int,
        selection: Selection = EVERYTHING,
        modalities: Collection[Modality] | None = None,
    ) -> dict[Modality, Found]:
        """The ``k`` best of ``selection`` in each modality for the unit vector ``query`` (d,)."""
        with self._lock:
            return {
                modality: index.search(query, k, selection)
                for modality, index in self._indexes.items()
                if modalities is None or modality in modalities
            }

    def backgrounds(self, references: Scores | None) -> Backgrounds:
        """What queries are judged by now: samples of the vectors, and ``references`` (r, d) in words."""
        with self._lock:
            known = self._backgrounds
            if known is None or known.references is not references:
                known = self._backgrounds = self._sampled(references)
            return known

    def refresh(self, catalog: Connection) -> None:
        """Take in what ``catalog`` shows of new vectors and tombstones."""
        with self._lock:
            before = self._last_vector, self._last_tombstone
            self._replay_vectors(catalog)
            self._replay_tombstones(catalog)
            if before != (self._last_vector, self._last_tombstone):
                self._backgrounds = None

    def maintain(self, catalog: Connection) -> None:
        """Refresh, turn into the kinds that are wanted now, and write a generation if that pays.

        Raises OSError (full or read-only disk); the generation before stays in force.
        """
        self.refresh(catalog)
        with self._lock:
            changed = [self._become(modality) for modality in self._indexes]
        if any(changed) or not self._saved or self._unsaved > max(STALE_ROWS, STALE_SHARE * len(self)):
            self.save()

    def save(self) -> None:
        """Write a generation. Raises OSError (full or read-only disk); the one before stays in force."""
        with self._lock:
            shelves: dict[str, Shelf] = {}

            def write(folder: Path, stem: str) -> list[str]:
                for modality, index in self._indexes.items():
                    names = index.write(folder, f"{stem}.{modality}")
                    shelves[modality] = Shelf(index.kind, len(index), tuple(names))
                return [name for shelf in shelves.values() for name in shelf.files]

            write_generation(self.folder, partial(self._describe, shelves), write)
            self._saved, self._unsaved = True, 0

    def _sampled(self, references: Scores | None) -> Backgrounds:
        drawn = {
            modality: index.sample(SAMPLE + REFERENCES).astype(np.float32)
            for modality, index in self._indexes.items()
            if len(index)
        }
        return Backgrounds(
            samples={modality: rows[:SAMPLE] for modality, rows in drawn.items()},
            more={modality: rows[-REFERENCES:] for modality, rows in drawn.items()},
            sizes={modality: len(self._indexes[modality]) for modality in drawn},
            references=references,
        )

    def _kind_for(self, count: int) -> str:
        if self._wanted == "flat":
            return "flat"
        if self._wanted == "ivf" and count >= IVF_TRAINS_FROM:
            return "ivf"
        return "ivf" if self._wanted == "auto" and count >= IVF_FROM else "exact"

    def _become(self, modality: Modality) -> bool:
        """Rebuild as the kind that is wanted if another serves, or if it has outgrown its cells."""
        index = self._indexes[modality]
        kind = self._kind_for(len(index))
        if kind == index.kind and not index.outgrown:
            return False
        ids, rows = index.contents()
        asked = [
            other.sample(ASKED) for name, other in self._indexes.items() if name != modality and len(other)
        ]
        queries = np.concatenate(asked).astype(np.float32) if asked else None
        self._indexes[modality] = index_class(kind).build(self._dimensions, ids, rows, queries)
        return True

    def _describe(self, shelves: dict[str, Shelf], files: dict[str, tuple[int, int]]) -> Generation:
        return Generation(
            format=FORMAT,
            space=self._space_key,
            dimensions=self._dimensions,
            shelves=shelves,
            last_vector=self._last_vector,
            last_tombstone=self._last_tombstone,
            files=files,
        )

    def _load(self, catalog: Connection) -> dict[Modality, VectorIndex] | None:
        generation = read_generation(self.folder)
        if generation is None or not self._fits(catalog, generation):
            return None
        try:
            indexes = {
                Modality(name): index_class(shelf.kind).read(
                    self.folder, list(shelf.files), generation.dimensions
                )
                for name, shelf in generation.shelves.items()
            }
        except (OSError, ValueError, EOFError):
            return None
        if any(len(indexes[Modality(name)]) != shelf.count for name, shelf in generation.shelves.items()):
            return None
        self._last_vector, self._last_tombstone = generation.last_vector, generation.last_tombstone
        self._saved = True
        return indexes

    def _fits(self, catalog: Connection, generation: Generation) -> bool:
        """Whether the catalog's history contains the moment at which ``generation`` was written.

        A catalog that was restored from a backup may be older than the files beside it.
        """
        kinds = {shelf.kind for shelf in generation.shelves.values()}
        return (
            (generation.space, generation.dimensions) == (self._space_key, self._dimensions)
            and (self._wanted == "auto" or kinds <= {self._wanted, "exact"})
            and generation.last_vector <= _sequence(catalog, vectors.name)
            and generation.last_tombstone <= _sequence(catalog, tombstones.name)
        )

    def _replay_vectors(self, catalog: Connection) -> None:
        query = (
            select(vectors.c.id, vectors.c.data, segments.c.modality)
            .join(segments, segments.c.id == vectors.c.segment_id)
            .where(vectors.c.space_id == self._space_id, vectors.c.id > self._last_vector)
            .order_by(vectors.c.id)
        )
        for part in catalog.execute(query).partitions(REPLAY_ROWS):
            by_modality: dict[str, list[Any]] = {}
            for row in part:
                by_modality.setdefault(row.modality, []).append(row)
            for name, rows in by_modality.items():
                self._add(Modality(name), rows)
            self._last_vector = part[-1].id
            self._unsaved += len(part)

    def _add(self, modality: Modality, rows: Sequence[Any]) -> None:
        index = self._indexes.setdefault(modality, ExactIndex(self._dimensions))
        ids = np.fromiter((row.id for row in rows), np.int64, len(rows))
        data = b"".join(row.data for row in rows)
        index.add(ids, np.frombuffer(data, "<f2").reshape(len(rows), self._dimensions))

    def _replay_tombstones(self, catalog: Connection) -> None:
        query = (
            select(tombstones.c.seq, tombstones.c.vector_id)
            .where(tombstones.c.space_id == self._space_id, tombstones.c.seq > self._last_tombstone)
            .order_by(tombstones.c.seq)
        )
        dead = catalog.execute(query).all()
        if dead:
            gone = np.sort(np.fromiter((row.vector_id for row in dead), np.int64, len(dead)))
            for index in self._indexes.values():
                index.remove(gone)
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
