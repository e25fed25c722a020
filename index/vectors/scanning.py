"""Scanning float16 rows with FAISS for the few that can be among the best, in half the time of float32.

FAISS widens halves on their way into the processor, so that only half the bytes come from memory, which is
what a scan waits for. It adds the products of a row in another order than NumPy does, and gives scores that
differ in the last digits; so it only proposes, with a margin that no such difference reaches, and whoever
asks scores what was proposed as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from bindsearch.index.vectors.blas import import_faiss
from bindsearch.index.vectors.protocol import Queries, Rows, Scores

Places = NDArray[np.int64]

# A sum of d products of unit vectors is off by at most d * 2**-24 in any order (Higham, Accuracy and
# Stability of Numerical Algorithms, 2002, section 4.2), 0.00006 for 1,024: this is several times two of them.
MARGIN = 5e-4

MORE = 32  # rows that are fetched beyond those asked for, so that the margin mostly lies within them


class Scan:
    """Rows (n, d), unit vectors, scanned for the nearest to a query. Raises BindsearchError without FAISS."""

    def __init__(self, rows: Rows) -> None:
        faiss = import_faiss()
        halves = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(rows.shape[1], halves, faiss.METRIC_INNER_PRODUCT)
        self._index.add_sa_codes(np.ascontiguousarray(rows).view(np.uint8))  # its codes are the halves

    def nearest(self, query: Queries, k: int, allowed: NDArray[np.bool_] | None = None) -> Places:
        """The places (m,), in no order, of rows that hold the ``k`` best of those that a mask (n,) allows."""
        faiss = import_faiss()
        parameters = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        total, wanted = int(self._index.ntotal), k + MORE
        while True:
            with _one_thread():
                found = self._index.search(query[None], min(wanted, total), params=parameters)
            scores: Scores = found[0][0]
            places: Places = found[1][0]
            here = places >= 0
            if wanted >= total or not here.all():
                return places[here]
            least = scores[k - 1] - MARGIN
            if scores[-1] < least:
                near: Places = places[scores >= least]
                return near
            wanted *= 2


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let FAISS do without a team of threads, which takes as long to gather as ten thousand rows to scan."""
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
