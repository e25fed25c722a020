"""Linear layers whose weights are 8-bit integers.

One scale for each row of the weights is kept and one for each token is found as it comes, so that no token's
vector depends on another token's size, be it of the same medium or of a neighbour in the batch. Behind a
norm, columns that are larger than others are evened out first. Tokens have ``TOKEN_LEVELS`` on either side
of zero; the weights of a row have as many levels as are sure not to overflow in the narrowest sums that any
processor here makes. So the integers, and with them the vectors but for rounding in float32, are the same on
every processor, whichever code multiplies them.

Attention is done in integers of 12 and 13 bits where the kernel can do it, else by torch in float32; vectors
differ far less by that than by the 8 bits around it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bindsearch.encoders.imagebind.tiles import (
    LARGEST_SUM,
    LEAST,
    OFFSET,
    OUTPUTS,
    ROWS,
    STEPS,
    TOKEN_LEVELS,
    suits_shape,
)

if TYPE_CHECKING:
    from bindsearch.encoders.imagebind.kernel import Kernel

WEIGHT_LEVELS = 127
_ROUNDING = STEPS  # what rounding can add to a sum of twice as many weights
_AT_ONCE = 128  # rows that are quantised together, lest copies of a whole matrix pile up


def int8_linear(
    weight: Tensor, bias: Tensor, *, norm: nn.LayerNorm | None = None, gelu: bool = False
) -> Int8Linear:
    """The 8-bit form of a linear layer that is fastest here; ``weight`` (outputs, columns) is float32."""
    layer: type[Int8Linear] = (
        KernelLinear if kernel_suits_processor() and suits_shape(*weight.shape) else OneDnnLinear
    )
    return layer(weight, bias, norm=norm, gelu=gelu)


class Int8Linear(nn.Module):
    """What the two ways of multiplying share; input and output are float32.

    The layer takes what comes right before and after it along: ``norm`` of its input, ``gelu`` of its output.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, *, norm: nn.LayerNorm | None = None, gelu: bool = False
    ) -> None:
        super().__init__()
        self.size = weight.numel()  # in bytes
        self.bias = nn.Parameter(bias.clone(), requires_grad=False)
        columns = None
        if norm is not None:
            norm, columns = balanced(norm, weight)
        self.norm, self.gelu = norm, gelu
        self.scales, levels = quantised(weight, columns)  # (outputs,), (outputs, columns)
        self.pack(levels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, columns) to (B, L, outputs)."""
        return self.product(x.flatten(0, -2)).view(*x.shape[:-1], -1)

    def pack(self, levels: Tensor) -> None:
        """Keep the weights, (outputs, columns) int8, in the layout that they are used in."""
        raise NotImplementedError

    def product(self, x: Tensor) -> Tensor:
        """(n, columns) to (n, outputs)."""
        raise NotImplementedError


class OneDnnLinear(Int8Linear):
    """By torch's own 8-bit products: on any processor, and the fastest where there is VNNI."""

    def pack(self, levels: Tensor) -> None:
        """See Int8Linear."""
        self._packed = torch.ops.onednn.qlinear_prepack(levels, None)
        self._zeros = torch.zeros(len(levels), dtype=torch.int32)

    def product(self, x: Tensor) -> Tensor:
        """See Int8Linear."""
        x = x if self.norm is None else self.norm(x)
        largest = torch.maximum(x.amax(dim=1), -x.amin(dim=1)).clamp(min=LEAST)  # (n,)
        levels = torch.round(x * (TOKEN_LEVELS / largest)[:, None]).add_(OFFSET).to(torch.uint8)
        tokens = (levels, 1 / TOKEN_LEVELS, OFFSET)
        weights = (self._packed, self.scales, self._zeros)
        no_bias, as_float32, nothing_after = None, (1.0, 0, torch.float32), ("none", list[float](), "")
        sums: Tensor = torch.ops.onednn.qlinear_pointwise(
            *tokens, *weights, no_bias, *as_float32, *nothing_after
        )
        result = torch.addcmul(self.bias, sums, largest[:, None])
        return nn.functional.gelu(result) if self.gelu else result


