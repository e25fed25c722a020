"""Precisions that cost less than float32: half the bits, or 8-bit integers for the trunk's linear layers.

``bfloat16`` and ``float16`` keep matrices in that type and multiply in it; the sums along the trunk, its
norms and what is added after them stay in float32. ``int8`` leaves norms, stems and heads in float32, and
attention too where it has no kernel for it; it runs on processors only. See ``int8`` for how it rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from bindsearch.encoders.imagebind.config import PRECISIONS
from bindsearch.encoders.imagebind.int8 import (
    Int8Linear,
    int8_linear,
    kernel_attention,
    kernel_suits_processor,
)
from bindsearch.encoders.imagebind.tiles import suits_attention
from bindsearch.encoders.imagebind.transformer import MLP, Attention, Block
from bindsearch.errors import EncoderError

HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def reduce_precision(part: nn.Module, precision: str) -> None:
    """Bring a model, or a part of one, into ``precision``, in place; EncoderError if there is no such."""
    if precision not in PRECISIONS:
        raise EncoderError(f"{precision!r} is not a precision", hint=f"known: {', '.join(PRECISIONS)}")
    if precision in HALVES:
        _halve(part, HALVES[precision])
    if precision == "int8":
        if not torch._C._has_mkldnn:
            raise EncoderError("int8 needs torch with oneDNN, which this one lacks", hint="use float32")
        for module in part.modules():
            if isinstance(module, Block) and not isinstance(module.attn, _Int8Attention):
                _quantise_block(module)


@contextmanager
def arithmetic(device: str, precision: str) -> Iterator[None]:
    """Within, matrices are multiplied in ``precision`` on ``device``, and no gradients are recorded."""
    half = HALVES.get(precision)
    lower = nullcontext() if half is None else torch.autocast(torch.device(device).type, half)
    with torch.inference_mode(), lower:
        yield


def shrunk(size: int, precision: str) -> int:
    """How many bytes weights of ``size`` bytes in float32 take at most in ``precision``."""
    if precision in HALVES:
        return size // 2 + size // 20
    return size * 2 // 5 if precision == "int8" else size  # the text tower's table of words stays float32


def bytes_of(model: nn.Module) -> int:
    """The memory that a model's weights take."""
    packed = sum(module.size for module in model.modules() if isinstance(module, Int8Linear))
    return packed + sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))


class _Int8Attention(Attention):
    """Attention whose two linear layers are 8-bit; with the kernel, scores and shares are integers too."""

    def __init__(self, full: Attention, norm: nn.LayerNorm) -> None:
        nn.Module.__init__(self)
        self.heads = full.heads
        self.bias_k, self.bias_v = full.bias_k, full.bias_v
        self.in_proj = int8_linear(full.in_proj_weight, full.in_proj_bias, norm=norm)
        self.out_proj = _quantised(full.out_proj)

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """See Attention.project."""
        out: torch.Tensor = self.in_proj(x)
        return out

    def mix(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """See Attention.mix."""
        if mask is None and suits_attention(*k.shape[2:]) and kernel_suits_processor():
            return kernel_attention(q, k, v)
        return super().mix(q, k, v, mask)


def _quantise_block(block: Block) -> None:
    """Norms and GELU become part of the linear layers behind and before them."""
    norm_1, mlp, norm_2 = block.norm_1, block.mlp, block.norm_2
    assert isinstance(norm_1, nn.LayerNorm) and isinstance(mlp, MLP) and isinstance(norm_2, nn.LayerNorm)
    block.attn = _Int8Attention(block.attn, norm_1)
    block.mlp = nn.Sequential(_quantised(mlp.fc1, norm=norm_2, gelu=True), _quantised(mlp.fc2))
    block.norm_1, block.norm_2 = nn.Identity(), nn.Identity()


def _quantised(linear: nn.Module, *, norm: nn.LayerNorm | None = None, gelu: bool = False) -> Int8Linear:
    assert isinstance(linear, nn.Linear) and linear.bias is not None
    return int8_linear(linear.weight, linear.bias, norm=norm, gelu=gelu)


def _halve(part: nn.Module, half: torch.dtype) -> None:
    """Matrices in half the bits; vectors, such as those of norms, stay as they are."""
    for parameter in part.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.to(half)
