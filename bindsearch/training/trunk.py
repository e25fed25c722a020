"""EfficientNet-Lite2 as a start: its first blocks as published, the others to be trained further.

Edges and textures serve in pictures of sound, distance and heat too, so that the first blocks keep their
weights, and only measure anew how large their outputs are (their batch norms). They also hold most of the
pixels: leaving them as they are takes half of the time of a step.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.towers import FEATURES, EfficientNetLite2, InvertedBottleneck, conv_bn

KEPT = 7
SKIPPED = 0.25


class Trunk(nn.Module):
    """Pixels in 0..255, (batch, height, width, 3), to a map of features, (batch, width, h, w).

    ``width`` cuts the last layer to its first outputs; ``kept`` is how many blocks keep their weights.
    """

    def __init__(self, source: EfficientNetLite2, width: int = FEATURES, kept: int = KEPT) -> None:
        super().__init__()
        self.kept = kept
        self.stem, self.blocks = source.stem, source.blocks
        self.top = source.top if width == FEATURES else _narrowed(source.top, width)

    def trained(self) -> Iterator[nn.Parameter]:
        """All weights but those of the stem and the first blocks."""
        fixed = {id(weight) for part in (self.stem, self.blocks[: self.kept]) for weight in part.parameters()}
        return (weight for weight in self.parameters() if id(weight) not in fixed)

    def map_of(self, pixels: Tensor) -> Tensor:
        """The features at each place."""
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        with torch.no_grad():
            x = self.blocks[: self.kept](F.relu6(self.stem(x)))
        for depth, block in enumerate(list(self.blocks)[self.kept :], 1):
            if not self._skips(block, depth / (len(self.blocks) - self.kept)):
                x = block(x)
        return F.relu6(self.top(x))

    def _skips(self, block: nn.Module, depth: float) -> bool:
        """While training, blocks with a shortcut are left out now and then, later ones more often
        (G. Huang et al., *Deep Networks with Stochastic Depth*, 2016)."""
        short = isinstance(block, InvertedBottleneck) and block.shortcut
        return self.training and short and float(torch.rand(())) < SKIPPED * depth


def _narrowed(top: nn.Sequential, width: int) -> nn.Sequential:
    """The first ``width`` outputs of the last layer."""
    conv, norm = top[0], top[1]
    assert isinstance(conv, nn.Conv2d)
    narrow = conv_bn(conv.in_channels, width)
    narrow[0].load_state_dict({"weight": conv.weight[:width]})
    state = {name: value[:width] if value.ndim else value for name, value in norm.state_dict().items()}
    narrow[1].load_state_dict(state)
    return narrow
