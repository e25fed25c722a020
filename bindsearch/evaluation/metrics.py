"""Measures of retrieval and classification, as pure functions of similarity matrices.

A rank is 1 for the best. Ties are broken against the model: a right answer stands behind every wrong one
that is equally similar, so that a model that gives everything the same score earns nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Relevance = NDArray[np.bool_]
Ranks = NDArray[np.int64]


def ranks(similarity: Scores, relevant: Relevance) -> Ranks:
    """The rank of each query's best right answer.

    ``similarity`` and ``relevant`` are (queries, items); every query needs a right answer, or ValueError.
    Other right answers of the query do not push its best one back. Returns (queries,), counting from 1.
    """
    if similarity.shape != relevant.shape:
        raise ValueError(f"{similarity.shape} scores but {relevant.shape} right answers")
    if not relevant.any(axis=1).all():
        raise ValueError("a query has no right answer")
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    ahead = (similarity >= best) & ~relevant
    found: Ranks = ahead.sum(axis=1, dtype=np.int64) + 1
    return found


def recall_at(found: Ranks, k: int) -> float:
    """The share of queries whose right answer is among the first ``k``."""
    return float(np.mean(found <= k))


def median_rank(found: Ranks) -> float:
    """The median of the ranks."""
    return float(np.median(found))


def top_k(similarity: Scores, truth: NDArray[np.int64], k: int) -> float:
    """The share of items whose true class is among the ``k`` most similar.

    ``similarity`` is (items, classes), ``truth`` the class of each item.
    """
    relevant = np.zeros(similarity.shape, np.bool_)
    relevant[np.arange(len(truth)), truth] = True
    return recall_at(ranks(similarity, relevant), k)


def chance_at(relevant: Relevance, k: int) -> float:
    """What ``recall_at`` would be on average if the items came in random order.

    Of n items of which r are right, none is among k drawn without putting back with the probability
    (n-r)/n * (n-r-1)/(n-1) * ..., k factors (the hypergeometric distribution at zero).
    """
    items = relevant.shape[1]
    wrong = items - relevant.sum(axis=1)
    missed = np.ones(len(relevant))
    for drawn in range(min(k, items)):
        missed *= np.maximum(wrong - drawn, 0) / (items - drawn)
    return float(np.mean(1 - missed))


def mean_average_precision(similarity: Scores, relevant: Relevance) -> float:
    """The mean over queries of the average precision. Takes and raises what ``average_precisions`` does."""
    return float(np.mean(average_precisions(similarity, relevant)))


def average_precisions(similarity: Scores, relevant: Relevance) -> NDArray[np.float64]:
    """The average precision of each query: of the share of right ones down to each right one.

    ``similarity`` and ``relevant`` are (queries, items); every query needs a right answer, or ValueError.
    See C. Manning, P. Raghavan and H. Schuetze, *Introduction to Information Retrieval*, 2008, section 8.4.
    """
    if not relevant.any(axis=1).all():
        raise ValueError("a query has no right answer")
    right = _in_order(similarity, relevant)
    precision = np.cumsum(right, axis=1) / np.arange(1, right.shape[1] + 1)
    found: NDArray[np.float64] = (precision * right).sum(axis=1) / right.sum(axis=1)
    return found


def shares_found(similarity: Scores, relevant: Relevance, k: int) -> NDArray[np.float64]:
    """The share of each query's right answers that is among its first ``k``: (queries,).

    Where there are more than ``k`` of them, the share of ``k``. Every query needs a right answer, or
    ValueError.
    """
    if not relevant.any(axis=1).all():
        raise ValueError("a query has no right answer")
    found: NDArray[np.float64] = _in_order(similarity, relevant)[:, :k].sum(axis=1) / np.minimum(
        relevant.sum(axis=1), k
    )
    return found


def _in_order(similarity: Scores, relevant: Relevance) -> Relevance:
    """``relevant`` from the most similar item to the least; of equals the wrong ones come first."""
    order = np.lexsort((relevant, -similarity), axis=1)
    return np.take_along_axis(relevant, order, axis=1)


def chance_average_precision(relevant: Relevance) -> float:
    """What ``mean_average_precision`` would be on average if the items came in random order.

    Of n items of which r are right, place i holds a right one with the probability r/n, and then each of the
    i-1 places before it does with (r-1)/(n-1). The mean of the precision there, summed over the places and
    divided by r, is (H + (r-1)/(n-1) * (n-H)) / n, where H = 1 + 1/2 + ... + 1/n.
    """
    items = relevant.shape[1]
    right = relevant.sum(axis=1)
    harmonic = float((1 / np.arange(1, items + 1)).sum())
    others = (right - 1) / max(1, items - 1)
    return float(np.mean((harmonic + others * (items - harmonic)) / items))
