"""One query against each kind of vector index, beside FAISS's plain float32 index and its HNSW.

Vectors are a mixture of clusters on the unit sphere in 384 dimensions; the queries are new draws of it.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from bindsearch.index.vectors.blas import import_faiss
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.faiss_index import FlatIndex, IvfIndex
from bindsearch.index.vectors.protocol import Selection

DIMENSIONS = 384
QUERIES = 50


def draw(count: int, seed: int) -> np.ndarray:
    """Unit vectors (count, d) float32."""
    centres = np.random.default_rng(0).normal(size=(2000, DIMENSIONS)).astype(np.float32)
    random = np.random.default_rng(seed)
    rows = centres[random.zipf(1.3, size=count) % 2000]
    rows = rows + 0.7 * random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def main() -> None:
    """Build each, time one query at a time, compare with the exact answers."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows, queries = draw(count, 1), draw(QUERIES, 2)
    ids = np.arange(1, count + 1, dtype=np.int64)
    half = rows.astype(np.float16)
    exact = ExactIndex.build(DIMENSIONS, ids, half)
    truth = [exact.search(query, 10).ids for query in queries]
    one_percent = Selection(only=np.sort(np.random.default_rng(3).permutation(ids)[: count // 100]))
    print(f"  {count:,} vectors of {DIMENSIONS}; build s, one query ms, recall@10, ms with 1 % allowed")
    for kind in (ExactIndex, FlatIndex, IvfIndex):
        started = time.perf_counter()
        index = kind.build(DIMENSIONS, ids, half)
        built = time.perf_counter() - started
        report(kind.kind, built, lambda q, i=index: i.search(q, 10).ids, queries, truth)
        report("  1 % allowed", 0, lambda q, i=index: i.search(q, 10, one_percent).ids, queries, None)
    faiss = import_faiss()
    for name, factory in (("faiss IndexFlatIP", "Flat"), ("faiss HNSW32", "HNSW32")):
        started = time.perf_counter()
        peer = faiss.index_factory(DIMENSIONS, factory, faiss.METRIC_INNER_PRODUCT)
        peer.add(rows)
        built = time.perf_counter() - started
        report(name, built, lambda q, i=peer: i.search(q[None], 10)[1][0] + 1, queries, truth)


def report(
    name: str, built: float, search: object, queries: np.ndarray, truth: list[np.ndarray] | None
) -> None:
    """One line of the table."""
    times, held = [], []
    for n, query in enumerate(queries):
        started = time.perf_counter()
        found = search(query)  # type: ignore[operator]
        times.append((time.perf_counter() - started) * 1e3)
        if truth is not None:
            held.append(np.isin(truth[n], found).mean())
    recall = f"{np.mean(held):6.3f}" if held else ""
    print(f"  {name:<22}{built:8.1f} s {statistics.median(times):8.2f} ms  {recall}")


if __name__ == "__main__":
    main()
