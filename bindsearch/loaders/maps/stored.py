"""A map as it is stored: upright numbers, before anybody knows their unit; and the doubts about it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, UnclearFile
from bindsearch.loaders.base import FileFacts
from bindsearch.media import Floats
from bindsearch.modality import Modality

Numbers = NDArray[Any]

_BAND = 1_000_000  # points that are reduced at once
_SAMPLED = 1_000_000  # values that statistics look at; more would not change them


@dataclass(frozen=True, eq=False)
class Stored:
    """``values`` is (height, width), upright, integers or floats exactly as in the file.

    ``what`` names the map in messages ("16-bit grey PNG"). ``said`` is the modality that the content itself
    tells beyond doubt, and ``by`` what tells it ("its channel Z"). ``focal_length`` is as in Hint.
    """

    values: Numbers
    facts: FileFacts
    what: str
    said: Modality | None = None
    by: str = ""

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return self.values.dtype.kind in "iu"

    @property
    def grey8(self) -> bool:
        """Whether the values are the 256 levels of an ordinary picture."""
        return self.values.dtype == np.uint8

    @property
    def of_16_bits(self) -> bool:
        """Whether the values are integers that 16 bits can hold, and not just levels of 8."""
        sample = self.sample
        return self.whole and not self.grey8 and sample.size > 0 and 0 <= sample.min() <= sample.max() < 65536

    @cached_property
    def sample(self) -> Numbers:
        """At most a million of the values, evenly spread, finite: (n,)."""
        flat = self.values.ravel()
        flat = flat[:: max(1, math.ceil(flat.size / _SAMPLED))]
        return flat if self.whole else flat[np.isfinite(flat)].astype(np.float64)

    @cached_property
    def known(self) -> Numbers:
        """Of the sample what is above zero."""
        return self.sample[self.sample > 0]

    def described(self) -> str:
        """ "16-bit grey PNG, values 0 to 9,870"."""
        if not self.sample.size:
            return f"{self.what} without a finite value"
        low, high = self.sample.min(), self.sample.max()
        return f"{self.what}, values {_number(low)} to {_number(high)}"


def _number(value: Any) -> str:
    return f"{int(value):,}" if isinstance(value, np.integer) else f"{float(value):,.6g}"


def doubt(path: Path, question: str, *rules: str) -> UnclearFile:
    """The refusal of a map that may be read in several ways; ``rules`` are the endings of a rule to write."""
    files = f'files = "*{path.suffix}"' if path.suffix else f'files = "{path.name}"'
    said = " or ".join(f"[[rule]], {files}, {rule}" for rule in rules)
    return UnclearFile(question, subject=os.fspath(path), hint=f"say it in .bindsearch.toml: {said}")


def read_exactly(file: BinaryIO, size: int, path: Path) -> bytes:
    """The next ``size`` bytes of a regular file; DamagedFile, before any are allocated, if it is shorter."""
    if os.fstat(file.fileno()).st_size - file.tell() < size:
        raise DamagedFile("truncated: the file ends before its values do", subject=os.fspath(path))
    return file.read(size)


def turned(values: Numbers, orientation: int) -> Numbers:
    """``values`` as they stand upright, for an EXIF orientation from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        values = values.T
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def factor_for(shape: tuple[int, ...], side: int | None) -> int:
    """By which whole number a map may be reduced so that its shorter side keeps ``side`` points."""
    return max(1, min(shape) // side) if side else 1


def reduced_by_median(values: Floats, factor: int) -> Floats:
    """(height, width) to (height / factor, width / factor), rounded up: the lower median of each square.

    It is a value that was measured: an edge between near and far gets no distance that nobody saw. Holes
    (NaN) do not count; a square of holes stays one.
    """
    if factor == 1:
        return values
    return np.concatenate([_medians(squares) for squares in _squares(values, factor)])


def reduced_by_mean(values: Floats, factor: int) -> Floats:
    """As ``reduced_by_median``, by the mean of what is known in each square."""
    if factor == 1:
        return values
    return np.concatenate([_means(squares) for squares in _squares(values, factor)])


def _medians(squares: Floats) -> Floats:
    ordered = np.sort(squares, axis=-1)  # NaN comes last
    middle = (np.isfinite(ordered).sum(-1) - 1).clip(0) // 2
    medians: Floats = np.take_along_axis(ordered, middle[..., np.newaxis], -1)[..., 0]
    return medians


def _means(squares: Floats) -> Floats:
    known = np.isfinite(squares)
    counts = known.sum(-1)
    sums = np.where(known, squares, 0).sum(-1, dtype=np.float64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def _squares(values: Floats, factor: int) -> Iterator[Floats]:
    """Bands of a map, so that no second one is held: (rows, columns, factor * factor), the margin NaN."""
    height = factor * max(1, _BAND // (values.shape[1] * factor))
    for top in range(0, len(values), height):
        band = values[top : top + height]
        below, right = (-size % factor for size in band.shape)
        padded = np.pad(band, ((0, below), (0, right)), constant_values=np.nan)
        rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
        parts = padded.reshape(rows, factor, columns, factor).transpose(0, 2, 1, 3)
        yield parts.reshape(rows, columns, factor * factor)
