"""Precisions that cost less than float32: bfloat16, and 8-bit integers for the trunk's linear layers.

The 8-bit layers keep one scale for each row of the weights and find one for each token as it comes, so that
no token's vector depends on another token's size, be it of the same medium or of a neighbour in the batch.
Tokens use 7 bits: processors without VNNI add pairs of products in 16 bits, which 8 could overflow. Norms,
attention scores, stems and heads stay in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bindsearch.encoders.imagebind.config import PRECISIONS
from bindsearch.encoders.imagebind.transformer import MLP, Attention, Block
from bindsearch.errors import EncoderError

if TYPE_CHECKING:
    from bindsearch.encoders.imagebind.towers import ImageBind


_TOKEN_LEVELS = 63  # on either side of zero
_WEIGHT_LEVELS = 127


def reduce_precision(model: ImageBind, precision: str) -> ImageBind:
    """``model`` in ``precision``, changed in place; EncoderError if that is not one of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise EncoderError(f"{precision!r} is not a precision", hint=f"known: {', '.join(PRECISIONS)}")
    if precision == "bfloat16":
        return model.to(torch.bfloat16)
    if precision == "int8":
        if not torch._C._has_mkldnn:
            raise EncoderError("int8 needs torch with oneDNN, which this one lacks", hint="use float32")
        for block in model.modules():
            if isinstance(block, Block):
                _quantise_block(block)
    return model


class Int8Linear(nn.Module):
    """A linear layer whose weights are 8-bit integers; input and output are float32."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias, requires_grad=False)
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / _WEIGHT_LEVELS  # (out,)
        levels = torch.round(weight / scale[:, None]).to(torch.int8)  # (out, in)
        self._packed = torch.ops.onednn.qlinear_prepack(levels, None)
        self._scale = scale
        self._zero = torch.zeros(len(scale), dtype=torch.int32)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, in) to (B, L, out)."""
        flat = x.flatten(0, -2)  # (B * L, in)
        scale = flat.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12)  # (B * L, 1)
        levels = torch.round(flat * (_TOKEN_LEVELS / scale)).add_(_TOKEN_LEVELS + 1).to(torch.uint8)
        out = torch.addcmul(self.bias, self._product(levels), scale)  # (B * L, out)
        return out.view(*x.shape[:-1], -1)

    def _product(self, levels: Tensor) -> Tensor:
        """(n, in), uint8, to (n, out), float32: as if the tokens' largest numbers were all 1."""
        tokens = (levels, 1 / _TOKEN_LEVELS, _TOKEN_LEVELS + 1)
        weights = (self._packed, self._scale, self._zero)
        no_bias, as_float32, nothing_after = None, (1.0, 0, torch.float32), ("none", list[float](), "")
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            *tokens, *weights, no_bias, *as_float32, *nothing_after
        )
        return out


class _Int8Attention(Attention):
    """Attention whose two linear layers are 8-bit."""

    def __init__(self, full: Attention) -> None:
        nn.Module.__init__(self)
        self.heads = full.heads
        self.bias_k, self.bias_v = full.bias_k, full.bias_v
        self.in_proj = Int8Linear(full.in_proj_weight, full.in_proj_bias)
        self.out_proj = _quantised(full.out_proj)

    def project(self, x: Tensor) -> Tensor:
        """See Attention.project."""
        out: Tensor = self.in_proj(x)
        return out


def _quantise_block(block: Block) -> None:
    block.attn = _Int8Attention(block.attn)
    mlp: MLP = block.mlp
    mlp.fc1, mlp.fc2 = _quantised(mlp.fc1), _quantised(mlp.fc2)


def _quantised(linear: nn.Module) -> Int8Linear:
    assert isinstance(linear, nn.Linear) and linear.bias is not None
    return Int8Linear(linear.weight, linear.bias)
