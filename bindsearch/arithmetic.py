"""Arithmetic of unit vectors: how the terms of a query become one vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import QueryError

# Below this length, relative to the sum of the weights, what is left is mostly rounding of the vectors.
CANCELLED = 1e-4


def combine(vectors: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """The weighted sum of unit vectors, made unit length again: (terms, d) and (terms,) to (d,) float32.

    Raises QueryError when the terms cancel out, so that no direction is left to search in.
    """
    factors = np.asarray(weights, dtype=np.float64)
    factors = factors / np.abs(factors).max()  # huge and tiny weights stay within range
    total = factors @ vectors.astype(np.float64)
    length = float(np.linalg.norm(total))
    if not length > CANCELLED * float(np.abs(factors).sum()):
        raise QueryError("the terms cancel each other out", hint="change a weight, or take a term away")
    unit: NDArray[np.float32] = (total / length).astype(np.float32)
    return unit
