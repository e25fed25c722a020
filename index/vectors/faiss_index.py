"""FAISS behind the protocol: ``flat`` scores every vector, ``ivf`` only those in the nearest cells.

``ivf`` is an inverted file over RaBitQ codes (Gao & Long, SIGMOD 2024). Its scores are estimates, so it
only proposes candidates; an exact index over the same vectors, which lies beside it on disk and is
memory-mapped, gives the final scores. It also answers alone whenever a filter leaves few vectors:
measured at 100,000 vectors, recall of an inverted file under a 1 % filter falls to 0.47, while the
exact scan of what the filter allows is both right and faster.

HNSW and IndexRefine are not used because neither can remove.
"""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np

from bindsearch.index.vectors.blas import import_faiss
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.protocol import EVERYTHING, Found, Ids, Queries, Rows, Selection, common, ranked
from bindsearch.ranking import spread_out

# Filters that allow at most so many vectors, or so great a part of all, are answered by the exact scan.
EXACT_BELOW = 20_000
EXACT_SHARE = 0.10

# What a filter lets through may lie together, far from the query. Twice the cells cost a tenth more time.
FILTERED_PROBES = 2

# A selection is a bitmap unless its ids are sparser than this; those of vectors that are gone are not reused.
BITS_PER_ID = 256
BITS_ANYWAY = 1 << 20

TIES = 32  # extra results fetched to see past equal scores

RECALL_AIM = 0.99
FACTORS, PROBES = (20, 40, 80, 160), (16, 32, 64, 128, 256)
CALIBRATION_QUERIES = 200
CALIBRATION_K = 10
CELLS_PER_SQRT = 4
TRAINING_ROWS_PER_CELL = 64


