"""Motion as curves: the accelerometer above, the gyroscope below, x y z each; a gap stays blank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Floats, MotionLog
from bindsearch.previews.canvas import (
    FAINT,
    INK,
    PAPER,
    Box,
    blank,
    letters,
    ticks,
    time_axis,
    width_of,
    write,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# Three of the eight colours of Okabe and Ito that all eyes can tell apart: x vermilion, y green, z blue.
AXES = ((213, 94, 0), (0, 158, 115), (0, 114, 178))
_GAP = 4.0  # times the usual step between two readings
_LEAST_SPAN = {"m/s^2": 1.0, "rad/s": 0.1}  # a sensor at rest is a line, not its noise in full height


def draw_motion(log: MotionLog, side: int) -> Image:
    """Two panels over one axis of time, each with its unit and the range of its values."""
    size = letters(side)
    height = side * 3 // 4
    paper, pen = blank(side, height)
    left = round(width_of("-9.81", size)) + 8 if size else 0
    bottom = height - 1 - (size + 6 if size else 0)
    middle = bottom // 2
    above = Box(left, 2, side - 3, middle - 2)
    below = Box(left, middle + 2, side - 3, bottom)
    _panel(pen, above, log, log.acceleration, "m/s^2", size)
    _panel(pen, below, log, log.rotation, "rad/s", size)
    if size:
        time_axis(pen, below, log.start, _end(log), size)
    return paper


def _end(log: MotionLog) -> float:
    return max(log.end, log.start + 1e-3)


def _panel(pen: ImageDraw, box: Box, log: MotionLog, values: Floats, unit: str, size: int) -> None:
    low, high = value_range(values, _LEAST_SPAN[unit])
    known = bool(np.isfinite(values).any())
    if size and known:
        value_axis(pen, box, low, high, size)
    pen.rectangle((box.left, box.top, box.right, box.bottom), outline=FAINT)
    across = box.left + (log.times - log.start) / (_end(log) - log.start) * (box.width - 1)
    for axis, colour in enumerate(AXES):
        down = box.bottom - (values[:, axis] - low) / (high - low) * (box.height - 1)
        for run in runs(log.times, values[:, axis]):
            curve(pen, across[run], down[run], colour)
    if size:
        _unit(pen, box, unit if known else f"no {unit}", size)


def _unit(pen: ImageDraw, box: Box, words: str, size: int) -> None:
    left = box.right - width_of(words, size) - 5
    pen.rectangle((left, box.top + 1, box.right - 1, box.top + size + 2), fill=PAPER)
    write(pen, (box.right - 3, box.top + 1), words, size, "ra")


def value_axis(pen: ImageDraw, box: Box, low: float, high: float, size: int) -> None:
    """Lines across ``box`` at round values, each with its number on the left."""
    for value in ticks(low, high, max(1, box.height // (2 * size))):
        row = box.bottom - (value - low) / (high - low) * (box.height - 1)
        pen.line([(box.left, row), (box.right, row)], fill=FAINT)
        if box.top + size / 2 <= row <= box.bottom - size / 3:
            write(pen, (box.left - 4, row), f"{value:g}", size, "rm", INK)


def value_range(values: Floats, least: float) -> tuple[float, float]:
    """From where to where to draw ``values``: a little more than they span, and ``least`` at least."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    spare = max(0.06 * (high - low), (least - (high - low)) / 2)
    return low - spare, high + spare


def runs(times: NDArray[np.float64], values: Floats) -> Iterator[slice]:
    """The stretches of readings that follow each other without a gap.

    A gap is a missing value, or a step in time more than four times the usual one.
    """
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    known = np.isfinite(values)
    joined = (steps <= _GAP * usual) & known[1:] & known[:-1]
    begin = 0
    for end in [*(np.flatnonzero(~joined) + 1), len(times)]:
        if known[begin:end].any():
            yield slice(begin, int(end))
        begin = int(end)


def curve(pen: ImageDraw, across: NDArray[np.float64], down: Floats, colour: tuple[int, int, int]) -> None:
    """One line through the points, or the one point."""
    points = list(zip(across.tolist(), down.tolist(), strict=True))
    if len(points) == 1:
        pen.point(points, fill=colour)
    else:
        pen.line(points, fill=colour)
