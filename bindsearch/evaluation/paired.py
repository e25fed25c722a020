"""Is one way better than another? Both are tried on the same queries, and the differences are looked at.

The interval is a percentile bootstrap (B. Efron, *Bootstrap Methods*, Annals of Statistics 7, 1979) over
clusters: queries that share what they look for are drawn together, or many of a kind would pass for many
witnesses. The sign test counts, of the clusters that differ at all, those in which the first way is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
COVERED = 95.0  # per cent of the draws that lie in the interval


@dataclass(frozen=True, slots=True)
class Difference:
    """First way minus second: the mean over clusters and its interval, and how the clusters are split.

    ``chance`` is the probability that a fair coin splits them as unevenly or more (two-sided).
    """

    mean: float
    low: float
    high: float
    better: int
    worse: int
    chance: float


def difference(
    first: NDArray[np.float64], second: NDArray[np.float64], clusters: Sequence[object], seed: int = 0
) -> Difference:
    """Compare two ways by their figures on the same queries, (queries,) each, of which each has a cluster."""
    means = cluster_means(first - second, clusters)
    drawn = np.random.default_rng(seed).integers(len(means), size=(DRAWS, len(means)))
    low, high = np.percentile(means[drawn].mean(axis=1), [50 - COVERED / 2, 50 + COVERED / 2])
    better, worse = int((means > 0).sum()), int((means < 0).sum())
    return Difference(float(means.mean()), float(low), float(high), better, worse, sign_test(better, worse))


def cluster_means(figures: NDArray[np.float64], clusters: Sequence[object]) -> NDArray[np.float64]:
    """The mean of ``figures`` (queries,) in each cluster, in the order in which clusters first appear."""
    places: dict[object, list[int]] = {}
    for place, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(place)
    return np.array([figures[own].mean() for own in places.values()])


def sign_test(better: int, worse: int) -> float:
    """The probability that tosses of a fair coin fall as unevenly as ``better`` to ``worse``, or more."""
    tosses, fewer = better + worse, min(better, worse)
    tail = sum(comb(tosses, heads) for heads in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**tosses))
