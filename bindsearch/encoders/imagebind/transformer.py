"""The trunk that all towers share: a pre-norm transformer.

    x = x + attention(norm_1(x))
    x = x + fc2(gelu(fc1(norm_2(x))))

Parameter names are those of the published weights, so that its state dict loads as it is. Batch comes first
throughout. Source: arXiv 2305.05665; the extra key and value are those of ``torch.nn.MultiheadAttention``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS = 1e-6  # of every norm in trunk and head; stems have torch's own 1e-5


class Attention(nn.Module):
    """Self-attention; ``extra`` adds one learned key and value that every position sees."""

    def __init__(self, width: int, heads: int, *, extra: bool) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.bias_k = nn.Parameter(torch.empty(1, 1, width)) if extra else None
        self.bias_v = nn.Parameter(torch.empty(1, 1, width)) if extra else None
        self.out_proj: nn.Module = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None, picked: Tensor | None) -> Tensor:
        """``x`` (B, L, D) to (B, L, D); ``mask`` (L, L) is added to the scores.

        With ``picked`` (B,), a position in each row of the batch: (B, 1, D), of these positions alone.
        """
        batch, length, width = x.shape
        packed = self.project(x)  # (B, L, 3D), rows ordered q, k, v
        split = packed.view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # (B, H, L, D/H) each
        if picked is not None:
            q = rows_at(q.transpose(1, 2), picked).transpose(1, 2)  # (B, H, 1, D/H)
            mask = mask if mask is None else mask[picked][:, None, None]  # (B, 1, 1, L)
        k = self._with_extra(k, self.bias_k)  # (B, H, L+1, D/H)
        v = self._with_extra(v, self.bias_v)
        out: Tensor = self.out_proj(self.mix(q, k, v, mask))
        return out

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values in one: (B, L, D) to (B, L, 3D)."""
        return functional.linear(x, self.in_proj_weight, self.in_proj_bias)

    def mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """The values (B, H, N, D/H) by how well their keys fit the queries (B, H, L, D/H): (B, L, D)."""
        mixed = functional.scaled_dot_product_attention(q, k, v, mask)  # (B, H, L, D/H)
        return mixed.transpose(1, 2).flatten(2)

    def _with_extra(self, x: Tensor, extra: Tensor | None) -> Tensor:
        """``x`` (B, H, L, D/H) with the learned position at its end, where there is one."""
        if extra is None:
            return x
        last = extra.view(1, self.heads, 1, -1).expand(x.shape[0], -1, -1, -1)  # (B, H, 1, D/H)
        return torch.cat([x, last], dim=2)


class MLP(nn.Module):
    """Two layers with the exact GELU between them, hidden width 4 D."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1: nn.Module = nn.Linear(width, 4 * width)
        self.fc2: nn.Module = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D)."""
        hidden = functional.gelu(self.fc1(x))  # (B, L, 4D)
        out: Tensor = self.fc2(hidden)
        return out


class Block(nn.Module):
    """One transformer block."""

    def __init__(self, width: int, heads: int, *, extra: bool) -> None:
        super().__init__()
        self.attn = Attention(width, heads, extra=extra)
        self.norm_1: nn.Module = nn.LayerNorm(width, NORM_EPS)
        self.mlp: nn.Module = MLP(width)
        self.norm_2: nn.Module = nn.LayerNorm(width, NORM_EPS)

    def forward(self, x: Tensor, mask: Tensor | None, picked: Tensor | None = None) -> Tensor:
        """(B, L, D) to (B, L, D), or with ``picked`` (B,) to (B, 1, D)."""
        seen = self.attn(self.norm_1(x), mask, picked)
        x = (x if picked is None else rows_at(x, picked)) + seen
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class Trunk(nn.Module):
    """A stack of blocks; ``norm_first`` puts a layer norm before them, as the vision tower has it."""

    def __init__(self, width: int, blocks: int, heads: int, *, extra: bool, norm_first: bool) -> None:
        super().__init__()
        before = [nn.LayerNorm(width, NORM_EPS)] if norm_first else []
        self.pre_transformer_layer = nn.Sequential(*before)
        self.blocks = nn.ModuleList(Block(width, heads, extra=extra) for _ in range(blocks))

    def forward(self, x: Tensor, mask: Tensor | None = None, picked: Tensor | None = None) -> Tensor:
        """Tokens (B, L, D) to tokens (B, L, D).

        With ``picked`` (B,), a position in each row of the batch: (B, 1, D). The last block, on which nothing
        follows that would look at the others, then computes these positions only.
        """
        x = self.pre_transformer_layer(x)
        *blocks, last = self.blocks
        for block in blocks:
            x = block(x, mask)
        out: Tensor = last(x, mask, picked)
        return out


def rows_at(x: Tensor, picked: Tensor) -> Tensor:
    """``x`` (B, L, ...) at one position (B,) in each row of the batch: (B, 1, ...)."""
    return x[torch.arange(len(x), device=x.device), picked].unsqueeze(1)
