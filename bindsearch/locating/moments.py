"""When in a film or a recording a query is: a curve of scores over time, and its peaks.

The curve has one value for every cell of time between two bounds of windows: the mean score of the windows
that cover it, nearer middles counting more; where none does, as in silence, it has none. A peak is a value
that stands out of the whole curve (standing.py); its moment reaches on both sides as far as the curve stays
above half of the peak's height over the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.locating.standing import Usual
from bindsearch.modality import Modality

LEVEL = 1.5  # spreads; lower than for places, since there are fewer windows to stand out by chance
SHARE = 0.6  # of the best peak's standing that a further one has to reach
_HALF = 0.5
_CLOSE = 1e-6  # seconds

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Scores over time.

    ``values`` (n,) lie between ``bounds`` (n + 1,), in seconds; they are NaN where nothing was scored.
    """

    modality: Modality
    bounds: Values
    values: Values

    @classmethod
    def of(cls, modality: Modality, windows: Sequence[tuple[float, float]], scores: Sequence[float]) -> Curve:
        """The curve of one or more ``windows``, start and end in seconds, with their ``scores``."""
        spans = np.array(windows, np.float64)
        bounds = np.unique(spans.round(3))
        bounds = bounds[np.append(True, np.diff(bounds) > _CLOSE)]
        if len(bounds) == 1:
            bounds = np.array([bounds[0], bounds[0] + 1e-3])
        middles = (bounds[:-1] + bounds[1:]) / 2
        sums, weights = np.zeros(len(middles)), np.zeros(len(middles))
        for (start, end), score in zip(spans, scores, strict=True):
            first, behind = np.searchsorted(middles, [start - 1e-3, end + 1e-3])
            reach = max(end - start, 1e-3) / 2
            near = 1.1 - np.abs(middles[first:behind] - (start + end) / 2) / reach
            sums[first:behind] += np.maximum(near, 0.05) * score
            weights[first:behind] += np.maximum(near, 0.05)
        values = np.where(weights > 0, sums / np.maximum(weights, 1e-12), np.nan)
        return cls(modality, bounds, values)

    def with_part(self, part: Curve) -> Curve:
        """This curve with ``part``, which was looked at more closely, in its place."""
        low, high = part.bounds[0], part.bounds[-1]
        before, behind = self.bounds[:-1] < low - _CLOSE, self.bounds[1:] > high + _CLOSE
        bounds = np.concatenate([self.bounds[:-1][before], part.bounds, self.bounds[1:][behind]])
        values = [self.values[before], part.values, self.values[behind]]
        return Curve(self.modality, bounds, np.concatenate(values))


@dataclass(frozen=True, slots=True)
class Span:
    """A moment: seconds from ``start`` to ``end``, its best at ``peak``, where the curve has ``score``."""

    modality: Modality
    start: float
    end: float
    peak: float
    score: float
    standing: float


def find_spans(curve: Curve, usual: Usual, level: float, most: int) -> list[Span]:
    """At most ``most`` moments when ``curve`` stands out of ``usual`` by ``level`` or more, best first."""
    standing = usual.standing(curve.values)
    open_ = np.isfinite(standing)
    found: list[Span] = []
    while open_.any() and len(found) < most:
        peak = int(np.where(open_, standing, -np.inf).argmax())
        best = found[0].standing if found else 0.0
        if standing[peak] < max(level, SHARE * best):
            break
        first, behind = _hill(standing, open_, peak)
        open_[first:behind] = False
        middle = float(curve.bounds[peak : peak + 2].mean())
        times = float(curve.bounds[first]), float(curve.bounds[behind]), middle
        found.append(Span(curve.modality, *times, float(curve.values[peak]), float(standing[peak])))
    return found


def _hill(standing: Values, free: NDArray[np.bool_], peak: int) -> tuple[int, int]:
    """The first and the behind-the-last cell around ``peak`` that stay above half of its height."""
    above = free & (np.nan_to_num(standing, nan=-np.inf) >= _HALF * standing[peak])
    first, behind = peak, peak + 1
    while first > 0 and above[first - 1]:
        first -= 1
    while behind < len(above) and above[behind]:
        behind += 1
    return first, behind
