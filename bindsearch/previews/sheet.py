"""Several drawings on one sheet, side by side, with a line of words under each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bindsearch.previews.canvas import blank, letters, width_of, write

if TYPE_CHECKING:
    from PIL.Image import Image

_MARGIN = 8


def sheet(drawings: Sequence[tuple[Image, str]], side: int = 256) -> Image:
    """The ``drawings``, each with its words, in rows of a sheet about as wide as high.

    Each has a cell of ``side`` points; larger ones would overlap. Raises ValueError for none.
    """
    if not drawings:
        raise ValueError("there is nothing to put on a sheet")
    across = math.ceil(math.sqrt(len(drawings)))
    rows = [drawings[first : first + across] for first in range(0, len(drawings), across)]
    size = letters(max(side, 120))
    heights = [max(drawing.height for drawing, _ in row) + size + 4 for row in rows]
    width = across * (side + _MARGIN) + _MARGIN
    paper, pen = blank(width, sum(heights) + _MARGIN * (len(rows) + 1))
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, (drawing, words) in enumerate(row):
            left = _MARGIN + column * (side + _MARGIN)
            paper.paste(
                drawing, (left + (side - drawing.width) // 2, top + height - size - 4 - drawing.height)
            )
            write(pen, (left + side / 2, top + height - size - 1), _cut(words, side, size), size, "ma")
        top += height + _MARGIN
    return paper


def _cut(words: str, width: int, size: int) -> str:
    """``words`` without as many of their first letters as do not fit: the end tells most of a path."""
    while len(words) > 1 and width_of(words, size) > width:
        words = "…" + words[2:]
    return words
