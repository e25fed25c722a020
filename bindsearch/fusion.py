"""Fusion: one ranking out of what is meant (vectors) and what is written (words).

Both are told in *nats of surprise*: minus the natural logarithm of the chance that an item which has nothing
to do with the query does as well. A vector's standing (standard deviations above its background) has the
normal distribution's tail; the words found have the chance that so many, as rare as these, meet by accident.
The surprises of an item add up, as logarithms of independent chances do, and the sum is turned back into
standard deviations. So a name that one file of thousands bears outweighs any likeness.

Names, folders, titles and tags are nothing that a vector knows of, and count in full. A text's vector knows
what the text says, but for rare words, which encoders hardly know: of a text's words only the rarest counts,
as far as fewer than one text in twenty holds it. Without that, notes would come before every photo of what
they speak of.

``reciprocal_ranks`` and ``convex`` are the usual ways, kept for comparison (benchmarks/words.py): Cormack,
Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR 2009; Bruch, Gai and Ingber, "An analysis of fusion functions for hybrid retrieval", TOIS 2023. All
functions are pure; greater scores are better; where scores are equal, keys decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", int, str)

RRF_K = 60  # as in the paper
NAMED_SHARE = 1.25
"""How much a nat of names, folders, titles and tags counts against one of meaning (benchmarks/words.py)."""

WRITTEN_SHARE = 1.5
"""The same for the rarest word of a text, of what it has beyond ``KNOWN``."""

KNOWN = 3.0
"""Nats of a word that one text in twenty holds."""

_NORMAL = NormalDist()
_STEP = 0.05  # nats; the grid on which sums of surprises are counted
_FAR = 37.0  # standard deviations from which the tail's logarithm is taken from its asymptote
_FARTHEST = 650.0  # nats: chances below e**-650 are too near to what a float can hold


def surprise(standing: float) -> float:
    """Nats of a standing in standard deviations: 0.69 at 0, 3.8 at 2, near 0 far below."""
    if standing > _FAR:
        return standing * standing / 2 + math.log(standing * math.sqrt(2 * math.pi))
    return -math.log(0.5 * math.erfc(standing / math.sqrt(2)))


def standing_of(nats: float) -> float:
    """The standing, in standard deviations, that has this surprise; the inverse of ``surprise``."""
    if nats > _FARTHEST:
        return math.sqrt(2 * nats - math.log(4 * math.pi * nats))
    return -_NORMAL.inv_cdf(min(max(math.exp(-nats), 1e-300), 1 - 1e-16))


def surprise_of_words(found: Sequence[bool], chances: Sequence[float], weights: Sequence[float]) -> float:
    """Nats of finding some of a query's words in an item.

    ``chances`` are those of each word to be in any item, ``weights`` what each counts. It is minus the
    logarithm of the chance that words of as much weighted surprise are found where all are strewn at random,
    counted exactly but for a grid of 0.05 nats.
    """
    rarity = [-math.log(chance) * weight for chance, weight in zip(chances, weights, strict=True)]
    bins = [round(nats / _STEP) for nats in rarity]
    aim = sum(bin_ for bin_, there in zip(bins, found, strict=True) if there)
    if aim == 0:
        return 0.0
    spread = np.zeros(sum(bins) + 1)
    spread[0] = 1.0
    for bin_, chance in zip(bins, chances, strict=True):
        moved = np.zeros_like(spread)
        moved[bin_:] = spread[: len(spread) - bin_]
        spread = (1 - chance) * spread + chance * moved
    return -math.log(max(float(spread[aim:].sum()), 1e-300))


def evidence_of_words(named: float, rarest: float) -> float:
    """Nats that words add to meaning: ``named`` of a file's words, ``rarest`` of its text's rarest."""
    return NAMED_SHARE * named + WRITTEN_SHARE * max(rarest - KNOWN, 0.0)


def fused_standing(meaning: float | None, evidence: float) -> float:
    """The standing of an item by its vector's standing and the evidence of its words in nats.

    An item without a vector (None) is taken for one that is as like the query as most. Without evidence it is
    the vector's own standing, exactly.
    """
    standing = 0.0 if meaning is None else meaning
    return standing if evidence <= 0 else standing_of(surprise(standing) + evidence)


def fused_standings(
    meaning: NDArray[np.float32] | NDArray[np.float64], evidence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``fused_standing`` of many (n,), to the last bit.

    NumPy's own logarithms may differ from ``math``'s in that bit, and it knows no ``erfc``; called through
    ``map``, those of ``math`` take a fraction of a microsecond each.
    """
    fused = meaning.astype(np.float64)
    told = np.flatnonzero(evidence > 0)
    if not len(told):
        return fused
    usual, nats = fused[told], evidence[told]
    tails = 0.5 * _each(math.erfc, np.minimum(usual, _FAR) / math.sqrt(2))
    total = nats - _each(math.log, tails)
    chances = _each(math.exp, -np.minimum(total, _FARTHEST))
    told_standings = -_each(_NORMAL.inv_cdf, np.minimum(np.maximum(chances, 1e-300), 1 - 1e-16))
    for place in np.flatnonzero((usual > _FAR) | (total > _FARTHEST)).tolist():
        told_standings[place] = fused_standing(float(usual[place]), float(nats[place]))
    fused[told] = told_standings
    return fused


def _each(function: Callable[[float], float], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def fuse(meaning: Mapping[K, float], evidence: Mapping[K, float]) -> list[tuple[K, float]]:
    """Every item with its fused standing, best first."""
    keys = meaning.keys() | evidence.keys()
    return _ranked({key: fused_standing(meaning.get(key), evidence.get(key, 0.0)) for key in keys})


def reciprocal_ranks(*rankings: Sequence[K], k: int = RRF_K) -> list[tuple[K, float]]:
    """Items by the sum of 1 / (k + rank) over the rankings they are in, ranks from 1, best first."""
    scores: dict[K, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (k + rank)
    return _ranked(scores)


def convex(meaning: Mapping[K, float], words: Mapping[K, float], share: float) -> list[tuple[K, float]]:
    """Items by ``(1 - share) * meaning + share * words``, each brought to 0 ... 1 over what is there."""
    near, said = _unit_range(meaning), _unit_range({**dict.fromkeys(meaning, 0.0), **words})
    keys = meaning.keys() | words.keys()
    return _ranked({key: (1 - share) * near.get(key, 0.0) + share * said.get(key, 0.0) for key in keys})


def _unit_range(scores: Mapping[K, float]) -> dict[K, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    return {key: (score - low) / (high - low) if high > low else 1.0 for key, score in scores.items()}


def _ranked(scores: Mapping[K, float]) -> list[tuple[K, float]]:
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
