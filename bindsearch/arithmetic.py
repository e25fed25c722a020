"""Arithmetic of unit vectors: how the terms of a query become one vector.

A query is a tree, and the sum of every group in it is made unit length before it is weighted into the sum
above. The whole is linear in the terms once these lengths are known, so the query's vector is a sum of its
terms' vectors with one factor each, and the cosine to any vector splits into the terms' shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import QueryError
from bindsearch.query import Group, Query, walk

# Below this length, relative to the sum of the weights, what is left is mostly rounding of the vectors.
CANCELLED = 1e-4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """A tree's unit ``vector`` (d,), float32: the sum of its terms' vectors times ``factors`` (terms,)."""

    vector: NDArray[np.float32]
    factors: Floats


def combine(vectors: NDArray[np.float32], weights: Sequence[float]) -> NDArray[np.float32]:
    """The weighted sum of unit vectors, made unit length again: (terms, d) and (terms,) to (d,) float32.

    Raises QueryError when the terms cancel out, so that no direction is left to search in.
    """
    return _sum(vectors.astype(np.float64), weights)[0].astype(np.float32)


def combine_tree(query: Query, vectors: NDArray[np.float32]) -> Sum:
    """The sum of ``query``, whose terms have the unit ``vectors`` (terms, d), in the order of its leaves.

    Raises QueryError, with its position, for a group, or the whole, whose terms cancel out.
    """
    leaf = len(vectors)
    factors = np.ones(leaf)
    done: list[tuple[Floats, slice]] = []  # sums and which leaves are theirs, the first part on top
    for _, part in reversed(list(walk(query.terms))):
        if isinstance(part, Group):
            inner = [done.pop() for _ in part.parts]
            try:
                done.append(_join(inner, [one.weight for one in part.parts], factors))
            except QueryError as fault:
                fault.subject = None if query.expression is not None else part.name
                raise fault.at(part.position, query.expression) from None
        else:
            leaf -= 1
            done.append((vectors[leaf].astype(np.float64), slice(leaf, leaf + 1)))
    try:
        whole, _ = _join(done[::-1], [part.weight for part in query.terms], factors)
    except QueryError as fault:
        raise fault.at(query.terms[0].position, query.expression) from None
    return Sum(whole.astype(np.float32), factors)


def _join(
    parts: Sequence[tuple[Floats, slice]], weights: Sequence[float], factors: Floats
) -> tuple[Floats, slice]:
    """The sum of parts, whose leaves' factors are multiplied by what their part counts in it."""
    unit, counts = _sum(np.stack([vector for vector, _ in parts]), weights)
    for count, (_, leaves) in zip(counts, parts, strict=True):
        factors[leaves] *= count
    return unit, slice(parts[0][1].start, parts[-1][1].stop)


def _sum(vectors: Floats, weights: Sequence[float]) -> tuple[Floats, Floats]:
    """The sum's direction, and by how much each vector counts in it."""
    factors = np.asarray(weights, dtype=np.float64)
    factors = factors / np.abs(factors).max()  # huge and tiny weights stay within range
    total = factors @ vectors
    length = float(np.linalg.norm(total))
    if not length > CANCELLED * float(np.abs(factors).sum()):
        raise QueryError("the terms cancel each other out", hint="change a weight, or take a term away")
    return total / length, factors / length
