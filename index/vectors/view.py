"""The view: the vector indexes of one space, one for each modality, kept in step with the catalog.

Modalities have indexes of their own because they are ranked apart (see ranking.py) and lie apart: the cells
of an inverted file that are nearest to words hold notes, and hardly ever the photos that the words describe.

The catalog is the truth. A view starts from the generation on disk if that fits (right space, right
files, not ahead of the catalog), else from nothing; then it replays the catalog's vectors and tombstones
above the generation's sequence numbers. So it makes no difference to any answer whether the files on disk are
fresh, stale, damaged or gone: only to how long the first search takes.

``refresh`` replays again, cheaply when nothing has changed: what is new is read first, so that searches wait
only while it is put in. It never trains: a reader that finds no FAISS files answers from an exact index at
once, and ``maintain``, which the writer calls, builds what is wanted and writes it down. Searches run beside
each other, and never beside a change, because FAISS must not be changed during a search.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, text

from bindsearch.errors import SettingsError
from bindsearch.index.moments import Moments, kind_of
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import tombstones, vectors
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.generations import (
    FORMAT,
    Generation,
    Shelf,
    read_generation,
    read_manifest,
    write_generation,
)
from bindsearch.index.vectors.protocol import (
    EVERYTHING,
    Found,
    Ids,
    Queries,
    Scores,
    Selection,
    VectorIndex,
)
from bindsearch.index.vectors.sharing import SharedLock
from bindsearch.index.vectors.widening import widened
from bindsearch.modality import Modality
from bindsearch.ranking import REFERENCES, SAMPLE, Backgrounds

KINDS = ("auto", "exact", "flat", "ivf")

# From so many vectors on, "auto" means ivf. Below it the exact scan takes a few milliseconds and needs
# neither training nor the import of FAISS.
IVF_FROM = 50_000
IVF_TRAINS_FROM = 1_000  # fewer vectors than this cannot fill cells, whatever was asked for

WARM_BYTES = 128 << 20  # of memory that a process that stays may spend on rows in FAISS

REPLAY_ROWS = 20_000
ASKED = 50  # vectors of each other modality that stand for its queries when an index is set

# A generation is written anew when more than this part of the vectors has to be replayed at each start.
STALE_SHARE = 0.1
STALE_ROWS = 2_000

_NEW_VECTORS = """
SELECT v.id, s.modality, v.segment_id, s.content_id, v.data FROM vectors AS v
CROSS JOIN segments AS s ON s.id = v.segment_id WHERE v.space_id = ? AND v.id > ? ORDER BY v.id
"""
_NEW_TOMBSTONES = "SELECT seq, vector_id FROM tombstones WHERE space_id = ? AND seq > ? ORDER BY seq"


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
        self._lock = SharedLock()
        self._refreshing = threading.Lock()
        self._last_vector = self._last_tombstone = 0
        self._unsaved = 0
        self._generation: Generation | None = None
        self._known: dict[str, tuple[int, int]] = {}  # the files of the manifest that was looked at last
        self._indexes: dict[Modality, VectorIndex] = self._load(catalog) or {}
        self._backgrounds: tuple[tuple[int, int], Backgrounds] | None = None
        self._moments = Moments(space.id)
        self._warm = False
        self.refresh(catalog)

    @property
    def kinds(self) -> dict[Modality, str]:
        """Which index serves each modality: exact, flat or ivf."""
        return {modality: index.kind for modality, index in tuple(self._indexes.items())}

    @property
    def saved(self) -> bool:
        """Whether a generation on disk was used, or written since."""
        return self._generation is not None

    @property
    def superseded(self) -> bool:
        """Whether there is a generation on disk that this view does not know."""
        manifest = read_manifest(self.folder)
        return manifest is not None and manifest.format == FORMAT and manifest.files != self._known

    def __len__(self) -> int:
        return sum(map(len, tuple(self._indexes.values())))

    def search(
        self,
        query: Queries,
        k: int,
        selection: Selection = EVERYTHING,
        modalities: Collection[Modality] | None = None,
    ) -> dict[Modality, Found]:
        """The ``k`` best of ``selection`` in each modality for the unit vector ``query`` (d,)."""
        with self._lock.searching():
            return {
                modality: index.search(query, k, selection)
                for modality, index in self._indexes.items()
                if modalities is None or modality in modalities
            }

    def rows(self, ids: Mapping[Modality, Ids]) -> dict[Modality, tuple[Ids, Queries]]:
        """Those of the sorted ``ids`` of each modality that are here, with vectors (n, d) as float32."""
        with self._lock.searching():
            here = ids.keys() & self._indexes.keys()
            found = {modality: self._indexes[modality].rows(ids[modality]) for modality in here}
        return {modality: (own, widened(rows)) for modality, (own, rows) in found.items() if len(own)}

    def backgrounds(self, references: Scores | None) -> Backgrounds:
        """What queries are judged by now: samples of the vectors, and ``references`` (r, d) in words."""
        known = self._backgrounds
        if known is None or known[0] != self._state or known[1].references is not references:
            with self._lock.searching():
                known = self._backgrounds = self._state, self._sampled(references)
        return known[1]

    @property
    def moments(self) -> Moments:
        """Which segment and content each vector is of."""
        return self._moments

    def warm(self, catalog: Connection) -> None:
        """Take in what makes each of many searches quicker and a single one slower."""
        if self._warm:
            return
        with self._refreshing:
            if self._warm:
                return
            self._moments.load(catalog)
            room = WARM_BYTES
            with self._lock.changing():
                for index in sorted(self._indexes.values(), key=len):
                    room -= index.warm(room)
            self._warm = True

    def refresh(self, catalog: Connection) -> None:
        """Take in what ``catalog`` shows of new vectors and tombstones."""
        remembered(catalog, ("fresh", self), partial(self._replay, catalog))

    def _replay(self, catalog: Connection) -> None:
        with self._refreshing:
            self._replay_vectors(catalog)
            self._replay_tombstones(catalog)

    def maintain(self, catalog: Connection) -> None:
        """Refresh, turn into the kinds that are wanted now, and write a generation if that pays.

        Raises OSError (full or read-only disk); the generation before stays in force.
        """
        self.refresh(catalog)
        with self._refreshing, self._lock.changing():
            changed = [self._become(modality) for modality in self._indexes]
        if any(changed) or not self.saved or self._unsaved > max(STALE_ROWS, STALE_SHARE * len(self)):
            self.save()

    def save(self) -> None:
        """Write a generation. Raises OSError (full or read-only disk); the one before stays in force."""
        with self._refreshing, self._lock.searching():
            shelves: dict[str, Shelf] = {}

            def write(folder: Path, stem: str) -> list[str]:
                for modality, index in self._indexes.items():
                    names = index.write(folder, f"{stem}.{modality}")
                    shelves[modality] = Shelf(index.kind, len(index), tuple(names))
                return [name for shelf in shelves.values() for name in shelf.files]

            self._generation = write_generation(self.folder, partial(self._describe, shelves), write)
            self._known, self._unsaved = self._generation.files, 0

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
        manifest = read_manifest(self.folder)
        self._known = {} if manifest is None else manifest.files
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
        self._generation = generation
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

    @property
    def _state(self) -> tuple[int, int]:
        return self._last_vector, self._last_tombstone

    def _replay_vectors(self, catalog: Connection) -> None:
        cursor = catalog.exec_driver_sql(_NEW_VECTORS, (self._space_id, self._last_vector)).cursor
        while cursor is not None and (part := cursor.fetchmany(REPLAY_ROWS)):
            by_modality: dict[str, list[Any]] = {}
            for row in part:
                by_modality.setdefault(row[1], []).append(row)
            with self._lock.changing():
                for name, rows in by_modality.items():
                    self._add(Modality(name), rows)
                self._moments.add(
                    np.array([(row[0], row[2], row[3], kind_of(row[1])) for row in part], np.int64)
                )
                self._last_vector = part[-1][0]
                self._unsaved += len(part)

    def _add(self, modality: Modality, rows: Sequence[Any]) -> None:
        index = self._indexes.get(modality, ExactIndex(self._dimensions))
        ids = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        data = b"".join(row[4] for row in rows)
        index.add(ids, np.frombuffer(data, "<f2").reshape(len(rows), self._dimensions))
        self._indexes[modality] = index

    def _replay_tombstones(self, catalog: Connection) -> None:
        cursor = catalog.exec_driver_sql(_NEW_TOMBSTONES, (self._space_id, self._last_tombstone)).cursor
        dead = [] if cursor is None else cursor.fetchall()
        if dead:
            gone = np.sort(np.fromiter((row[1] for row in dead), np.int64, len(dead)))
            with self._lock.changing():
                for index in self._indexes.values():
                    index.remove(gone)
                self._moments.forget(gone)
                self._last_tombstone = dead[-1][0]
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
