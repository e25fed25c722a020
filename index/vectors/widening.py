"""Widening float16 rows to float32, exactly, several times as fast as NumPy's own conversion.

NumPy converts halves one at a time on processors for which its wheels are not compiled. Moving the bits of a
half to their places in a single leaves it too small by 2**112, whatever it is, subnormal or not (the bias of
the exponent is 15 in one and 127 in the other), so that four simple passes over the numbers do, which NumPy
runs on whole vectors. Infinities and NaN, which no unit vector holds, become finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Rows that are widened at a time: 1024 x 384 x 4 bytes = 1.5 MB, which stays in the processor's cache.
CHUNK_ROWS = 1_024

_MOVED = 13  # from the 10 bits of a half's fraction to the 23 of a single's
_KEPT = np.int32(-0x70000001)  # all bits but those that a negative number was filled up with
_SCALE = np.float32(2.0**112)


def widened(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """``rows`` (n, d) as float32."""
    out = np.empty(rows.shape, np.float32)
    for first in range(0, len(rows), CHUNK_ROWS):
        part = slice(first, first + CHUNK_ROWS)
        _widen(rows[part], out[part])
    return out


def products(rows: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products (n,) of ``rows`` (n, d) with ``query`` (d,), in float32."""
    scores = np.empty(len(rows), np.float32)
    space = np.empty((min(len(rows), CHUNK_ROWS), rows.shape[1]), np.float32)
    for first in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[first : first + CHUNK_ROWS]
        wide = space[: len(chunk)]
        _widen(chunk, wide)
        np.matmul(wide, query, out=scores[first : first + CHUNK_ROWS])
    return scores


def _widen(rows: NDArray[np.float16], out: NDArray[np.float32]) -> None:
    bits = out.view(np.int32)
    np.copyto(bits, rows.view(np.int16))
    np.left_shift(bits, _MOVED, out=bits)
    np.bitwise_and(bits, _KEPT, out=bits)
    np.multiply(out, _SCALE, out=out)
