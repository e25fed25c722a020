"""Text as its first lines on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bindsearch.media import Passage
from bindsearch.previews.canvas import INK, blank, width_of, write

if TYPE_CHECKING:
    from PIL.Image import Image

_MARGIN = 0.05
_LINE = 1.35  # of the letters' size
_MOST_CHARACTERS = 2_000
_WORD = re.compile(r"\s*\S+\s*")


def draw_passage(passage: Passage, side: int) -> Image:
    """The beginning of the passage, its own line breaks kept, long lines broken between words."""
    size = max(8, side // 18)
    margin = round(side * _MARGIN)
    paper, pen = blank(side, side * 3 // 4)
    room = max(1, int((paper.height - 2 * margin) / (size * _LINE)))
    lines = wrapped(passage.text[:_MOST_CHARACTERS], side - 2 * margin, size)
    for number, line in enumerate(lines[:room]):
        more = number == room - 1 and len(lines) > room
        write(pen, (margin, margin + number * size * _LINE), line + " …" * more, size, fill=INK)
    return paper


def wrapped(text: str, width: int, size: int) -> list[str]:
    """``text`` in lines that are at most ``width`` points wide, as far as a single sign is not wider."""
    shown = "".join(
        sign if sign.isprintable() or sign == "\n" else " " for sign in text.replace("\t", "    ")
    )
    return [line for paragraph in shown.split("\n") for line in _lines(paragraph, width, size)]


def _lines(paragraph: str, width: int, size: int) -> Iterator[str]:
    line = ""
    for word in _WORD.findall(paragraph):
        if width_of((line + word).rstrip(), size) <= width:
            line += word
            continue
        if line.strip():
            yield line.rstrip()
        line = word
        while width_of(line.rstrip(), size) > width and len(line) > 1:
            fits = next((n for n in range(len(line) - 1, 1, -1) if width_of(line[:n], size) <= width), 1)
            yield line[:fits]
            line = line[fits:]
    yield line.rstrip()
