"""Filters inside the search: recall and latency where 0.1 %, 1 %, 10 % and 50 % of vectors are let through.

A library of 100,000 segments is made (see _catalog). Each condition is turned into a selection by the
catalog, and the index searches within it; the truth is every vector that is let through, scored. Beside it
stands what many peers do: search all, take ten times as many as are wanted, and drop what is not let through.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _catalog import DIMENSIONS, draw, make_library
from numpy.typing import NDArray

from bindsearch.conditions import parse_condition
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter, select_vectors
from bindsearch.index.vectors import Found, Selection
from bindsearch.index.vectors.exact import ExactIndex
from bindsearch.index.vectors.faiss_index import IvfIndex

QUERIES, K, OVERFETCH, SELECTIONS = 20, 10, 10, 5
CONDITIONS = {
    "0.1 %": ("tag:rare", "time:2016-05-03..2016-05-06", "type:thermal"),
    "1 %": ("tag:some", 'path:"00?*"', "near:48.137,11.575,1500m"),
    "10 %": ("tag:many", "time:2015", "path:2015"),
    "50 %": ("tag:half", "type:image", "time:6-18"),
}
Rows = NDArray[np.float32]


def main() -> None:
    """Make the library, build the indexes, print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        make_library(Path(folder), count)
        rows = draw(count, 1).astype(np.float16)
        ids = np.arange(1, count + 1, dtype=np.int64)
        indexes = [kind.build(DIMENSIONS, ids, rows) for kind in (ExactIndex, IvfIndex)]
        print(f"{count:,} vectors of {DIMENSIONS}, {QUERIES} queries, k = {K}; ms as median / 95 %")
        print(
            "| | condition | let through | selection | index | search | recall@10 | afterwards: recall@10 |"
        )
        print("|---|---|---|---|---|---|---|---|")
        catalog = Catalog.open(Path(folder))
        for level, conditions in CONDITIONS.items():
            for condition in conditions:
                report(level, condition, catalog, indexes, rows.astype(np.float32))
        catalog.close()


def report(
    level: str, condition: str, catalog: Catalog, indexes: Sequence[ExactIndex | IvfIndex], rows: Rows
) -> None:
    """The lines of one condition, one for each index."""
    wanted = Filter(where=parse_condition(condition))
    times = []
    for _ in range(SELECTIONS):
        with catalog.read() as snapshot:
            started = time.perf_counter()
            selection = select_vectors(snapshot, 1, wanted)
            times.append(1e3 * (time.perf_counter() - started))
    assert selection.only is not None
    share = len(selection.only) / len(rows)
    queries = draw(QUERIES, 3)
    allowed = rows[selection.only - 1]
    truth = [selection.only[np.argsort(-(allowed @ query), kind="stable")[:K]] for query in queries]
    for index in indexes:
        inside, taken = recall(lambda query, i=index: i.search(query, K, selection), queries, truth)  # type: ignore[misc]
        behind, _ = recall(lambda query, i=index: afterwards(i, query, selection), queries, truth)  # type: ignore[misc]
        shown = f"| {level} | `{condition}` | {100 * share:.2f} % | {spread(times)} | {index.kind} "
        print(f"{shown}| {spread(taken)} | {inside:.3f} | {behind:.3f} |", flush=True)


def recall(
    search: Callable[[Rows], Found], queries: Rows, truth: Sequence[NDArray[np.int64]]
) -> tuple[float, list[float]]:
    """Which part of ``truth``, the best of what is let through, is found, and the time of each search."""
    held, times = [], []
    for query, best in zip(queries, truth, strict=True):
        started = time.perf_counter()
        found = search(query)
        times.append(1e3 * (time.perf_counter() - started))
        held.append(len(np.intersect1d(best, found.ids)) / len(best))
    return float(np.mean(held)), times


def afterwards(index: ExactIndex | IvfIndex, query: Rows, selection: Selection) -> Found:
    """Search all, then drop what is not let through."""
    found = index.search(query, OVERFETCH * K)
    kept = selection.allows(found.ids)
    return Found(found.ids[kept][:K], found.scores[kept][:K])


def spread(times: Sequence[float]) -> str:
    """Median and 95 %."""
    return f"{np.median(times):.1f} / {np.quantile(times, 0.95):.1f}"


if __name__ == "__main__":
    main()
