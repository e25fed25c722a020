"""Media: decoded segments in physical terms, the one language that loaders and encoders share.

A loader makes them and knows nothing of any model; an encoder takes them and never opens a file.
Arrays are C-contiguous and are never written to after they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bindsearch.modality import Modality

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A whole still picture: ``pixels`` is (height, width, 3), sRGB, upright."""

    modality: ClassVar[Modality] = Modality.IMAGE
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A span of a film.

    ``frames`` is (frames, height, width, 3), sRGB, upright, in time order; ``start`` and ``end`` are
    seconds from the film's beginning.
    """

    modality: ClassVar[Modality] = Modality.VIDEO
    frames: Pixels
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of text; ``first_line`` and ``last_line`` count from 1, both included."""

    modality: ClassVar[Modality] = Modality.TEXT
    text: str
    first_line: int | None = None
    last_line: int | None = None


Media = Picture | Clip | Passage
