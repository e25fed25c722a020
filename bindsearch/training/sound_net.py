"""The audio tower: EfficientNet-Lite2 on spectrograms, and the paths from its features into the joint space.

The tower starts from the weights for photos (see ``trunk``); its last layer is cut from 1280 to 1024
features. Two paths are added and made unit length:

* a linear map of the pooled features;
* the text vectors of the teacher's 521 kinds of sound, averaged with the odds that the tower itself gives
  them (as in ``head``). This path knows sounds that no training label names.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training import teacher
from bindsearch.training.towers import TEXT_DIMENSIONS, EfficientNetLite2
from bindsearch.training.trunk import Trunk

WIDTH = 1024


@dataclass(frozen=True, slots=True)
class Heard:
    """What the tower makes of a batch: unit ``vectors`` (batch, 384), and its answers to the teacher,
    ``scores`` (batch, 5, 521) as logits and ``features`` (batch, 5, 1024)."""

    vectors: Tensor
    scores: Tensor
    features: Tensor


class SoundTower(Trunk):
    """Spectrograms, (batch, 64, 250, 3) in 0..255, to unit vectors, (batch, 384).

    ``kinds`` are the text vectors of the teacher's classes, (521, 384): a start, trained like the rest.
    """

    def __init__(self, trunk: EfficientNetLite2, kinds: Tensor, dropout: float = 0.3) -> None:
        super().__init__(trunk, WIDTH)
        self.linear = nn.Linear(WIDTH, TEXT_DIMENSIONS)
        self.classifier = nn.Linear(WIDTH, len(kinds))
        self.kinds = nn.Parameter(kinds.clone())
        self.copy_teacher = nn.Linear(WIDTH, teacher.FEATURES)
        self.dropout = nn.Dropout(dropout)
        nn.init.constant_(self.classifier.bias, -5.0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.vectors(self.places(pixels))

    def hear(self, pixels: Tensor) -> Heard:
        """``forward`` and the answers to the teacher, each for a fifth of the time."""
        places = self.places(pixels)
        fifths = F.adaptive_avg_pool1d(places, teacher.PLACES).transpose(1, 2)
        return Heard(self.vectors(places), self.classifier(fifths), self.copy_teacher(fifths))

    def places(self, pixels: Tensor) -> Tensor:
        """Features at each of eight times, averaged over frequency: (batch, 1024, 8)."""
        return self.map_of(pixels).mean(2)

    def vectors(self, places: Tensor) -> Tensor:
        """Unit vectors from the features of all times, (batch, 1024, n): (batch, 384)."""
        # The mean tells what goes on all the time, the maximum what happened once (Q. Kong, PANNs, 2020).
        x = self.dropout(places.mean(2) + places.amax(2))
        known = self.classifier(places.mean(2)).softmax(-1) @ self.kinds
        return F.normalize(self.linear(x) + known, dim=-1)


def start_of(trunk: EfficientNetLite2, kinds: Tensor, seed: int) -> SoundTower:
    """A tower to train, in the memory layout in which its convolutions are fastest."""
    torch.manual_seed(seed)
    return SoundTower(trunk, kinds).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