class KernelLinear(Int8Linear):
    """By the kernel for processors that have AVX2 but no VNNI."""

    def pack(self, levels: Tensor) -> None:
        """See Int8Linear."""
        outputs, columns = levels.shape
        fours = levels.view(outputs // OUTPUTS, OUTPUTS, columns // 4, 4)
        self._packed = fours.transpose(1, 2).contiguous()
        self._start = -OFFSET * levels.sum(dim=1, dtype=torch.int32)  # (outputs,)

    def product(self, x: Tensor) -> Tensor:
        """See Int8Linear. Panels of outputs are divided among torch's number of threads."""
        from bindsearch.encoders.imagebind.kernel import compiled

        kernel = compiled()
        tokens, scales = self._quantised_tokens(kernel, x.contiguous())
        result = torch.empty(len(scales), len(self.scales))
        arrays = (tokens, scales, self._packed, self._start, self.scales, self.bias, result)
        addresses = [array.data_ptr() for array in arrays]
        sizes = (len(tokens), x.shape[1], result.shape[1])
        multiply = kernel.multiply_gelu if self.gelu else kernel.multiply
        _side_by_side(
            lambda panels: multiply(*addresses, *sizes, panels.start, len(panels)), sizes[-1] // OUTPUTS
        )
        return result[: len(x)]

    def _quantised_tokens(self, kernel: Kernel, x: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (n, columns), after the norm, as whole tiles, and as many scales."""
        rows, columns = x.shape
        tiles = -(-rows // ROWS)
        tokens = torch.empty(tiles, columns // 4, ROWS, 4, dtype=torch.uint8)
        scales = torch.zeros(tiles * ROWS)
        quantise, eps = kernel.quantise, list[float]()
        arrays = [x, tokens, scales]
        if self.norm is not None:
            quantise, eps = kernel.quantise_norm, [self.norm.eps]
            arrays[1:1] = [self.norm.weight, self.norm.bias]
        addresses = [array.data_ptr() for array in arrays]
        _side_by_side(lambda some: quantise(*addresses, columns, some.start, len(some), *eps), rows)
        return tokens, scales


def kernel_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(W)) v by the kernel, heads divided among torch's number of threads.

    Queries (B, H, L, W), keys and values (B, H, N, W) to (B, L, H W); N and W as ``suits_attention`` says.
    """
    from bindsearch.encoders.imagebind.kernel import compiled

    attend = compiled().attend
    batch, heads, rows, width = q.shape
    arrays = [array if array.stride(3) == 1 else array.contiguous() for array in (q, k, v)]
    result = torch.empty(batch, rows, heads, width)
    arrays.append(result.transpose(1, 2))
    sizes = (*(array.stride(2) for array in arrays), rows, k.shape[2], width)

    begins = [(array.data_ptr(), 4 * array.stride(0), 4 * array.stride(1)) for array in arrays]  # in bytes

    def answer(some: range) -> None:
        for number in some:
            one, head = divmod(number, heads)
            attend(*(first + one * step + head * further for first, step, further in begins), *sizes)

    _side_by_side(answer, batch * heads)
    return result.flatten(2)


def balanced(norm: nn.LayerNorm, weight: Tensor) -> tuple[nn.LayerNorm, Tensor]:
    """A norm whose columns are as large as those of its product's weights (outputs, columns) will be.

    Also what the weights' columns are to be multiplied by, (columns,), so that the product stays as it was.
    What the norm multiplies a column by tells how large tokens are there. Some columns of trained
    transformers are tens of times as large as the rest, which would leave few levels for all others. With a
    for the size of tokens and w for that of weights in a column, either becomes sqrt(a w). Source:
    SmoothQuant, arXiv 2211.10438, equation 4 with alpha 1/2, but for a, which is taken from the norm instead
    of samples, and w, which is the root of the mean square.
    """
    tokens = torch.hypot(norm.weight, norm.bias).clamp(min=LEAST)  # (columns,)
    weights = torch.linalg.vector_norm(weight, dim=0) / len(weight) ** 0.5
    moved = (tokens / weights.clamp(min=LEAST)).sqrt_()
    other = nn.LayerNorm(len(moved), norm.eps)
    other.weight = nn.Parameter(norm.weight / moved, requires_grad=False)
    other.bias = nn.Parameter(norm.bias / moved, requires_grad=False)
    return other, moved


def quantised(weight: Tensor, columns: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The size of one level in each row of ``weight``, (outputs,), and levels, (outputs, columns) int8.

    Where there are ``columns`` (columns,), of ``weight`` times them.
    """
    scales = torch.empty(len(weight))
    levels = torch.empty(weight.shape, dtype=torch.int8)
    for first in range(0, len(weight), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        rows = weight[some] if columns is None else weight[some] * columns
        scales[some] = row_scales(rows)
        levels[some] = torch.round(rows / scales[some, None])
    return scales, levels


def row_scales(weight: Tensor) -> Tensor:
    """The size of one level in each row of ``weight`` (outputs, columns): (outputs,)."""
    filled = nn.functional.pad(weight, (0, -weight.shape[1] % (4 * STEPS)))
    by_sum = torch.maximum(_largest_sum(filled), _largest_sum(-filled)) / (LARGEST_SUM - _ROUNDING)
    by_size = weight.abs().amax(dim=1) / WEIGHT_LEVELS
    return torch.maximum(by_sum, by_size).clamp(min=LEAST)


def _largest_sum(weight: Tensor) -> Tensor:
    """The largest sum of positive weights that meet in 16 bits, for each row: (outputs,)."""
    positive = weight.clamp(min=0)
    pairs = positive[:, 0::2] + positive[:, 1::2]  # (outputs, columns / 2)
    sums = pairs.view(len(weight), -1, STEPS, 2).sum(dim=2)  # (outputs, blocks, 2)
    return sums.amax(dim=(1, 2))


@cache
def kernel_suits_processor() -> bool:
    """Whether the kernel can run here and nothing faster is known."""
    if find_spec("llvmlite") is None:
        return False
    from bindsearch.encoders.imagebind.kernel import suits_processor

    return suits_processor()


def _side_by_side(work: Callable[[range], None], count: int) -> None:
    """Call ``work`` with ranges that make up ``range(count)``, one on each of torch's number of threads."""
    threads = min(torch.get_num_threads(), count)
    bounds = [count * part // threads for part in range(threads + 1)]
    shares = [range(first, last) for first, last in pairwise(bounds)]
    others = [_pool().submit(work, share) for share in shares[1:]]
    work(shares[0])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="int8")
