"""Ranking across modalities: how far an item stands out for a query.

Cosines of different pairs of modalities do not live on one scale: words are closer to notes than to the
photo that they describe, and some items are near to whatever is asked. So a mixed list is not ranked by the
cosine but by the *standing*, in which three things are taken off it:

* what any query of its kind would score: the mean of reference queries in words (references.py) is taken off
  a term in words, which is the linear part of what QB-Norm does against hubs (Bogolin et al., CVPR 2022);
* what this query scores on the whole in that modality, its background. The fewer items there are, the less
  their mean is believed, and never further than typical queries go: in a library of nothing but dogs, a dog
  still stands out;
* the spread: by how much such a query's cosine to that modality varies anyway. The measure is the geometric
  mean of that and the same over all modalities, since the pairs that vary little are also those that are
  known least.

So a standing of 4 says: closer than queries of this kind usually are to items of that modality, by four
spreads. It needs no figures of the space and no labels, only samples of the library's own vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from bindsearch.modality import Modality

Rows = NDArray[np.float32]
Vector = NDArray[np.float32]
Scores = NDArray[np.float32] | NDArray[np.float64]

SAMPLE = 400  # items of a modality, by which its background is known
REFERENCES = 64  # typical queries of a kind
FEW = 16  # fewer items than this are no picture of what typical queries are
BELIEVED = 50  # so many items weigh as much as the belief that a query is a typical one

THE_SAME = 0.9995  # from this cosine on an item is the query itself
UNKNOWN_SPREAD = 0.08  # where there is nothing to tell it from


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One term of a query: of which ``kind``, by what ``factor`` its unit ``vector`` (d,) counts."""

    kind: Modality
    factor: float
    vector: Vector


@dataclass(frozen=True, slots=True)
class Usual:
    """What typical queries of a kind score with items of a modality, the mean of references taken off.

    ``mean`` over both, ``drift`` the standard deviation of a query's mean, ``spread`` of its single scores.
    """

    mean: float
    drift: float
    spread: float


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """One query's scale in every modality.

    ``vector`` (d,), of unit length, is what to search with: an inner product with it, times ``length``, is
    the cosine to the query with the references' mean taken off. ``levels`` are mean and spread of that.
    """

    vector: Vector
    length: float
    levels: Mapping[Modality, tuple[float, float]]

    def standings(self, modality: Modality, scores: Rows) -> Rows:
        """How far items of ``modality`` stand out, from their inner products (n,) with ``vector``."""
        mean, spread = self.levels[modality]
        return ((self.length * scores - mean) / spread).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Backgrounds:
    """What there is to judge queries by: samples of a library's vectors in one space.

    ``samples`` are up to SAMPLE unit vectors (n, d) of each modality, ``more`` other ones that stand for
    queries by a file of that modality, ``sizes`` how many items there are, ``references`` (r, d) the vectors
    of the reference queries in words, None where the space has none.
    """

    samples: Mapping[Modality, Rows]
    more: Mapping[Modality, Rows]
    sizes: Mapping[Modality, int]
    references: Rows | None = None
    _usual: dict[Modality, dict[Modality, Usual]] = field(default_factory=dict)
    _means: dict[Modality, NDArray[np.float64]] = field(default_factory=dict)

    def judge(self, parts: Sequence[Part]) -> Judge:
        """The scale of the query that is the sum of ``parts``."""
        centred = self._centred(parts)
        length = float(np.linalg.norm(centred))
        usual = {modality: self._usual_of(parts, modality) for modality in self.samples}
        overall = _rms([one.spread for one in usual.values()])
        levels = {
            modality: (
                self._background(modality, centred, own),
                math.sqrt(max(own.spread * overall, 1e-12)),
            )
            for modality, own in usual.items()
        }
        return Judge((centred / max(length, 1e-12)).astype(np.float32), length, levels)

    def _centred(self, parts: Sequence[Part]) -> NDArray[np.float64]:
        terms = (part.factor * (part.vector.astype(np.float64) - self._centre(part.kind)) for part in parts)
        return reduce(np.add, terms)

    def _centre(self, kind: Modality) -> NDArray[np.float64] | float:
        """The mean of the references: words alone have a list, which no library's content bends."""
        if kind is not Modality.TEXT or self.references is None:
            return 0.0
        mean: NDArray[np.float64] = self.references.mean(axis=0, dtype=np.float64)
        return mean

    def _background(self, modality: Modality, centred: NDArray[np.float64], usual: Usual) -> float:
        """The mean over the items of ``modality``, as far as it is believed."""
        away = float(self._mean(modality) @ centred) - usual.mean
        size = self.sizes[modality]
        return usual.mean + max(-usual.drift, min(usual.drift, away)) * size / (size + BELIEVED)

    def _mean(self, modality: Modality) -> NDArray[np.float64]:
        """The mean of the sample, whose score is the mean of the sample's; reckoned once."""
        if modality not in self._means:
            self._means[modality] = self.samples[modality].mean(axis=0, dtype=np.float64)
        return self._means[modality]

    def _usual_of(self, parts: Sequence[Part], modality: Modality) -> Usual:
        """What is usual for a sum: its terms are taken as independent, so that their variances add up."""
        length = math.hypot(*(part.factor for part in parts))
        own = [(part.factor, self._typical(part.kind)[modality]) for part in parts]
        return Usual(
            sum(factor * one.mean for factor, one in own),
            math.hypot(*(factor * one.drift for factor, one in own)) / length,
            math.hypot(*(factor * one.spread for factor, one in own)) / length,
        )

    def _typical(self, kind: Modality) -> Mapping[Modality, Usual]:
        """What typical queries of ``kind`` score with items of each modality; reckoned once."""
        if kind not in self._usual:
            queries = (self._queries(kind) - self._centre(kind)).astype(np.float32)
            self._usual[kind] = {name: _usual(rows @ queries.T) for name, rows in self.samples.items()}
        return self._usual[kind]

    def _queries(self, kind: Modality) -> Rows:
        """Typical queries of ``kind``: references in words, the library's own items, or items of any kind."""
        if kind is Modality.TEXT and self.references is not None:
            return self.references
        own = self.more.get(kind)
        if own is not None and len(own) >= FEW:
            return own[:REFERENCES]
        share = max(1, REFERENCES // max(1, len(self.more)))
        return np.concatenate([rows[:share] for rows in self.more.values()])


def spread_out(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The places of at most ``count`` of ``ids`` (n,): those of the smallest hash, by their hash.

    The choice depends on which ids there are and on nothing else, and one more or less changes one of it.
    """
    hashes = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing (Knuth, vol. 3, 6.4)
    if len(ids) <= count:
        return np.argsort(hashes)
    places = np.argpartition(hashes, count)[:count]
    return places[np.argsort(hashes[places])]


def _usual(scores: Scores) -> Usual:
    """From the scores (items, queries); an item that stands for a query is not held against itself."""
    others = scores <= THE_SAME
    asked = others.any(axis=0)
    if not asked.any():
        return Usual(0.0, 0.0, UNKNOWN_SPREAD)
    scores, others = scores[:, asked].astype(np.float64), others[:, asked]
    means = scores.mean(axis=0, where=others)
    return Usual(float(scores.mean(where=others)), float(means.std()), float(scores.std(where=others)))


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else 0.0
