"""The audio tower: EfficientNet-Lite2 on spectrograms, and the paths from its features into the joint space.

The tower starts from the weights for photos: edges and textures serve in spectrograms too. Its first seven
blocks keep their weights and only measure anew how large their outputs are (their batch norms); its last
layer is cut from 1280 to 1024 features. Two paths are added and made unit length:

* a linear map of the pooled features;
* the text vectors of the teacher's 521 kinds of sound, averaged with the odds that the tower itself gives
  them (as in ``head``). This path knows sounds that no training label names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training import teacher
from bindsearch.training.towers import TEXT_DIMENSIONS, EfficientNetLite2, InvertedBottleneck, conv_bn

WIDTH = 1024
KEPT = 7
SKIPPED = 0.25


@dataclass(frozen=True, slots=True)
class Heard:
    """What the tower makes of a batch: unit ``vectors`` (batch, 384), and its answers to the teacher,
    ``scores`` (batch, 5, 521) as logits and ``features`` (batch, 5, 1024)."""

    vectors: Tensor
    scores: Tensor
    features: Tensor


class SoundTower(nn.Module):
    """Spectrograms, (batch, 64, 250, 3) in 0..255, to unit vectors, (batch, 384).

    ``kinds`` are the text vectors of the teacher's classes, (521, 384): a start, trained like the rest.
    """

    def __init__(self, trunk: EfficientNetLite2, kinds: Tensor, dropout: float = 0.3) -> None:
        super().__init__()
        self.stem, self.blocks = trunk.stem, trunk.blocks
        self.top = _narrowed(trunk.top)
        self.linear = nn.Linear(WIDTH, TEXT_DIMENSIONS)
        self.classifier = nn.Linear(WIDTH, len(kinds))
        self.kinds = nn.Parameter(kinds.clone())
        self.copy_teacher = nn.Linear(WIDTH, teacher.FEATURES)
        self.dropout = nn.Dropout(dropout)
        nn.init.constant_(self.classifier.bias, -5.0)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.vectors(self.places(pixels))

    def trained(self) -> Iterator[nn.Parameter]:
        """All weights but those of the stem and the first blocks."""
        kept = {id(weight) for part in (self.stem, self.blocks[:KEPT]) for weight in part.parameters()}
        return (weight for weight in self.parameters() if id(weight) not in kept)

    def hear(self, pixels: Tensor) -> Heard:
        """``forward`` and the answers to the teacher, each for a fifth of the time."""
        places = self.places(pixels)
        fifths = F.adaptive_avg_pool1d(places, teacher.PLACES).transpose(1, 2)
        return Heard(self.vectors(places), self.classifier(fifths), self.copy_teacher(fifths))

    def places(self, pixels: Tensor) -> Tensor:
        """Features at each of eight times, averaged over frequency: (batch, 1024, 8)."""
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        with torch.no_grad():
            x = self.blocks[:KEPT](F.relu6(self.stem(x)))
        for depth, block in enumerate(list(self.blocks)[KEPT:], 1):
            if not self._skips(block, depth / (len(self.blocks) - KEPT)):
                x = block(x)
        return F.relu6(self.top(x)).mean(2)

    def _skips(self, block: nn.Module, depth: float) -> bool:
        """While training, blocks with a shortcut are left out now and then, later ones more often
        (G. Huang et al., *Deep Networks with Stochastic Depth*, 2016)."""
        short = isinstance(block, InvertedBottleneck) and block.shortcut
        return self.training and short and float(torch.rand(())) < SKIPPED * depth

    def vectors(self, places: Tensor) -> Tensor:
        """Unit vectors from the features of all times, (batch, 1024, n): (batch, 384)."""
        # The mean tells what goes on all the time, the maximum what happened once (Q. Kong, PANNs, 2020).
        x = self.dropout(places.mean(2) + places.amax(2))
        known = self.classifier(places.mean(2)).softmax(-1) @ self.kinds
        return F.normalize(self.linear(x) + known, dim=-1)


def _narrowed(top: nn.Sequential) -> nn.Sequential:
    """The first 1024 outputs of the last layer."""
    conv, norm = top[0], top[1]
    assert isinstance(conv, nn.Conv2d)
    narrow = conv_bn(conv.in_channels, WIDTH)
    narrow[0].load_state_dict({"weight": conv.weight[:WIDTH]})
    state = {name: value[:WIDTH] if value.ndim else value for name, value in norm.state_dict().items()}
    narrow[1].load_state_dict(state)
    return narrow


def start_of(trunk: EfficientNetLite2, kinds: Tensor, seed: int) -> SoundTower:
    """A tower to train, in the memory layout in which its convolutions are fastest."""
    torch.manual_seed(seed)
    return SoundTower(trunk, kinds).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
