"""An ImageBind tower as a straightforward implementation computes it, to measure ours against.

Sequence first, ``torch.nn.MultiheadAttention``, every token through every block, a still doubled into a film;
the weights are shared with the tower that it is made from.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bindsearch.encoders.imagebind.towers import ImageBind
from bindsearch.encoders.imagebind.transformer import Attention, Block


class _Block(nn.Module):
    def __init__(self, ours: Block) -> None:
        super().__init__()
        self.norm_1, self.norm_2, self.mlp = ours.norm_1, ours.norm_2, ours.mlp
        self.attention = _attention(ours.attn)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(L, B, D) to (L, B, D)."""
        y = self.norm_1(x)
        x = x + self.attention(y, y, y, need_weights=False, attn_mask=mask)[0]
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class _Tower(nn.Module):
    def __init__(self, model: ImageBind, tower: str) -> None:
        super().__init__()
        self.model, self.tower = model, tower
        trunk = model.modality_trunks[tower]
        self.before = trunk.pre_transformer_layer
        self.blocks = nn.ModuleList(map(_Block, trunk.blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Samples (B, ...) to vectors (B, output)."""
        film = x.unsqueeze(2).expand(-1, -1, 2, -1, -1) if self.tower == "vision" else x
        stem = self.model.modality_preprocessors[self.tower]
        tokens = self.before(stem(film)).transpose(0, 1)  # (L, B, D)
        for block in self.blocks:
            tokens = block(tokens, getattr(stem, "mask", None))
        return self.model.head(self.tower, tokens.transpose(0, 1), x)


def plain_tower(model: ImageBind, tower: str) -> nn.Module:
    """The plain form of one tower of ``model``, in float32."""
    return _Tower(model, tower).eval()


def _attention(ours: Attention) -> nn.MultiheadAttention:
    width = ours.in_proj_weight.shape[1]
    with torch.device("meta"):
        made = nn.MultiheadAttention(width, ours.heads, add_bias_kv=ours.bias_k is not None)
    made.load_state_dict(ours.state_dict(), assign=True)
    return made
