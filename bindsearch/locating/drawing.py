"""What was found, drawn for people: heat and boxes over a picture, curves with their moments marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.locating.boxes import Box
from bindsearch.locating.moments import Curve, Span, Values
from bindsearch.locating.places import Places
from bindsearch.locating.standing import Usual
from bindsearch.media import Pixels
from bindsearch.previews.canvas import FAINT, INK, blank, letters, time_axis, width_of, write
from bindsearch.previews.canvas import Box as Frame
from bindsearch.previews.palettes import coloured

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

MOST_SIDE = 1600
_LEAST_SIDE = 320  # a smaller picture is drawn larger, so that what is written on it can be read
_HEAT = 0.55  # how much of a colour is laid over the picture at most
_LINE = (255, 255, 255)
_EDGE = (0, 0, 0)
_MARK = (214, 232, 208)
_CURVE = (190, 60, 40)
_PLOT = (900, 260)


def draw_places(pixels: Pixels, size: tuple[int, int], places: Places, level: float) -> Image:
    """The picture with its heat in colours and its boxes, numbered from the best: at most MOST_SIDE points.

    ``size`` (width, height) is that of the picture that the boxes count in. What does not stand out at all is
    left dark and grey; what does by ``level`` or more has its full colour.
    """
    from PIL import Image, ImageDraw

    longer = max(size)
    scale = min(MOST_SIDE, max(longer, _LEAST_SIDE)) / longer
    shown = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    paper = Image.fromarray(pixels).resize(shown, Image.Resampling.BICUBIC)
    heat = np.clip(places.heat / max(level, 1e-6), 0.0, 1.0).astype(np.float32)
    shares = Image.fromarray(heat).resize(shown, Image.Resampling.BILINEAR)
    paper = _heated(paper, np.clip(np.asarray(shares), 0.0, 1.0).astype(np.float64))
    pen = ImageDraw.Draw(paper)
    for number in reversed(range(len(places.found))):
        place = places.found[number]
        _draw_box(pen, place.box, scale, f"{number + 1}  {place.standing:.1f}", shown)
    return paper


def _heated(paper: Image, shares: Values) -> Image:
    """``paper`` grey and dimmed where ``shares`` (height, width) is 0, and as it is where they are 1.

    The colours of heat lie between the two, so that they do not hide what was found.
    """
    from PIL import Image

    grey = np.asarray(paper.convert("L"), np.float64)[..., np.newaxis] * 0.6
    own = np.asarray(paper, np.float64)
    warm = coloured(0.3 + 0.5 * shares, "iron").astype(np.float64)
    mixed = grey + (own - grey) * shares[..., np.newaxis]
    laid = 2 * (shares * (1 - 0.85 * shares))[..., np.newaxis]
    return Image.fromarray(np.rint(mixed + (warm - mixed) * np.minimum(laid, _HEAT)).astype(np.uint8))


def _draw_box(pen: ImageDraw, box: Box, scale: float, words: str, shown: tuple[int, int]) -> None:
    left, top = round(box.x * scale), round(box.y * scale)
    right = max(left, round((box.x + box.width) * scale) - 1)
    bottom = max(top, round((box.y + box.height) * scale) - 1)
    line = max(1, max(shown) // 400)
    pen.rectangle((left, top, right, bottom), outline=_EDGE, width=line + 2)
    pen.rectangle((left, top, right, bottom), outline=_LINE, width=line)
    size = letters(max(shown)) and max(10, min(18, max(shown) // 40))
    if size and right - left > width_of(words, size) + 8 and bottom - top > size + 6:
        pen.rectangle((left, top, left + width_of(words, size) + 8, top + size + 5), fill=_EDGE)
        write(pen, (left + 4, top + 2), words, size, fill=_LINE)


def draw_curves(curves: Sequence[tuple[Curve, Usual]], spans: Sequence[Span], level: float) -> Image:
    """A plot of standing over time for each curve, one below the other, with the moments marked."""
    from PIL import Image

    plots = [
        _plot(curve, usual, [s for s in spans if s.modality is curve.modality], level)
        for curve, usual in curves
    ]
    width, height = _PLOT
    paper = Image.new("RGB", (width, height * len(plots)))
    for number, plot in enumerate(plots):
        paper.paste(plot, (0, number * height))
    return paper


def _plot(curve: Curve, usual: Usual, spans: Sequence[Span], level: float) -> Image:
    width, height = _PLOT
    size = 13
    paper, pen = blank(width, height)
    frame = Frame(46, size + 12, width - 12, height - size - 14)
    start, end = float(curve.bounds[0]), float(curve.bounds[-1])
    standing = usual.standing(curve.values)
    known = standing[np.isfinite(standing)]
    low, high = min(-1.0, float(known.min())), max(level + 1.0, float(known.max()))

    def across(time: float) -> float:
        return frame.left + (time - start) / (end - start) * (frame.width - 1)

    def down(value: float) -> float:
        return frame.bottom - (value - low) / (high - low) * (frame.height - 1)

    for span in spans:
        pen.rectangle((across(span.start), frame.top, across(span.end), frame.bottom), fill=_MARK)
    for value in (0.0, level):
        pen.line([(frame.left, down(value)), (frame.right, down(value))], fill=FAINT)
        write(pen, (frame.left - 5, down(value)), f"{value:g}", size, "rm")
    for first, behind in _runs(np.isfinite(standing)):
        points = [
            (across(float(time)), down(float(standing[cell])))
            for cell in range(first, behind)
            for time in curve.bounds[cell : cell + 2]
        ]
        pen.line(points, fill=_CURVE, width=2)
    pen.rectangle((frame.left, frame.top, frame.right, frame.bottom), outline=INK)
    write(pen, (frame.left, 5), f"{curve.modality}: spreads above the median", size)
    time_axis(pen, frame, start, end, size)
    return paper


def _runs(known: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """The first and the behind-the-last number of each unbroken run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [(int(first), int(behind)) for first, behind in edges.reshape(-1, 2)]
