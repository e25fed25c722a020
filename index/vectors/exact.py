"""The exact index: every allowed vector is scored. The reference that all others are tested against.

In memory: blocks of (ids, rows), the first usually a read-only memory map of a generation's files.
Removing sets a bit; ``write`` leaves removed rows out.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bindsearch.index.vectors.protocol import EVERYTHING, Found, Ids, Queries, Rows, Scores, Selection, ranked
from bindsearch.ranking import spread_out

# Rows that are widened to float32 at a time: 16384 x 384 x 4 bytes = 25 MB.
CHUNK_ROWS = 16_384


class ExactIndex:
    """Scores by a matrix product over float16 rows, widened to float32 chunk by chunk."""

    kind: ClassVar[str] = "exact"

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._ids: list[Ids] = []
        self._rows: list[Rows] = []
        self._alive: list[NDArray[np.bool_]] = []

    def __len__(self) -> int:
        return int(sum(np.count_nonzero(alive) for alive in self._alive))

    def add(self, ids: Ids, rows: Rows) -> None:
        """See VectorIndex.add."""
        if rows.shape != (len(ids), self._dimensions):
            raise ValueError(f"rows of shape {rows.shape} for {len(ids)} ids of {self._dimensions} numbers")
        if len(ids):
            self._ids.append(ids)
            self._rows.append(rows)
            self._alive.append(np.ones(len(ids), dtype=bool))

    def remove(self, ids: Ids) -> None:
        """See VectorIndex.remove."""
        for own, alive in zip(self._ids, self._alive, strict=True):
            places, found = _places(own, ids)
            alive[places[found]] = False

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """See VectorIndex.search."""
        parts = [
            self._score_block(block, query, selection)
            for block in range(len(self._ids))
            if len(self._ids[block])
        ]
        if not parts:
            return Found(np.empty(0, np.int64), np.empty(0, np.float32))
        ids = np.concatenate([part.ids for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        return ranked(ids, scores, k)

    @property
    def outgrown(self) -> bool:
        """Never: see VectorIndex.outgrown."""
        return False

    @classmethod
    def build(cls, dimensions: int, ids: Ids, rows: Rows, asked: Queries | None = None) -> Self:
        """See VectorIndex.build."""
        index = cls(dimensions)
        index.add(ids, rows)
        return index

    def contents(self) -> tuple[Ids, Rows]:
        """All living (ids, rows), by id."""
        if not self._ids:
            return np.empty(0, np.int64), np.empty((0, self._dimensions), np.float16)
        pairs = zip(self._ids, self._rows, self._alive, strict=True)
        living = [(ids[alive], rows[alive]) for ids, rows, alive in pairs]
        return np.concatenate([ids for ids, _ in living]), np.concatenate([rows for _, rows in living])

    @property
    def ids(self) -> Ids:
        """The ids (n,) of all living vectors, sorted."""
        if not self._ids:
            return np.empty(0, np.int64)
        pairs = zip(self._ids, self._alive, strict=True)
        return np.concatenate([ids if alive.all() else ids[alive] for ids, alive in pairs])

    def sample(self, count: int) -> Rows:
        """See VectorIndex.sample."""
        own = self.ids
        chosen = own[spread_out(own, count)]
        rows = np.empty((len(chosen), self._dimensions), np.float16)
        for ids, block in zip(self._ids, self._rows, strict=True):
            places, found = _places(ids, chosen)
            rows[found] = block[places[found]]
        return rows

    def write(self, folder: Path, stem: str) -> list[str]:
        """See VectorIndex.write; two .npy files, which can be memory-mapped."""
        ids, rows = self.contents()
        files = [f"{stem}.ids.npy", f"{stem}.rows.npy"]
        np.save(folder / files[0], ids)
        np.save(folder / files[1], rows)
        return files

    @classmethod
    def read(cls, folder: Path, files: list[str], dimensions: int) -> Self:
        """See VectorIndex.read."""
        ids = np.load(folder / files[0], allow_pickle=False)
        rows = np.load(folder / files[1], mmap_mode="r", allow_pickle=False)
        if ids.dtype != np.int64 or rows.dtype != np.float16:
            raise ValueError(f"{files}: ids of {ids.dtype} and rows of {rows.dtype}")
        return cls.build(dimensions, ids, rows)

    def _score_block(self, block: int, query: Queries, selection: Selection) -> Found:
        ids, rows, alive = self._ids[block], self._rows[block], self._alive[block]
        if selection.only is not None:
            places, found = _places(ids, selection.only)
            chosen = places[found]
            chosen = chosen[alive[chosen]]
            return Found(ids[chosen], _scores(rows, query, chosen))
        allowed = alive if selection.without is None else alive & selection.allows(ids)
        scores = _scores(rows, query, None)
        return Found(ids, scores) if allowed.all() else Found(ids[allowed], scores[allowed])


def _places(own: Ids, wanted: Ids) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where ``wanted`` lie in the sorted ``own``, and a mask of those that do lie there."""
    if not len(own):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), bool)
    places = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
    return places, own[places] == wanted


def _scores(rows: Rows, query: Queries, places: NDArray[np.intp] | None) -> Scores:
    """Inner products of ``query`` (d,) with all ``rows`` (n, d), or with those at ``places``."""
    count = len(rows) if places is None else len(places)
    scores = np.empty(count, np.float32)
    for first in range(0, count, CHUNK_ROWS):
        part = slice(first, first + CHUNK_ROWS)
        chunk = rows[part] if places is None else rows[places[part]]
        scores[part] = chunk.astype(np.float32) @ query
    return scores
