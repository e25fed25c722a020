"""How far a score stands out of many: in spreads above their median.

The spread is the median distance from the median, as large as a normal distribution's standard deviation,
plus 2 / sqrt(d), two standard deviations of cosines to random directions in d dimensions. So where
all regions of a picture, or all moments of a film, score alike, a difference that is next to nothing does not
stand out. The median takes what is looked for to fill less than half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHANCE = 2.0
_NORMAL = 1.4826  # a normal distribution's standard deviation over its median distance


@dataclass(frozen=True, slots=True)
class Usual:
    """What scores usually are: their ``median``, and the ``spread`` around it."""

    median: float
    spread: float

    @classmethod
    def of(cls, scores: NDArray[np.floating], dimensions: int) -> Usual:
        """That of cosines (n,) in a space of so many dimensions; n is not 0."""
        median = float(np.median(scores))
        distance = float(np.median(np.abs(scores - median)))
        return cls(median, _NORMAL * distance + _CHANCE * dimensions**-0.5)

    def standing(self, scores: ArrayLike) -> NDArray[np.float64]:
        """How many spreads above the median ``scores`` are, in their shape."""
        return np.asarray((np.asarray(scores, np.float64) - self.median) / self.spread)
