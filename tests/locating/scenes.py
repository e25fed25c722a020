"""Pictures of coloured squares, and an encoder that knows colours well enough to find them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Space, Vectors
from bindsearch.media import Clip, Media, Passage, Picture, Pixels, Sound
from bindsearch.modality import Modality
from tests.media import BLUE, GREEN, RED, WHITE

DIMENSIONS = 400
GREY = (128, 128, 128)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE, "white": WHITE, "grey": GREY}
MODALITIES = frozenset({Modality.IMAGE, Modality.VIDEO, Modality.TEXT, Modality.AUDIO})


class ColourEncoder:
    """Pictures by the shares of five colours in them, words by the colours they name, sounds by their pitch.

    A sound is ``red`` below 500 Hz and ``blue`` above, so that words can be asked of it.
    """

    picture_side = 8

    def __init__(self, modalities: frozenset[Modality] = MODALITIES) -> None:
        self.space = Space("colours", "1", "0" * 64, DIMENSIONS, modalities, "1")
        self.encoded = 0
        self.largest = 0

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm; there is nothing to load."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        self.encoded += len(batch)
        self.largest = max(self.largest, len(batch))
        return np.stack([_unit(self._shares(media)) for media in batch])

    def _shares(self, media: Media) -> NDArray[np.float64]:
        match media:
            case Picture(pixels=pixels):
                return shares(pixels)
            case Clip(frames=frames):
                return shares(frames)
            case Sound(samples=samples, rate=rate):
                loud = samples[np.abs(samples) > 0.01]
                pitch = np.count_nonzero(np.diff(np.signbit(loud))) / 2 / (len(loud) / rate)
                return _named("red" if pitch < 500 else "blue")
            case Passage(text=text):
                return _named(*text.split())
            case _:
                raise AssertionError(media)


def shares(pixels: Pixels) -> NDArray[np.float64]:
    """How much of ``pixels`` (..., 3) is nearest to each of COLOURS."""
    known = np.array(list(COLOURS.values()), np.float64)
    distances = np.abs(pixels.reshape(-1, 1, 3).astype(np.float64) - known).sum(2)
    return np.asarray(np.bincount(distances.argmin(1), minlength=len(known)) / len(distances))


def _named(*words: str) -> NDArray[np.float64]:
    return np.array([float(name in words) for name in COLOURS])


def _unit(values: NDArray[np.float64]) -> Vectors:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[: len(values)] = values + 1e-3
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def asked(word: str) -> Vectors:
    """The vector (d,) of a colour's name."""
    return _unit(_named(word))


def squares(size: tuple[int, int], *boxes: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> Pixels:
    """Grey of ``size`` (width, height) with boxes (x, y, width, height) in their colours."""
    pixels = np.full((size[1], size[0], 3), GREY, np.uint8)
    for (x, y, width, height), colour in boxes:
        pixels[y : y + height, x : x + width] = colour
    return pixels
