"""Letters, ticks and scales, shared by all drawings that have them.

The letters are the font that comes with Pillow, which has little more than those of English: accents are left
out, and letters of other scripts show as boxes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from unicodedata import combining, normalize

from bindsearch.previews.palettes import palette
from bindsearch.when import format_offset

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

PAPER = (250, 250, 248)
INK = (40, 40, 44)
FAINT = (190, 190, 190)

LEAST_SIDE_WITH_LETTERS = 120
_PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "•": "*", "×": "x", "ß": "ss"}
    | {"æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "€": "EUR"}
)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of points; ``right`` and ``bottom`` are the last ones inside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self.right - self.left + 1

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.bottom - self.top + 1


def blank(width: int, height: int) -> tuple[Image, ImageDraw]:
    """White paper and something to draw on it with."""
    from PIL import Image, ImageDraw

    paper = Image.new("RGB", (width, height), PAPER)
    return paper, ImageDraw.Draw(paper)


def letters(side: int) -> int:
    """The size of the letters in a drawing of that side; 0 where they would not be legible."""
    return max(9, side // 24) if side >= LEAST_SIDE_WITH_LETTERS else 0


@cache
def font(size: int) -> Any:
    """The font of that size."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def drawable(text: str) -> str:
    """``text`` without accents and typographic signs, which the font lacks.

    Where Pillow has no FreeType its font knows Latin letters only; other signs become question marks.
    """
    from PIL import features

    plain = normalize("NFKD", text.translate(_PLAIN))
    plain = "".join(sign for sign in plain if not combining(sign))
    return plain if features.check("freetype2") else plain.encode("latin-1", "replace").decode("latin-1")


def write(
    pen: ImageDraw, place: tuple[float, float], text: str, size: int, anchor: str = "la", fill: Any = INK
) -> None:
    """Write one line; ``anchor`` is Pillow's: l, m, r for across and a, m, s, d for down."""
    letter = font(size)
    text = drawable(text)
    if hasattr(letter, "font_variant"):
        pen.text(place, text, font=letter, fill=fill, anchor=anchor)
    else:
        _write_bitmap(pen, place, text, letter, anchor, fill)


def _write_bitmap(
    pen: ImageDraw, place: tuple[float, float], text: str, letter: Any, anchor: str, fill: Any
) -> None:
    _, _, width, height = letter.getbbox(text)
    across = {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * width
    down = {"a": 0.0, "m": 0.5, "s": 1.0, "d": 1.0}[anchor[1]] * height
    pen.text((place[0] - across, place[1] - down), text, font=letter, fill=fill)


def width_of(text: str, size: int) -> float:
    """How many points a line takes."""
    return float(font(size).getlength(drawable(text)))


def ticks(low: float, high: float, most: int) -> Iterator[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` of them, at steps of 1, 2 or 5 times a ten."""
    if not (high > low and most > 0 and math.isfinite(high - low)):
        return
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20, 50) if (high - low) / (s * power) < most)
    first = math.ceil(low / step - 1e-9)
    for number in range(first, math.floor(high / step + 1e-9) + 1):
        yield number * step


def seconds(time: float) -> str:
    """A place in time as a tick says it: ``2.5 s``, and from a minute on ``2:17:30``."""
    return f"{time:g} s" if time < 60 else format_offset(time + 1e-6)


def time_axis(pen: ImageDraw, box: Box, start: float, end: float, size: int) -> None:
    """Ticks below ``box`` at round seconds; ``start`` is its left edge, ``end`` its right one."""
    widest = width_of(seconds(end), size) * 2.2
    most = max(1, int(box.width / widest))
    for time in ticks(start, end, most):
        at = box.left + (time - start) / (end - start) * (box.width - 1)
        pen.line([(at, box.bottom + 1), (at, box.bottom + 3)], fill=INK)
        text = seconds(time)
        half = width_of(text, size) / 2
        middle = min(max(at, box.left + half), box.right - half)
        write(pen, (middle, box.bottom + 4), text, size, "ma")


def scale_height(size: int) -> int:
    """How many rows ``scale`` takes."""
    return round(size * 0.7) + size + 6


def scale(pen: ImageDraw, box: Box, name: str, labels: tuple[str, str, str], size: int) -> None:
    """A bar of all colours of a palette, the first on the left, and three labels below it."""
    bar = round(size * 0.7)
    colours = palette(name)
    for column in range(box.width):
        colour = colours[round(column / max(1, box.width - 1) * (len(colours) - 1))]
        at = box.left + column
        pen.line([(at, box.top + 2), (at, box.top + 1 + bar)], fill=tuple(colour.tolist()))
    below = box.top + bar + 3
    for text, place, anchor in zip(labels, (0.0, 0.5, 1.0), ("la", "ma", "ra"), strict=True):
        write(pen, (box.left + place * (box.width - 1), below), text, size, anchor)
