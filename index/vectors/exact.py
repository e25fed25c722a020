"""The exact index: every allowed vector is scored. The reference that all others are tested against.

In memory: blocks of (ids, rows), the first usually a read-only memory map of a generation's files.
Removing sets a bit; ``write`` leaves removed rows out.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import BindsearchError
from bindsearch.index.vectors.protocol import EVERYTHING, Found, Ids, Queries, Rows, Scores, Selection, ranked
from bindsearch.index.vectors.scanning import Scan
from bindsearch.index.vectors.widening import products
from bindsearch.ranking import spread_out

MERGED_ROWS = 16_384  # blocks in memory are joined up to this size, so that a long life does not scatter rows

SCANNED_SHARE = 20  # if more than one row in so many is asked for, all are scored at once


class ExactIndex:
    """Scores by a matrix product over float16 rows, widened to float32 chunk by chunk."""

    kind: ClassVar[str] = "exact"

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._ids: list[Ids] = []
        self._rows: list[Rows] = []
        self._alive: list[NDArray[np.bool_]] = []
        self._scan: Scan | None = None  # of the first block, if there is room

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
            self._merge()

    def remove(self, ids: Ids) -> None:
        """See VectorIndex.remove."""
        for own, alive in zip(self._ids, self._alive, strict=True):
            places, found = _places(own, ids)
            alive[places[found]] = False

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """See VectorIndex.search."""
        parts = [
            self._score_block(block, query, k, selection)
            for block in range(len(self._ids))
            if len(self._ids[block])
        ]
        if not parts:
            return Found(np.empty(0, np.int64), np.empty(0, np.float32))
        ids = np.concatenate([part.ids for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        return ranked(ids, scores, k)

    def warm(self, room: int) -> int:
        """Have FAISS scan the first block, by far the greatest, if its rows take at most ``room`` bytes.

        Returns how many bytes they take.
        """
        if self._scan is None and self._rows and 0 < self._rows[0].nbytes <= room:
            with suppress(BindsearchError):  # without FAISS it takes twice as long, that is all
                self._scan = Scan(self._rows[0])
        return 0 if self._scan is None else self._rows[0].nbytes

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

    def rows(self, ids: Ids) -> tuple[Ids, Rows]:
        """See VectorIndex.rows."""
        parts = [(ids[:0], np.empty((0, self._dimensions), np.float16))]
        for own, rows, alive in zip(self._ids, self._rows, self._alive, strict=True):
            places, found = _places(own, ids)
            found &= alive[places]
            if found.any():
                parts.append((ids[found], np.asarray(rows)[places[found]]))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

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

    def _merge(self) -> None:
        """Join the last blocks in memory as long as the one before is no more than twice as long.

        So there are only as many as the logarithm of what was added, and each row is moved as often.
        """
        while len(self._ids) > 1 and self._joins(self._rows[-2], self._rows[-1]):
            last = slice(len(self._ids) - 2, None)
            if len(self._ids) == 2:
                self._scan = None
            pairs = list(zip(self._ids[last], self._rows[last], self._alive[last], strict=True))
            self._ids[last] = [np.concatenate([ids[alive] for ids, _, alive in pairs])]
            self._rows[last] = [np.concatenate([rows[alive] for _, rows, alive in pairs])]
            self._alive[last] = [np.ones(len(self._ids[-1]), dtype=bool)]

    @staticmethod
    def _joins(before: Rows, last: Rows) -> bool:
        mapped = isinstance(before, np.memmap)
        return not mapped and len(before) <= min(2 * len(last), MERGED_ROWS)

    def _score_block(self, block: int, query: Queries, k: int, selection: Selection) -> Found:
        ids, rows, alive = self._ids[block], self._rows[block], self._alive[block]
        if selection.only is not None:
            places, found = _places(ids, selection.only)
            chosen = places[found]
            chosen = chosen[alive[chosen]]
            scan = self._scan_for(block, k, len(chosen))
            if scan is not None:
                chosen = scan.nearest(query, k, _mask(len(ids), chosen))
            return Found(ids[chosen], _scores(rows, query, chosen))
        some = selection.without is not None and len(selection.without)
        allowed = alive & selection.allows(ids) if some else alive
        everything = bool(allowed.all())
        scan = self._scan_for(block, k, len(ids))
        if scan is not None:
            near = scan.nearest(query, k, None if everything else allowed)
            return Found(ids[near], _scores(rows, query, near))
        scores = _scores(rows, query, None)
        return Found(ids, scores) if everything else Found(ids[allowed], scores[allowed])

    def _scan_for(self, block: int, k: int, count: int) -> Scan | None:
        """FAISS's scan of a block, where it is worth asking for the ``k`` best of so many rows."""
        return self._scan if block == 0 and k * SCANNED_SHARE <= count else None


def _mask(count: int, places: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[places] = True
    return mask


def _places(own: Ids, wanted: Ids) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where ``wanted`` lie in the sorted ``own``, and a mask of those that do lie there."""
    if not len(own):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), bool)
    places = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
    return places, own[places] == wanted


def _scores(rows: Rows, query: Queries, places: NDArray[np.intp] | None) -> Scores:
    """Inner products of ``query`` (d,) with all ``rows`` (n, d), or with those at ``places``."""
    plain = np.asarray(rows)  # a memory map takes several times as long to hand out rows
    return products(plain if places is None else plain[places], query)
