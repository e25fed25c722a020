"""ImageBind: stems, trunks, heads and scales of any of the six towers, under the published weights' names.

A model with one tower is a model too: that is how towers are loaded one by one. Outputs are what the
published code gives: unit vectors times a scale that differs between towers.

Source: arXiv 2305.05665, and the behaviour of the published implementation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from bindsearch.encoders.imagebind.config import TowerConfig
from bindsearch.encoders.imagebind.stems import InertialStem, PictureStem, TextStem
from bindsearch.encoders.imagebind.transformer import NORM_EPS, Trunk, rows_at

MAX_SCALE = 100.0


class ImageBind(nn.Module):
    """The towers in ``configs``, by name. Weights are uninitialised until a state dict is loaded."""

    def __init__(self, configs: Mapping[str, TowerConfig]) -> None:
        super().__init__()
        self.modality_preprocessors = nn.ModuleDict({t: _stem(t, c) for t, c in configs.items()})
        self.modality_trunks = nn.ModuleDict({t: _trunk(t, c) for t, c in configs.items()})
        self.modality_heads = nn.ModuleDict({t: _head(t, c) for t, c in configs.items()})
        self.modality_postprocessors = nn.ModuleDict({t: _post(t) for t in configs})

    def forward(self, tower: str, x: Tensor) -> Tensor:
        """(B, ...) to (B, output). With five axes or more, (B, views, ...): the mean over the views."""
        if x.ndim < 5:
            return self.views(tower, x)
        items, views = x.shape[:2]
        scaled = self.views(tower, x.flatten(0, 1))  # (B * views, output)
        return scaled.view(items, views, -1).mean(dim=1)

    def views(self, tower: str, x: Tensor) -> Tensor:
        """Samples (B, ...) to scaled vectors (B, output), one for each sample."""
        picked = _picked(tower, x)
        trunk = self.trunk(tower, self.tokens(tower, x), picked)[:, 0]  # (B, D)
        out: Tensor = self.modality_postprocessors[tower](self.modality_heads[tower](trunk))
        return out

    def tokens(self, tower: str, x: Tensor) -> Tensor:
        """What enters the trunk: (B, L, D)."""
        out: Tensor = self.modality_preprocessors[tower](x)
        return out

    def trunk(self, tower: str, tokens: Tensor, picked: Tensor | None = None) -> Tensor:
        """What leaves the trunk: (B, L, D), or with ``picked`` (B,), a position in each row, (B, 1, D)."""
        stem, mask = self.modality_preprocessors[tower], None
        if isinstance(stem, TextStem):
            length = tokens.shape[1]
            mask = stem.mask[:length, :length]
        out: Tensor = self.modality_trunks[tower](tokens, mask, picked)
        return out

    def head(self, tower: str, tokens: Tensor, x: Tensor) -> Tensor:
        """Vectors (B, output) before normalising; for text ``x`` (B, L) tells where each text ends."""
        out: Tensor = self.modality_heads[tower](rows_at(tokens, _picked(tower, x))[:, 0])
        return out

    def logit_scale(self, tower: str) -> float:
        """The length of the tower's vectors: 1 for vision, at most 100 for the others."""
        one = functional.normalize(torch.ones(1, 1, device=next(self.parameters()).device), dim=-1)
        return float(self.modality_postprocessors[tower](one))


class _TextHead(nn.Module):
    """The published weights have the text tower's head one level deeper than the others'."""

    def __init__(self, width: int, output: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.LayerNorm(width, NORM_EPS), nn.Linear(width, output, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to (B, output)."""
        out: Tensor = self.proj(x)
        return out


class _UnitLength(nn.Module):
    """Rows to length 1, in float32 whatever the tower computes in."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, output) to (B, output)."""
        return functional.normalize(x.float(), dim=-1, eps=1e-12)


class _LogitScale(nn.Module):
    """Rows times a scale that is stored as its logarithm."""

    def __init__(self, *, learned: bool) -> None:
        super().__init__()
        if learned:
            self.log_logit_scale = nn.Parameter(torch.empty(()))
        else:
            self.register_buffer("log_logit_scale", torch.empty(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, output) to (B, output)."""
        return x * self.log_logit_scale.float().exp().clamp(max=MAX_SCALE)


def _picked(tower: str, x: Tensor) -> Tensor:
    """The position (B,) of the token that stands for the whole sample: the end of a text, else the class."""
    if tower == "text":
        return x.argmax(dim=1)  # the end has the largest id, and the first one counts
    return torch.zeros(len(x), dtype=torch.long, device=x.device)


def _stem(tower: str, config: TowerConfig) -> nn.Module:
    if tower == "text":
        return TextStem(config)
    return InertialStem(config) if tower == "imu" else PictureStem(tower, config)


def _trunk(tower: str, config: TowerConfig) -> nn.Module:
    extra = tower not in ("vision", "text")
    return Trunk(config.width, config.blocks, config.heads, extra=extra, norm_first=tower == "vision")


def _head(tower: str, config: TowerConfig) -> nn.Module:
    if tower == "text":
        return _TextHead(config.width, config.output)
    norm = nn.LayerNorm(config.width, NORM_EPS)
    # Between norm and linear the published code picks a token and, for IMU, drops out: nothing with weights.
    between = [nn.Identity() for _ in range(2 if tower == "imu" else 1)]
    return nn.Sequential(norm, *between, nn.Linear(config.width, config.output, bias=False))


def _post(tower: str) -> nn.Module:
    if tower == "vision":
        return _UnitLength()
    return nn.Sequential(_UnitLength(), _LogitScale(learned=tower == "text"))
