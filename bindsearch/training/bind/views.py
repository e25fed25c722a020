"""Random views of what is trained on: the same moment, seen a little differently each time it is drawn."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bindsearch.encoders.compact.motions import with_sizes
from bindsearch.training.sound_fit import masked

AXES = 6


class Views(Protocol):
    """Items as a tower takes them."""

    def __len__(self) -> int: ...

    def plain(self, items: NDArray[np.integer]) -> Tensor:
        """``items`` as the encoder will show them: (items, ...)."""

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        """A random view of one item."""


class Plain:
    """Items shown always as they are; ``given`` is (items, ...)."""

    def __init__(self, given: NDArray[Any]) -> None:
        self._given = given

    def __len__(self) -> int:
        return len(self._given)

    def plain(self, items: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(self._given[items])

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        return torch.from_numpy(self._given[item])


class PictureViews(Plain):
    """Pictures, (items, side, side, 3), uint8: parts, some mirrored, darker or lighter, with a spot missing.

    ``area`` is the least share of the picture that a view shows.
    """

    def __init__(self, given: NDArray[np.uint8], area: float = 0.4) -> None:
        super().__init__(given)
        self._area = area

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        pixels = _part(self._given[item], self._area, generator).astype(np.float32)
        if generator.random() < 0.5:
            pixels = pixels[:, ::-1]
        # Each channel by itself: they are distances, slopes or heat, and no colours.
        jittered = pixels * generator.uniform(0.8, 1.2, 3) + generator.uniform(-20, 20, 3)
        spotted = _spotted(jittered, generator)
        return torch.from_numpy(np.clip(spotted, 0, 255).round().astype(np.uint8))


class HeatViews(PictureViews):
    """Pictures whose three channels are one: they stay alike."""

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        pixels = _part(self._given[item], self._area, generator).astype(np.float32)
        if generator.random() < 0.5:
            pixels = pixels[:, ::-1]
        shares = np.clip(pixels / 255 * generator.uniform(0.75, 1.3) + generator.uniform(-0.1, 0.1), 0, 1)
        pixels = _spotted(shares ** np.exp(generator.uniform(-0.4, 0.4)) * 255, generator)
        return torch.from_numpy(pixels.round().astype(np.uint8))


class SoundViews(Plain):
    """Spectrograms, (items, bands, frames, 3): begun at another time, with a band and a time missing."""

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        pixels = torch.from_numpy(self._given[item])
        return masked(torch.roll(pixels, int(generator.integers(pixels.shape[1])), 1), generator)


class MotionViews(Plain):
    """Motions, (items, samples, 12): turned, stronger or weaker, shifted, now and then without a sensor.

    ``turned`` is the share of views that are turned in any direction, as if the sensor were worn in another
    way; the others are turned by little.
    """

    def __init__(self, given: NDArray[np.float32], turned: float = 0.4) -> None:
        super().__init__(given)
        self._turned = turned

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        axes = self._given[item][:, :AXES].astype(np.float32)
        axes = np.roll(axes, int(generator.integers(-40, 41)), axis=0) if generator.random() < 0.5 else axes
        turn = _turn(np.pi if generator.random() < self._turned else 0.2, generator)
        readings = np.hstack([axes[:, :3] @ turn, axes[:, 3:] @ turn]) * generator.uniform(0.93, 1.07)
        readings += generator.normal(0, 1, (1, AXES)) * (0.01, 0.01, 0.01, 0.03, 0.03, 0.03)
        readings += generator.normal(0, 1, readings.shape) * 0.02
        if generator.random() < 0.1:
            readings[:, 3:] = 0
        return torch.from_numpy(with_sizes(_stretched(readings, generator)))


class ReadingViews(Plain):
    """Readings, (items, steps, channels): each channel a little stronger or weaker, shifted and noisy."""

    def __init__(self, given: NDArray[np.float32]) -> None:
        super().__init__(given)
        self._spread = given.std(axis=(0, 1)) + 1e-9

    def drawn(self, item: int, generator: np.random.Generator) -> Tensor:
        readings = self._given[item]
        scale = generator.uniform(0.9, 1.1, readings.shape[1])
        noise = generator.normal(0, 0.05, readings.shape) * self._spread
        return torch.from_numpy((_stretched(readings * scale, generator) + noise).astype(np.float32))


def _part(pixels: NDArray[np.uint8], area: float, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A random part of at least ``area``, squashed to the whole's size."""
    from PIL import Image

    share, aspect = generator.uniform(area, 1), np.exp(generator.uniform(-0.25, 0.25))
    width, height = min(1.0, np.sqrt(share * aspect)), min(1.0, np.sqrt(share / aspect))
    left, top = generator.uniform(0, 1 - width), generator.uniform(0, 1 - height)
    side = pixels.shape[0]
    box = (left * side, top * side, (left + width) * side, (top + height) * side)
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR, box=box))


def _spotted(pixels: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.floating]:
    """Half of the time with a rectangle missing (Z. Zhong et al., *Random Erasing*, 2020)."""
    if generator.random() < 0.5:
        side = len(pixels)
        height, width = generator.integers(side // 10, side // 3, 2)
        top, left = generator.integers(0, side - height), generator.integers(0, side - width)
        pixels = pixels.copy()
        pixels[top : top + height, left : left + width] = pixels.mean((0, 1))
    return pixels


def _stretched(readings: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.floating]:
    """``readings`` a tenth faster or slower at most; what is then missing at the end is the last reading."""
    places = np.arange(len(readings)) * generator.uniform(0.9, 1.1)
    before = np.minimum(places.astype(int), len(readings) - 1)
    after = np.minimum(before + 1, len(readings) - 1)
    share = (places - before).clip(0, 1)[:, np.newaxis]
    mixed: NDArray[np.floating] = readings[before] * (1 - share) + readings[after] * share
    return mixed


def _turn(most: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """A rotation about a random axis by up to ``most`` radians (O. Rodrigues' formula): (3, 3)."""
    axis = generator.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = generator.uniform(-most, most)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: NDArray[np.floating] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn.astype(np.float32)