class FlatIndex:
    """FAISS's exhaustive scan over float16 rows; the same answers as ExactIndex."""

    kind: ClassVar[str] = "flat"

    def __init__(self, dimensions: int, index: Any = None) -> None:
        faiss = import_faiss()
        self._dimensions = dimensions
        self._index = index or faiss.IndexIDMap2(
            faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        )

    @classmethod
    def build(cls, dimensions: int, ids: Ids, rows: Rows, asked: Queries | None = None) -> Self:
        """See VectorIndex.build."""
        index = cls(dimensions)
        index.add(ids, rows)
        return index

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def warm(self, room: int) -> int:
        """See VectorIndex.warm; there is nothing to be done."""
        return 0

    @property
    def outgrown(self) -> bool:
        """Never: see VectorIndex.outgrown."""
        return False

    def contents(self) -> tuple[Ids, Rows]:
        """See VectorIndex.contents."""
        ids = import_faiss().vector_to_array(self._index.id_map)
        order = np.argsort(ids)
        rows = self._index.index.reconstruct_n(0, len(ids)) if len(ids) else np.empty((0, self._dimensions))
        return ids[order], rows[order].astype(np.float16)

    def rows(self, ids: Ids) -> tuple[Ids, Rows]:
        """See VectorIndex.rows."""
        here = np.sort(import_faiss().vector_to_array(self._index.id_map))
        ids = common(ids, here)
        rows = [self._index.reconstruct(one) for one in ids.tolist()]
        return ids, np.array(rows, np.float16).reshape(len(ids), self._dimensions)

    def sample(self, count: int) -> Rows:
        """See VectorIndex.sample."""
        ids, rows = self.contents()
        return rows[spread_out(ids, count)]

    def add(self, ids: Ids, rows: Rows) -> None:
        """See VectorIndex.add."""
        if len(ids):
            self._index.add_with_ids(rows.astype(np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """See VectorIndex.remove."""
        self._index.remove_ids(np.ascontiguousarray(ids))

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """See VectorIndex.search."""
        faiss = import_faiss()
        selector = _selector(faiss, selection)
        parameters = faiss.SearchParameters(sel=selector) if selector else None
        wanted = k + TIES
        while True:
            wanted = min(wanted, len(self))
            if wanted == 0:
                return Found(np.empty(0, np.int64), np.empty(0, np.float32))
            scores, ids = self._index.search(query[None], wanted, params=parameters)
            found = ids[0] >= 0
            # FAISS keeps any of several equal scores; unless the k-th stands above the last one
            # fetched, equals with a lower id may have been left out.
            if wanted == len(self) or not found.all() or scores[0][k - 1] > scores[0][-1]:
                return ranked(ids[0][found], scores[0][found], k)
            wanted *= 2

    def write(self, folder: Path, stem: str) -> list[str]:
        """See VectorIndex.write."""
        name = f"{stem}.faiss"
        import_faiss().write_index(self._index, str(folder / name))
        return [name]

    @classmethod
    def read(cls, folder: Path, files: list[str], dimensions: int) -> Self:
        """See VectorIndex.read."""
        return cls(dimensions, _read_index(folder / files[0], dimensions))


class IvfIndex:
    """FAISS's inverted file over RaBitQ codes, re-scored exactly; see the module for when it steps aside."""

    kind: ClassVar[str] = "ivf"

    def __init__(self, dimensions: int, index: Any, exact: ExactIndex, probes: int, factor: int) -> None:
        self._dimensions = dimensions
        self._index = index
        self._exact = exact
        self.probes = probes
        self.factor = factor

    @classmethod
    def build(cls, dimensions: int, ids: Ids, rows: Rows, asked: Queries | None = None) -> Self:
        """Train on ``rows`` (n, d), add them under ``ids`` and set probes and factor by measured recall."""
        faiss = import_faiss()
        cells = _cells_for(len(ids))
        index = faiss.index_factory(dimensions, f"IVF{cells},RaBitQ", faiss.METRIC_INNER_PRODUCT)
        sample = np.random.default_rng(0).permutation(len(rows))[: cells * TRAINING_ROWS_PER_CELL]
        index.train(rows[np.sort(sample)].astype(np.float32))
        built = cls(dimensions, index, ExactIndex(dimensions), probes=16, factor=20)
        built.add(ids, rows)
        built._calibrate(rows, asked)
        return built

    def __len__(self) -> int:
        return len(self._exact)

    def warm(self, room: int) -> int:
        """See VectorIndex.warm."""
        return self._exact.warm(room)

    @property
    def outgrown(self) -> bool:
        """Whether as many vectors would get twice the cells today."""
        return _cells_for(len(self)) >= 2 * int(self._index.nlist)

    def contents(self) -> tuple[Ids, Rows]:
        """See VectorIndex.contents."""
        return self._exact.contents()

    def rows(self, ids: Ids) -> tuple[Ids, Rows]:
        """See VectorIndex.rows."""
        return self._exact.rows(ids)

    def sample(self, count: int) -> Rows:
        """See VectorIndex.sample."""
        return self._exact.sample(count)

    def add(self, ids: Ids, rows: Rows) -> None:
        """See VectorIndex.add."""
        if len(ids):
            self._index.add_with_ids(rows.astype(np.float32), ids)
            self._exact.add(ids, rows)

    def remove(self, ids: Ids) -> None:
        """See VectorIndex.remove."""
        self._index.remove_ids(np.ascontiguousarray(ids))
        self._exact.remove(ids)

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """See VectorIndex.search; approximate, unless the selection is narrow."""
        selection = selection.among(self._exact.ids)
        allowed = self._allowed(selection)
        narrow = selection is not EVERYTHING and allowed <= max(EXACT_BELOW, EXACT_SHARE * len(self))
        if narrow or allowed <= k * self.factor:
            return self._exact.search(query, k, selection)
        # A filter thins every cell, so more of them are needed for as many candidates.
        probes = self.probes * (1 if selection.only is None else FILTERED_PROBES) * len(self) / allowed
        probes = min(self._index.nlist, math.ceil(probes))
        candidates = self._candidates(query, k * self.factor, selection, probes)
        return self._exact.search(query, k, Selection(only=candidates))

    def write(self, folder: Path, stem: str) -> list[str]:
        """See VectorIndex.write; the exact index's files follow FAISS's."""
        name = f"{stem}.p{self.probes}.f{self.factor}.faiss"
        import_faiss().write_index(self._index, str(folder / name))
        return [name, *self._exact.write(folder, stem)]

    @classmethod
    def read(cls, folder: Path, files: list[str], dimensions: int) -> Self:
        """See VectorIndex.read."""
        probes, factor = (int(part[1:]) for part in files[0].split(".")[-3:-1])
        index = _read_index(folder / files[0], dimensions)
        exact = ExactIndex.read(folder, files[1:], dimensions)
        if index.ntotal != len(exact):
            raise ValueError(f"{files[0]}: {index.ntotal} codes for {len(exact)} vectors")
        return cls(dimensions, index, exact, probes, factor)

    def _allowed(self, selection: Selection) -> int:
        if selection.only is not None:
            return len(selection.only)
        return len(self) - (0 if selection.without is None else len(selection.without))

    def _candidates(self, query: Queries, count: int, selection: Selection, probes: int) -> Ids:
        """Ids of the ``count`` best by estimated score in the ``probes`` nearest cells, sorted."""
        faiss = import_faiss()
        selector = _selector(faiss, selection)
        parameters = faiss.IVFSearchParameters(sel=selector, nprobe=probes)
        _, ids = self._index.search(query[None], count, params=parameters)
        return np.sort(ids[0][ids[0] >= 0])

    def _calibrate(self, rows: Rows, asked: Queries | None) -> None:
        """Take the cheapest probes and factor with which recall@10 against the exact scan is RECALL_AIM.

        For stored vectors and for queries ``asked`` apart: those of another modality lie far from all rows,
        whose scores are then so close together that more candidates are needed to hold the best.
        """
        sample = np.random.default_rng(1).permutation(len(rows))[:CALIBRATION_QUERIES]
        kinds = [rows[np.sort(sample)].astype(np.float32), *([] if asked is None else [asked])]
        truths = [[self._exact.search(query, CALIBRATION_K).ids for query in queries] for queries in kinds]
        for factor, probes in sorted(product(FACTORS, PROBES), key=_cost):
            self.factor, self.probes = factor, probes
            if min(map(self._recall, kinds, truths)) >= RECALL_AIM:
                return

    def _recall(self, queries: Queries, truth: list[Ids]) -> float:
        """Which part of ``truth``, the exact answers, the candidates hold at today's settings."""
        count = CALIBRATION_K * self.factor
        held = [
            np.isin(ids, self._candidates(query, count, EVERYTHING, self.probes)).mean()
            for query, ids in zip(queries, truth, strict=True)
        ]
        return float(np.mean(held))


def _cost(settings: tuple[int, int]) -> int:
    """How long a search takes, measured: a candidate to re-score about as long as two cells to probe."""
    factor, probes = settings
    return 2 * factor + probes


def _cells_for(count: int) -> int:
    """How many cells for ``count`` vectors: 4 sqrt(n), and 39 vectors a cell as k-means asks for."""
    return max(1, min(int(CELLS_PER_SQRT * math.sqrt(count)), count // 39))


def _selector(faiss: ModuleType, selection: Selection) -> Any:
    """FAISS's form of a selection; None where everything is allowed."""
    if selection.only is not None:
        return _members(faiss, selection.only)
    if selection.without is not None and len(selection.without):
        return faiss.IDSelectorNot(_members(faiss, selection.without))
    return None


def _members(faiss: ModuleType, ids: Ids) -> Any:
    """A selector of sorted ``ids``: a bit for every id up to the last, unless they are few and far between.

    Bits are ten times as quick to set as FAISS's hash table is to fill; a vector is looked up alike in both.
    """
    last = int(ids[-1]) if len(ids) else 0
    if last > BITS_PER_ID * len(ids) + BITS_ANYWAY:
        return faiss.IDSelectorBatch(np.ascontiguousarray(ids))
    bits = np.zeros(last + 1, dtype=bool)
    bits[ids] = True
    return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))


def _read_index(path: Path, dimensions: int) -> Any:
    """A FAISS file whose checksum is already known to be right; ValueError if it does not fit."""
    try:
        index = import_faiss().read_index(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path.name}: {error}") from error
    if index.d != dimensions:
        raise ValueError(f"{path.name}: vectors of {index.d} numbers where {dimensions} are meant")
    return index
