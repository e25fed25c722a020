"""Boxes in a picture, and which of several that overlap is kept.

Two boxes are taken for the same thing when they share more than OVERLAP of the smaller one's area. That
measure, unlike the share of their union, also tells a part from its whole, so that neither a dog's head nor
the lawn around it is reported beside the dog: whichever of them ranks higher stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERLAP = 0.3

Boxes = NDArray[np.float64]
"""Boxes (n, 4): x, y, width, height, in pixels from the left and the top."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels: columns x to x + width, the last not included, and rows likewise."""

    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, x and y."""
        return self.x + self.width / 2, self.y + self.height / 2


def whole(box: Sequence[float] | Boxes, scale: tuple[float, float], size: tuple[int, int]) -> Box:
    """A box (4,) times ``scale`` (across, down), on whole pixels of a picture of ``size`` (width, height)."""
    left, right = _edges(box[0] * scale[0], box[2] * scale[0], size[0])
    top, bottom = _edges(box[1] * scale[1], box[3] * scale[1], size[1])
    return Box(left, top, right - left, bottom - top)


def _edges(start: float, length: float, size: int) -> tuple[int, int]:
    first = min(max(0, round(start)), size - 1)
    return first, min(max(first + 1, round(start + length)), size)


def shared(box: Boxes, boxes: Boxes) -> NDArray[np.float64]:
    """How much of the smaller area a box (4,) shares with each of ``boxes`` (n, 4): (n,), 0 to 1."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    common = np.prod(np.maximum(0.0, high - low), axis=1)
    smaller = np.minimum(np.prod(box[2:]), np.prod(boxes[:, 2:], axis=1))
    return np.asarray(common / np.maximum(smaller, 1e-12))


def suppress(boxes: Boxes, ranks: NDArray[np.floating], most: int, overlap: float = OVERLAP) -> list[int]:
    """The numbers of at most ``most`` of ``boxes``, highest rank first, no two of them the same thing."""
    kept: list[int] = []
    for number in np.argsort(-ranks, kind="stable"):
        if len(kept) == most:
            break
        if not kept or shared(boxes[number], boxes[kept]).max() <= overlap:
            kept.append(int(number))
    return kept
