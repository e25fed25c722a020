"""Classifying by a few examples of each class, among much that belongs to none of them.

What separates a class from all else is learnt from the examples' mean and from how the other items of the
library lie: the direction inv(S) (m - b), where m is the mean of a class, b that of the others and S their
covariance, drawn towards a multiple of the unit matrix. This is linear discriminant analysis with one
background for all classes (B. Hariharan, J. Malik and D. Ramanan, *Discriminative Decorrelation for
Clustering and Classification*, 2012). A score is how many standard deviations of the background an item
stands out in that direction; a softmax over the classes and a fixed level, which stands for "none of
these", makes probabilities of it.

A library may hold much of what there are examples of, so items that lie near an example's class are not
counted among the background. Where too little is left of it, items are judged by their cosines to the
classes' means. The numbers were found by ``benchmarks/tagging.py``, where a linear
probe without a background stands beside it for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.classifying.probabilities import Calibration, Numbers, probabilities
from bindsearch.encoders import Vectors

Classes = NDArray[np.int64]

LIKE_A_CLASS = 0.6  # the cosine to a class's mean from which an item is no background
LEAST_BACKGROUND = 30
SHRINKAGE = 4.0  # times the mean variance, added to every variance
STANDING_OUT = Calibration(0.88, 5.7)  # of standard deviations
ALIKE = Calibration(12.9, 0.485)  # of cosines about the middle
ALONE = Calibration(14.0, 0.57)  # of cosines as they are


@dataclass(frozen=True, slots=True, eq=False)
class Recogniser:
    """What was learnt: scores are ((vectors - ``centre``) @ ``weights``), cosines where ``background`` is 0.

    ``weights`` is (d, classes). ``background`` is how many items the classes were told from.
    """

    centre: Numbers
    weights: Numbers
    background: int
    calibration: Calibration

    def scores(self, vectors: Vectors) -> Numbers:
        """How far items (n, d) stand out towards each class: (n, classes)."""
        moved = np.asarray(vectors, np.float64) - self.centre
        return (moved if self.background else _unit(moved)) @ self.weights

    def probabilities(self, vectors: Vectors) -> Numbers:
        """The probability of each class and, last, of none: (n, classes + 1)."""
        return probabilities(self.scores(vectors), self.calibration)


def learn(vectors: Vectors, truth: Classes, classes: int, others: Vectors) -> Recogniser:
    """Learn from ``vectors`` (n, d) of the classes ``truth`` (n,), counted from 0, each with one or more.

    ``others`` (m, d), which may be none, are unlabelled items of the library, examples among them or not.
    """
    means = np.stack([vectors[truth == own].mean(axis=0, dtype=np.float64) for own in range(classes)])
    plain = _unit(means).T
    if len(others) < LEAST_BACKGROUND:
        return Recogniser(np.zeros(len(plain)), plain, 0, ALONE)
    centre = _middle(others, others @ plain)
    towards = _unit(means - centre).T
    alike = _unit(others - centre) @ towards
    background = np.asarray(others[alike.max(axis=1) < LIKE_A_CLASS], np.float64)
    if len(background) < LEAST_BACKGROUND:
        return Recogniser(centre, towards, 0, ALIKE)
    middle = background.mean(axis=0)
    covariance = np.cov(background.T, bias=True)
    more = max(SHRINKAGE * float(np.trace(covariance)) / len(covariance), 1e-9)  # 0 for copies of one item
    drawn = covariance + more * np.eye(len(covariance))
    weights = np.linalg.solve(drawn, (means - middle).T)
    spread = np.sqrt(np.einsum("dk,de,ek->k", weights, covariance, weights))
    return Recogniser(middle, weights / np.maximum(spread, 1e-6), len(background), STANDING_OUT)


def _middle(others: Vectors, alike: Numbers) -> Numbers:
    """The mean of that half of ``others`` which is least like any class.

    That of all would lie amid a class of which the library is full.
    """
    order = np.argsort(alike.max(axis=1), kind="stable")
    middle: Numbers = others[order[: (len(others) + 1) // 2]].mean(axis=0, dtype=np.float64)
    return middle


def _unit(vectors: Numbers) -> Numbers:
    unit: Numbers = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
