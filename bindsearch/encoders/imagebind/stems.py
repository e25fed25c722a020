"""What makes tokens of samples: one stem per kind of input, under the published weights' parameter names.

Every stem gives (B, L, D): the tokens of the patches in row-major order, a class token in front of them (text
has none), the position table added to all.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bindsearch.encoders.imagebind.config import IMU_CHANNELS, STEMS, TowerConfig

STILL_FRAMES = 2  # a still picture is a film of two equal frames


class _Patches2d(nn.Module):
    """Patches of one-channel pictures: a convolution without bias, then a layer norm."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        kernel, stride = config.kernel, config.stride
        self.proj = nn.Conv2d(1, config.width, (kernel[0], kernel[1]), (stride[0], stride[1]), bias=False)
        self.norm_layer = nn.LayerNorm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, L, D)."""
        patches = self.proj(x)  # (B, D, rows, columns)
        tokens = patches.flatten(2).transpose(1, 2)  # (B, L, D)
        out: Tensor = self.norm_layer(tokens)
        return out


class _Patches3d(nn.Module):
    """Patches of colour films: a convolution over time, rows and columns, without bias or norm."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        time, rows, columns = config.kernel
        kernel = (time, rows, columns)
        conv = nn.Conv3d(config.sample[0], config.width, kernel, kernel, bias=False)
        self.proj = nn.ModuleList([nn.Identity(), conv])  # the published weights call the convolution proj.1

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) or (B, 3, T, H, W) to (B, L, D)."""
        conv = self.proj[1]
        assert isinstance(conv, nn.Conv3d)
        kernel = conv.weight  # (D, 3, T, rows, columns)
        stride = kernel.shape[2:]  # patches touch
        if x.ndim == 4:
            x = x.unsqueeze(2)  # (B, 3, 1, H, W)
        if x.shape[2] == 1 and kernel.shape[2] == STILL_FRAMES:
            # Equal frames: summing the kernel over time first saves half of the work.
            flat = kernel.sum(2)  # (D, 3, rows, columns)
            patches = functional.conv2d(x[:, :, 0], flat, stride=stride[1:])  # (B, D, rows, columns)
        else:
            frames = STILL_FRAMES if x.shape[2] == 1 else x.shape[2]
            film = x.expand(-1, -1, frames, -1, -1)  # (B, 3, T, H, W)
            patches = functional.conv3d(film, kernel, stride=stride)  # (B, D, T, rows, columns)
        return patches.flatten(2).transpose(1, 2)  # (B, L, D)


class _Positions(nn.Module):
    """The position table of a tower that sees pictures."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, config.positions, config.width))


class PictureStem(nn.Module):
    """Vision, audio, depth and thermal: patches of a picture, a film or a spectrogram."""

    def __init__(self, tower: str, config: TowerConfig) -> None:
        super().__init__()
        self.tower = tower
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.add_module(STEMS[tower], _Patches3d(config) if tower == "vision" else _Patches2d(config))
        self.pos_embedding_helper = _Positions(config)

    def forward(self, x: Tensor) -> Tensor:
        """Samples to tokens (B, L, D)."""
        tokens = self.get_submodule(STEMS[self.tower])(x)  # (B, L-1, D)
        table: Tensor = self.pos_embedding_helper.pos_embed
        if self.tower == "vision":
            table = resized_positions(table, tokens.shape[1])
        return _with_class_token(self.cls_token, tokens) + table


class InertialStem(nn.Module):
    """IMU: patches of a few steps, channel after channel, through a linear layer and a norm."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.steps = config.kernel[0]
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.empty(1, config.positions, config.width))
        self.imu_stem = nn.ModuleDict(
            {
                "proj": nn.Linear(IMU_CHANNELS * self.steps, config.width, bias=False),
                "norm_layer": nn.LayerNorm(config.width),
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, 6, steps) to (B, L, D)."""
        patches = x.unfold(2, self.steps, self.steps)  # (B, 6, L-1, 8)
        flat = patches.transpose(1, 2).flatten(2)  # (B, L-1, 48)
        tokens = self.imu_stem["norm_layer"](self.imu_stem["proj"](flat))  # (B, L-1, D)
        return _with_class_token(self.cls_token, tokens) + self.pos_embed


class _Embedding(nn.Module):
    """A vector for each id; torch's own fills its table with random numbers first, which costs a second."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.vocabulary, config.width))

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) to (B, L, D)."""
        return functional.embedding(ids, self.weight)


class TextStem(nn.Module):
    """Text: an embedding of each id. ``mask`` (L, L) hides from every position what comes after it."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.token_embedding = _Embedding(config)
        self.pos_embed = nn.Parameter(torch.empty(1, config.positions, config.width))
        self.mask: Tensor
        self.register_buffer("mask", torch.empty(config.positions, config.positions))

    def forward(self, ids: Tensor) -> Tensor:
        """(B, L) to (B, L, D); L may be less than the table is long."""
        tokens = self.token_embedding(ids)  # (B, L, D)
        out: Tensor = tokens + self.pos_embed[:, : ids.shape[1]]
        return out


def resized_positions(table: Tensor, patches: int) -> Tensor:
    """``table`` (1, 1+N, D) for square pictures of another number of patches: (1, 1+patches, D).

    The class row stays; the others are a square grid that is resized bicubically.
    """
    class_row, grid = table[:, :1], table[:, 1:]  # (1, 1, D), (1, N, D)
    if grid.shape[1] == patches:
        return table
    old, new = math.isqrt(grid.shape[1]), math.isqrt(patches)
    if old**2 != grid.shape[1] or new**2 != patches:
        raise ValueError(f"only square pictures can have another size than usual, not {patches} patches")
    square = grid.view(1, old, old, -1).permute(0, 3, 1, 2)  # (1, D, old, old)
    resized = functional.interpolate(square, (new, new), mode="bicubic", align_corners=False)
    return torch.cat([class_row, resized.flatten(2).transpose(1, 2)], dim=1)


def _with_class_token(token: Tensor, tokens: Tensor) -> Tensor:
    return torch.cat([token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
