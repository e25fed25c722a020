"""The heat of a picture: what the regions that cover a point score on average.

Kept on a grid of cells. A window counts the more the smaller it is, by its area, since it says more about
each of its points. ``contrast`` tells a tight box from a loose one: it is high where what lies inside is hot
and the ring around it, half as wide and high again, is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindsearch.locating.boxes import Boxes

MOST_CELLS = 96  # on the longer side
_RING = 0.25  # of a box's side, on each side of it

Values = NDArray[np.float64]


class Heat:
    """Sums of scores and weights on a grid over a picture of ``width`` by ``height`` pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._cell = max(width, height) / min(MOST_CELLS, max(width, height))
        self._size = width, height
        rows, columns = (max(1, round(side / self._cell)) for side in (height, width))
        self._sums = np.zeros((rows, columns))
        self._weights = np.zeros((rows, columns))

    def add(self, boxes: Boxes, scores: Values) -> None:
        """Let windows (n, 4) with their ``scores`` (n,) count."""
        left, top, right, bottom = self._edges(boxes).T
        weights = 1 / np.maximum(1.0, boxes[:, 2] * boxes[:, 3])
        for number in range(len(boxes)):
            place = np.s_[top[number] : bottom[number], left[number] : right[number]]
            self._sums[place] += weights[number] * scores[number]
            self._weights[place] += weights[number]

    @property
    def values(self) -> Values:
        """The mean score of each cell (rows, columns)."""
        return np.asarray(self._sums / np.maximum(self._weights, 1e-300))

    def contrast(self, boxes: Boxes) -> Values:
        """The mean heat inside each of ``boxes`` (n, 4) less that of the ring around it: (n,)."""
        values = self.values
        total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        inner, area = _sums(total, self._edges(boxes))
        outer, whole = _sums(total, self._edges(self._with_ring(boxes)))
        ring = np.where(whole > area, (outer - inner) / np.maximum(whole - area, 1), values.mean())
        return np.asarray(inner / area - ring)

    def _with_ring(self, boxes: Boxes) -> Boxes:
        low = np.maximum(0.0, boxes[:, :2] - _RING * boxes[:, 2:])
        high = np.minimum(self._size, boxes[:, :2] + (1 + _RING) * boxes[:, 2:])
        return np.concatenate([low, high - low], axis=1)

    def _edges(self, boxes: Boxes) -> NDArray[np.intp]:
        """The first and the behind-the-last cell across and down of each box: left, top, right, bottom."""
        rows, columns = self._sums.shape
        size = np.array([columns, rows])
        scale = size / self._size
        first = np.clip(np.rint(boxes[:, :2] * scale), 0, size - 1)
        behind = np.clip(np.rint((boxes[:, :2] + boxes[:, 2:]) * scale), first + 1, size)
        return np.concatenate([first, behind], axis=1).astype(np.intp)


def _sums(total: Values, edges: NDArray[np.intp]) -> tuple[Values, Values]:
    """The sum over each rectangle of cells, from a table of sums from the corner, and how many cells."""
    left, top, right, bottom = edges.T
    inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return inside, ((bottom - top) * (right - left)).astype(np.float64)
