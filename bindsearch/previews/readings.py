"""Readings of any other sensor as curves: a panel for each of the first channels, one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bindsearch.media import Floats, Readings
from bindsearch.previews.canvas import FAINT, PAPER, Box, blank, letters, time_axis, width_of, write
from bindsearch.previews.motion import AXES, curve, runs, value_range

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

MOST_PANELS = 6
_FLAT = 1e-6  # a span below which a channel is drawn as a line
_LONGEST_NAME = 24  # characters


def draw_readings(log: Readings, side: int) -> Image:
    """Panels over one axis of time, each in its own scale, since nothing is known of the channels."""
    size = letters(side)
    height = side * 3 // 4
    paper, pen = blank(side, height)
    timed = log.start is not None and log.end is not None
    bottom = height - 1 - (size + 6 if size and timed else 0)
    shown = min(MOST_PANELS, log.values.shape[1])
    box = Box(2, 2, side - 3, bottom)
    for place in range(shown):
        top = 2 + place * (bottom - 2) // shown
        box = Box(2, top, side - 3, max(top + 1, 2 + (place + 1) * (bottom - 2) // shown - 3))
        _panel(pen, box, log, place)
        if size and box.height > 2 * size and place < len(log.channels):
            _name(pen, box, log.channels[place][:_LONGEST_NAME], size)
    if size and log.start is not None and log.end is not None:
        time_axis(pen, box, log.start, max(log.end, log.start + 1e-3), size)
    return paper


def _panel(pen: ImageDraw, box: Box, log: Readings, place: int) -> None:
    values: Floats = log.values[:, place].astype(np.float64)
    low, high = value_range(values, _FLAT)
    pen.rectangle((box.left, box.top, box.right, box.bottom), outline=FAINT)
    first, last = (log.times[0], log.times[-1]) if len(log.times) else (0.0, 0.0)
    start = first if log.start is None else log.start
    end = max(last if log.end is None else log.end, start + 1e-3)
    across = box.left + (log.times - start) / (end - start) * (box.width - 1)
    down = box.bottom - (values - low) / max(high - low, 1e-30) * (box.height - 1)
    for run in runs(log.times, values):
        curve(pen, across[run], down[run], AXES[place % len(AXES)])


def _name(pen: ImageDraw, box: Box, words: str, size: int) -> None:
    left = box.right - width_of(words, size) - 5
    pen.rectangle((left, box.top + 1, box.right - 1, box.top + size + 2), fill=PAPER)
    write(pen, (box.right - 3, box.top + 1), words, size, "ra")
