"""Depth and heat in false colours, with a scale in metres or degrees Celsius below.

The scale reaches over the middle 98 of 100 values, so that a few stray ones do not take all colours; what
lies beyond has the colour of its end. Points without a value are a neutral grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bindsearch.media import DepthMap, Floats, HeatMap
from bindsearch.previews.canvas import Box, blank, letters, scale, scale_height
from bindsearch.previews.palettes import coloured
from bindsearch.previews.pictures import fitted

if TYPE_CHECKING:
    from PIL.Image import Image

_STRAY = (1.0, 99.0)  # percentiles
_LEAST_DEPTH_SPAN = 0.01  # metres: a flat wall is one colour, not its sensor's noise in all of them
_LEAST_HEAT_SPAN = {True: 0.5, False: 0.01}  # degrees Celsius; grey levels


def draw_depth(depth: DepthMap, side: int) -> Image:
    """Near is light and warm, far dark and cold; unknown is grey."""
    near, far = reach(depth.metres, _LEAST_DEPTH_SPAN)
    nearness = (far - depth.metres) / (far - near)
    labels = (f"{_short(far)} m", f"{_short((near + far) / 2)} m", f"{_short(near)} m")
    return _with_scale(nearness, "near", labels, side)


def draw_heat(heat: HeatMap, side: int) -> Image:
    """Hot is light, cold is dark; the labels say whether the values are degrees Celsius or relative."""
    low, high = reach(heat.heat, _LEAST_HEAT_SPAN[heat.celsius])
    warmth = (heat.heat - low) / (high - low)
    if heat.celsius:
        labels = (f"{low:.1f} °C", f"{(low + high) / 2:.1f} °C", f"{high:.1f} °C")
    else:
        labels = ("cold", "relative", "warm")
    return _with_scale(warmth, "iron", labels, side)


def reach(values: Floats, least: float) -> tuple[float, float]:
    """From where to where the scale reaches: ``least`` at least, and from 0 where no value is known."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, least
    low, high = (float(edge) for edge in np.percentile(known, _STRAY))
    if high - low < least:
        middle = (low + high) / 2
        return middle - least / 2, middle + least / 2
    return low, high


def _with_scale(values: Floats, name: str, labels: tuple[str, str, str], side: int) -> Image:
    size = letters(side)
    room = scale_height(size) if size else 0
    picture = fitted(coloured(_small(values, side), name), side, side - room)
    if not room:
        return picture
    width = max(picture.width, min(side, 10 * size))
    paper, pen = blank(width, picture.height + room)
    paper.paste(picture, ((width - picture.width) // 2, 0))
    scale(pen, Box(0, picture.height, width - 1, paper.height - 1), name, labels, size)
    return paper


def _small(values: Floats, side: int) -> Floats:
    """Every n-th point of a large map: means over an edge, or over a hole, would be distances to nothing."""
    step = max(1, -(-max(values.shape) // side))
    return values[step // 2 :: step, step // 2 :: step] if min(values.shape) > step else values


def _short(metres: float) -> str:
    return f"{metres:.2f}" if abs(metres) < 10 else f"{metres:.1f}"
