"""The networks that can be bound: one for whatever becomes a picture, one for readings over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.head import Projector
from bindsearch.training.towers import FEATURES, EfficientNetLite2
from bindsearch.training.trunk import KEPT, Trunk

WIDTHS = (64, 96, 160, 256)


class Tower(Protocol):
    """What a bound network offers beside being a module that makes unit vectors."""

    projector: Projector

    def features(self, given: Tensor) -> Tensor:
        """What the projector is given: (batch, width)."""

    def trained(self) -> Iterator[nn.Parameter]:
        """All weights to be trained but the projector's."""


class PictureTower(Trunk):
    """Pixels in 0..255, (batch, side, side, 3), to unit vectors, (batch, dimensions)."""

    def __init__(self, source: EfficientNetLite2, dimensions: int, kept: int = KEPT) -> None:
        super().__init__(source, kept=kept)
        self.projector = Projector(FEATURES, dimensions)

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self.projector(self.features(pixels)), dim=-1)

    def features(self, given: Tensor) -> Tensor:
        """The mean of the map: (batch, 1280)."""
        return self.map_of(given).mean((2, 3))

    def trained(self) -> Iterator[nn.Parameter]:
        """All weights but those of the first blocks and the projector."""
        head = {id(weight) for weight in self.projector.parameters()}
        return (weight for weight in super().trained() if id(weight) not in head)


class Residual(nn.Module):
    """Two convolutions over time with a shortcut; the second halves nothing, the first may halve the time."""

    def __init__(self, channels_in: int, channels: int, stride: int, kernel: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv1d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        self.first_norm = nn.BatchNorm1d(channels)
        self.second = nn.Conv1d(channels, channels, kernel, 1, kernel // 2, bias=False)
        self.second_norm = nn.BatchNorm1d(channels)
        self.shortcut = nn.Conv1d(channels_in, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return F.gelu(self.shortcut(x) + y)


class SignalTower(nn.Module):
    """Readings over time, (batch, steps, channels), to unit vectors, (batch, dimensions).

    A residual network over time; the mean over time tells what goes on, the maximum what happened once.
    ``mean`` and ``spread`` of each channel bring readings of any unit to one scale.
    """

    def __init__(self, channels: int, dimensions: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))
        self.stem = nn.Conv1d(channels, WIDTHS[0], 7, 2, 3)
        pairs = zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False)
        self.blocks = nn.Sequential(
            *(Residual(before, after, 1 + (i > 0)) for i, (before, after) in enumerate(pairs))
        )
        self.projector = Projector(2 * WIDTHS[-1], dimensions, hidden=256, dropout=dropout)

    def forward(self, readings: Tensor) -> Tensor:
        return F.normalize(self.projector(self.features(readings)), dim=-1)

    def features(self, given: Tensor) -> Tensor:
        """Mean and maximum over time: (batch, 512)."""
        x = ((given - self.mean) / self.spread).clamp(-10, 10).transpose(1, 2)
        x = self.blocks(F.gelu(self.stem(x)))
        return torch.cat([x.mean(2), x.amax(2)], dim=1)

    def trained(self) -> Iterator[nn.Parameter]:
        """All weights but the projector's."""
        return (weight for part in (self.stem, self.blocks) for weight in part.parameters())

    @torch.no_grad()
    def measure(self, readings: Tensor) -> None:
        """Take mean and spread of each channel from ``readings``, (items, steps, channels)."""
        flat = readings.reshape(-1, readings.shape[-1])
        self.mean.copy_(flat.mean(0))
        self.spread.copy_(flat.std(0).clamp(min=1e-6))
