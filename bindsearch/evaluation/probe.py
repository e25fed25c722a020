"""A linear probe: multinomial logistic regression on vectors, the same figures from the same numbers.

What is least is the mean cross-entropy plus ``strength`` / 2 times the squared weights; the intercepts are
free. The sum is convex, so where the search starts does not matter; it is searched by L-BFGS (J. Nocedal,
*Updating Quasi-Newton Matrices with Limited Storage*, Mathematics of Computation 35, 1980). Vectors are
moved to mean zero and scaled to a mean square of one together, so that one strength fits every space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Vectors

Numbers = NDArray[np.float64]
Classes = NDArray[np.int64]
Objective = Callable[[Numbers], tuple[float, Numbers]]

FEW_STRENGTH = 1e-3  # too few examples to choose by
STRENGTHS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
HELD_OUT = 5  # one in so many examples of a class chooses the strength
STEPS = 300
STILL = 1e-5  # the largest slope at which the search ends
MEMORY = 10
SUFFICIENT = 1e-4  # of the descent that the slope promises (Armijo's condition)


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted probe: ``weights`` is (dimensions, classes), ``offsets`` (classes,)."""

    centre: Numbers
    scale: float
    weights: Numbers
    offsets: Numbers

    def scores(self, vectors: Vectors) -> Numbers:
        """The logits of ``vectors``, (n, classes); the largest of a row is the class that is guessed."""
        return ((vectors - self.centre) / self.scale) @ self.weights + self.offsets


def fit(vectors: Vectors, truth: Classes, classes: int, strength: float = FEW_STRENGTH) -> Probe:
    """The probe of ``vectors`` (n, dimensions), whose classes are ``truth`` (n,), counted from 0."""
    centre = vectors.mean(axis=0, dtype=np.float64)
    scale = float(np.sqrt(np.mean(np.sum((vectors - centre) ** 2, axis=1)))) or 1.0
    features = np.hstack([(vectors - centre) / scale, np.ones((len(vectors), 1))])
    shape = (features.shape[1], classes)
    found = minimise(_objective(features, truth, classes, strength), np.zeros(shape[0] * shape[1]))
    table = found.reshape(shape)
    return Probe(centre, scale, table[:-1], table[-1])


def choose_strength(vectors: Vectors, truth: Classes, classes: int, rng: np.random.Generator) -> float:
    """The strength of STRENGTHS that names most of a held-out fifth; of equals the strongest.

    Classes of fewer than five examples are not held out; without any other, it is FEW_STRENGTH.
    """
    held = held_out(truth, rng)
    if not held.any():
        return FEW_STRENGTH
    right = []
    for strength in STRENGTHS:
        scores = fit(vectors[~held], truth[~held], classes, strength).scores(vectors[held])
        right.append(int((scores.argmax(axis=1) == truth[held]).sum()))
    return STRENGTHS[int(np.argmax(right))]


def held_out(truth: Classes, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A fifth of each class, rounded down: (n,)."""
    held = np.zeros(len(truth), np.bool_)
    for own in np.unique(truth):
        members = rng.permutation(np.flatnonzero(truth == own))
        held[members[: len(members) // HELD_OUT]] = True
    return held


def minimise(objective: Objective, start: Numbers) -> Numbers:
    """Where ``objective`` is least, for a smooth convex one that gives its value and slope at a point."""
    point, (value, slope) = start, objective(start)
    moves: list[tuple[Numbers, Numbers]] = []
    for _ in range(STEPS):
        if np.abs(slope).max(initial=0.0) <= STILL:
            break
        way = _direction(slope, moves)
        step = 1.0 if moves else min(1.0, 1.0 / float(np.abs(slope).sum()))
        promised = float(way @ slope)
        ahead, (next_value, next_slope) = point + step * way, objective(point + step * way)
        while next_value > value + SUFFICIENT * step * promised and step > 1e-12:
            step /= 2
            ahead, (next_value, next_slope) = point + step * way, objective(point + step * way)
        if next_value >= value:
            break
        if float((ahead - point) @ (next_slope - slope)) > 1e-14:
            moves = [*moves, (ahead - point, next_slope - slope)][-MEMORY:]
        point, value, slope = ahead, next_value, next_slope
    return point


def _direction(slope: Numbers, moves: list[tuple[Numbers, Numbers]]) -> Numbers:
    """The two loops of L-BFGS: downhill, bent by the curvature that the last moves have shown."""
    way, shares = -slope, []
    for moved, turned in reversed(moves):
        share = float(moved @ way) / float(moved @ turned)
        way = way - share * turned
        shares.append(share)
    if moves:
        moved, turned = moves[-1]
        way = way * (float(moved @ turned) / float(turned @ turned))
    for (moved, turned), share in zip(moves, reversed(shares), strict=True):
        way = way + (share - float(turned @ way) / float(moved @ turned)) * moved
    return way


def _objective(features: Numbers, truth: Classes, classes: int, strength: float) -> Objective:
    """The penalised mean cross-entropy of a flat table (dimensions + 1, classes), and its slope."""
    right = np.zeros((len(truth), classes))
    right[np.arange(len(truth)), truth] = 1.0

    def value_and_slope(flat: Numbers) -> tuple[float, Numbers]:
        table = flat.reshape(features.shape[1], classes)
        logits = features @ table
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        totals = odds.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(totals[:, 0]) - (logits * right).sum(axis=1)))
        penalised = table.copy()
        penalised[-1] = 0.0
        slope = features.T @ (odds / totals - right) / len(truth) + strength * penalised
        return loss + strength / 2 * float((penalised**2).sum()), slope.ravel()

    return value_and_slope
