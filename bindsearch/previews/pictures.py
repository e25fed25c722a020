"""Pictures and films, made small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bindsearch.media import Clip, Picture, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

_STRIP = 2  # frames across and down
_SEAM = 2
_SEAM_COLOUR = (20, 20, 20)


def draw_picture(picture: Picture, side: int) -> Image:
    """The picture, its longer side brought to ``side``."""
    return fitted(picture.pixels, side, side)


def draw_clip(clip: Clip, side: int) -> Image:
    """Four frames of the clip in reading order; of one that has fewer, its middle frame."""
    wanted = _STRIP * _STRIP
    if len(clip.frames) < wanted or side < 2 * wanted * _SEAM:
        return fitted(clip.frames[len(clip.frames) // 2], side, side)
    chosen = np.linspace(0, len(clip.frames) - 1, wanted).round().astype(int)
    cell = (side - _SEAM) // _STRIP
    return _strip([fitted(clip.frames[number], cell, cell) for number in chosen], side)


def fitted(pixels: Pixels, width: int, height: int) -> Image:
    """``pixels`` (h, w, 3) as large as fits into ``width`` by ``height``, in their own proportions."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    factor = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    way = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return picture.resize(size, way)


def _strip(frames: list[Image], side: int) -> Image:
    from PIL import Image

    wide = frames[0].width >= frames[0].height
    width = side if wide else _STRIP * frames[0].width + _SEAM
    height = _STRIP * frames[0].height + _SEAM if wide else side
    paper = Image.new("RGB", (width, height), _SEAM_COLOUR)
    for number, frame in enumerate(frames):
        row, column = divmod(number, _STRIP)
        paper.paste(frame, (column * (frame.width + _SEAM), row * (frame.height + _SEAM)))
    return paper
