"""Regions of a picture: the windows that are looked at, and their pixels.

Windows are measured by the square root of the picture's area, so that a panorama has about as many as a
square has; one that would be wider or higher than the picture is cut to it. The whole picture is the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.locating.boxes import Boxes
from bindsearch.media import Picture, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SIDE = 12.0  # pixels; less shows nothing
MOST_WINDOWS = 2_000  # of extreme shapes; their windows then lie further apart


def windows(width: int, height: int, sides: tuple[float, ...], step: float) -> Boxes:
    """The windows (n, 4) of a picture.

    ``sides`` are those of square windows, of the square root of the picture's area; ``step`` is how far the
    next one lies, of the window's own side.
    """
    made = [np.array([[0.0, 0.0, width, height]])]
    unit = float(np.sqrt(width * height))
    lengths = [max(LEAST_SIDE, side * unit) for side in sides]
    for length in dict.fromkeys(lengths):
        across, down = min(length, width), min(length, height)
        if (across, down) != (width, height):
            made.append(_grid(width, height, across, down, step))
    return np.concatenate(made)


def _grid(width: int, height: int, across: float, down: float, step: float) -> Boxes:
    counts = [int(np.ceil((width - across) / (step * across))) + 1]
    counts.append(int(np.ceil((height - down) / (step * down))) + 1)
    while counts[0] * counts[1] > MOST_WINDOWS:
        counts = [max(1, count * 3 // 4) for count in counts]
    lefts, tops = np.linspace(0, width - across, counts[0]), np.linspace(0, height - down, counts[1])
    x, y = (axis.ravel() for axis in np.meshgrid(lefts, tops))
    return np.stack([x, y, np.full(len(x), across), np.full(len(x), down)], axis=1)


def moves(box: Boxes, step: float, width: int, height: int) -> Boxes:
    """``box`` (4,) itself, then shifted, grown and shrunk by ``step`` of its sides, inside the picture:

    (n, 4).
    """
    edges = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
    across, down = step * box[2], step * box[3]
    by = np.array([across, down, across, down])
    changes = [np.zeros(4)]
    for axis in (0, 1):
        for sign in (-1, 1):
            shift = np.zeros(4)
            shift[axis::2] = sign
            changes.append(shift)
            for edge in (axis, axis + 2):
                change = np.zeros(4)
                change[edge] = sign
                changes.append(change)
    grown = np.array([-0.5, -0.5, 0.5, 0.5])
    moved = edges + np.array([*changes, grown, -grown]) * by
    moved = np.clip(moved, 0, [width, height, width, height])
    moved[:, 2:] -= moved[:, :2]
    large = np.minimum(moved[:, 2] / min(LEAST_SIDE, width), moved[:, 3] / min(LEAST_SIDE, height)) >= 1
    large[0] = True
    return np.asarray(moved[large])


@dataclass(slots=True)
class Crops:
    """The pixels of regions, from copies of the picture that are halved as far as an encoder allows.

    ``side`` is Encoder.picture_side: no crop's shorter side is made smaller than that.
    """

    pixels: Pixels
    side: int | None
    _halved: list[Image]

    @classmethod
    def of(cls, pixels: Pixels, side: int | None) -> Crops:
        """Those of ``pixels`` (height, width, 3)."""
        from PIL import Image

        return cls(pixels, side, [Image.fromarray(pixels)])

    def picture(self, box: Boxes) -> Picture:
        """The region ``box`` (4,): never empty."""
        level = self._level(min(box[2], box[3]))
        image = self._halved[level]
        left, top = (int(edge) >> level for edge in box[:2])
        right = min(image.width, max(left + 1, round((box[0] + box[2]) / 2**level)))
        bottom = min(image.height, max(top + 1, round((box[1] + box[3]) / 2**level)))
        left, top = min(left, right - 1), min(top, bottom - 1)
        return Picture(np.array(image.crop((left, top, right, bottom)), dtype=np.uint8, order="C"))

    def _level(self, shorter: float) -> int:
        level = max(0, int(np.log2(max(1.0, shorter / self.side)))) if self.side else 0
        while len(self._halved) <= level:
            self._halved.append(self._halved[-1].reduce(2))
        return level
