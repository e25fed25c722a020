"""8-bit linear layers: what they give, that no sum overflows, and that both ways of multiplying agree."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from bindsearch.encoders.imagebind.int8 import (
    Int8Linear,
    KernelLinear,
    OneDnnLinear,
    balanced,
    int8_linear,
    kernel_attention,
    kernel_suits_processor,
    row_scales,
)
from bindsearch.encoders.imagebind.precision import reduce_precision
from bindsearch.encoders.imagebind.tiles import (
    ATTENTION_LEVELS,
    OFFSET,
    STEPS,
    TOKEN_LEVELS,
    VALUE_LEVELS,
    suits_attention,
    suits_shape,
)
from bindsearch.encoders.imagebind.transformer import Attention, Block

SHAPES = ((16, 64), (48, 128), (160, 320))
needs_kernel = pytest.mark.skipif(not kernel_suits_processor(), reason="this processor has something faster")
kinds = pytest.mark.parametrize("kind", [OneDnnLinear, pytest.param(KernelLinear, marks=needs_kernel)])


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Torch's number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _sixteens(values: Tensor) -> tuple[Tensor, ...]:
    return functional.pad(values, (0, -len(values) % 16)).split(16)


@kinds
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 5, 6, 13])
def test_the_product_is_near_the_exact_one(kind: type[Int8Linear], shape: tuple[int, int], rows: int) -> None:
    weight, bias, x = random(*shape), random(shape[0], seed=1), random(2, rows, shape[1], seed=2)
    exact = functional.linear(x, weight, bias)
    found = kind(weight, bias)(x)
    assert found.shape == exact.shape
    assert functional.cosine_similarity(found, exact, dim=-1).min() > 0.998


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
def test_both_ways_give_the_same_numbers(shape: tuple[int, int], threads: int) -> None:
    weight, bias, x = random(*shape), random(shape[0], seed=1), random(3, 7, shape[1], seed=2)
    torch.testing.assert_close(KernelLinear(weight, bias)(x), OneDnnLinear(weight, bias)(x))


@needs_kernel
@pytest.mark.parametrize("gelu", [False, True])
def test_norm_and_gelu_are_the_same_both_ways(gelu: bool, threads: int) -> None:
    norm = torch.nn.LayerNorm(320, eps=1e-6)
    norm.weight.data, norm.bias.data = random(320, seed=3), random(320, seed=4)
    weight, bias, x = random(160, 320), random(160, seed=1), 3 * random(2, 7, 320, seed=2) + 1
    with torch.inference_mode():
        found, expected = (
            kind(weight, bias, norm=norm, gelu=gelu)(x) for kind in (KernelLinear, OneDnnLinear)
        )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@needs_kernel
def test_gelu_is_right_everywhere() -> None:
    values = torch.cat([torch.linspace(-9, 9, 4000), torch.tensor([-1e4, -5.0, 0.0, 5.0, 1e4])])
    found = torch.cat(
        [
            KernelLinear(torch.zeros(16, 64), some, gelu=True)(torch.zeros(1, 64))[0]
            for some in _sixteens(values)
        ]
    )
    wrong = (found[: len(values)] - functional.gelu(values)).abs()
    assert (wrong <= 1e-5 + 1e-7 * values.abs()).all()


@needs_kernel
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_tokens_and_weights_do_not_overflow(sign: int) -> None:
    weight, bias = torch.full((16, 320), float(sign)), torch.zeros(16)
    x = torch.ones(6, 320) * torch.tensor([1, -1, 2, -2, 3, -3])[:, None]
    expected, half_a_level = functional.linear(x, weight), float(row_scales(weight)[0]) / 2
    torch.testing.assert_close(KernelLinear(weight, bias)(x), expected, rtol=half_a_level, atol=0)


@given(st.integers(0, 2**32), st.sampled_from([1.0, 10.0, 1000.0]), st.sampled_from([20, 64, 200]))
@settings(max_examples=50, deadline=None)
def test_no_sum_of_a_block_can_overflow_sixteen_bits(seed: int, outlier: float, columns: int) -> None:
    weight = random(4, columns, seed=seed)
    weight[:, seed % columns] *= outlier
    levels = torch.round(weight / row_scales(weight)[:, None])
    assert levels.abs().max() <= 127
    filled = functional.pad(levels, (0, -columns % (4 * STEPS))).view(4, -1, STEPS, 2, 2)
    for sign in (1, -1):
        largest = (sign * filled).clamp(min=0).sum(dim=(2, 4)).max() * (OFFSET + TOKEN_LEVELS)
        assert largest <= 2**15 - 1


@kinds
def test_a_token_that_is_not_a_number_stays_so_and_spoils_no_other(kind: type[Int8Linear]) -> None:
    x = random(4, 64)
    x[2, 5] = float("nan")
    finite = kind(random(16, 64), torch.zeros(16))(x[None])[0].isfinite().all(dim=1)
    assert finite.tolist() == [True, True, False, True]


@kinds
def test_zeros_give_the_bias(kind: type[Int8Linear]) -> None:
    bias = random(16)
    assert torch.equal(kind(torch.zeros(16, 64), bias)(torch.zeros(1, 2, 64))[0, 1], bias)


def test_shapes_that_are_no_whole_tiles_are_multiplied_too() -> None:
    assert not suits_shape(24, 40)
    layer = int8_linear(random(24, 40), torch.zeros(24))
    assert isinstance(layer, OneDnnLinear)
    assert layer(random(1, 3, 40)).shape == (1, 3, 24)


def _with_loud_columns(columns: int) -> torch.nn.LayerNorm:
    """A norm that makes every fortieth column thirty times as large as the rest, as trained ones do."""
    norm = torch.nn.LayerNorm(columns)
    norm.weight.data, norm.bias.data = 1 + 0.1 * random(columns, seed=3), 0.1 * random(columns, seed=4)
    norm.weight.data[::40] *= 30
    return norm


def test_balancing_a_norm_and_its_weights_leaves_their_product_as_it_was() -> None:
    norm, weight, x = _with_loud_columns(320), random(48, 320), random(7, 320, seed=2)
    other, moved = balanced(norm, weight)
    with torch.inference_mode():
        torch.testing.assert_close(other(x) @ (weight * moved).T, norm(x) @ weight.T, rtol=1e-4, atol=1e-3)


def test_a_column_that_norm_or_weights_leave_out_is_balanced_too() -> None:
    norm, weight, x = torch.nn.LayerNorm(64), random(16, 64), random(3, 64, seed=2)
    norm.weight.data[5], norm.bias.data[5] = 0.0, 0.0
    weight[:, 9] = 0.0
    other, moved = balanced(norm, weight)
    with torch.inference_mode():
        torch.testing.assert_close(other(x) @ (weight * moved).T, norm(x) @ weight.T)


@kinds
def test_loud_columns_cost_the_others_few_levels(kind: type[Int8Linear]) -> None:
    norm, weight, x = _with_loud_columns(320), random(160, 320), random(1, 50, 320, seed=2)
    weight[:, ::40] /= 30  # what is made of them counts as much as of any other
    exact = functional.linear(norm(x), weight)
    assert (
        functional.cosine_similarity(kind(weight, torch.zeros(160), norm=norm)(x), exact, dim=-1).min()
        > 0.997
    )


@needs_kernel
@pytest.mark.parametrize(
    ("rows", "length", "width"),
    [(1, 1, 16), (5, 5, 16), (6, 16, 32), (7, 17, 48), (40, 257, 80), (1, 33, 64)],
)
def test_attention_is_near_the_exact_one(rows: int, length: int, width: int, threads: int) -> None:
    q, k, v = (random(2, 3, n, width, seed=n + seed) for seed, n in enumerate((rows, length, length)))
    exact = functional.scaled_dot_product_attention(4 * q, k, v).transpose(1, 2).flatten(2)
    found = kernel_attention(4 * q, k, v)
    assert found.shape == (2, rows, 3 * width)
    assert (found - exact).norm() < 0.005 * exact.norm()


@needs_kernel
def test_attention_takes_heads_out_of_one_matrix() -> None:
    packed = random(2, 9, 3, 4, 16).permute(2, 0, 3, 1, 4)  # as projected: the heads of a token side by side
    found = kernel_attention(*packed)
    torch.testing.assert_close(found, kernel_attention(*packed.contiguous()), rtol=0, atol=0)


@needs_kernel
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, 1e15])
def test_attention_holds_for_any_size_of_score(size: float) -> None:
    q, k, v = (random(1, 1, 30, 32, seed=seed) for seed in range(3))
    exact = functional.scaled_dot_product_attention(size * q, k, v)[0, 0]
    found = kernel_attention(size * q, k, v)[0]
    tied = (q[0, 0] @ k[0, 0].T).topk(2, dim=1).values.diff(dim=1).abs()[:, 0] < 0.02  # either may win
    assert (found - exact)[~tied].abs().max() < 0.02
    assert (~tied).sum() > 20


@needs_kernel
def test_the_largest_queries_keys_and_values_do_not_overflow() -> None:
    length = (2**31 - 1) // VALUE_LEVELS**2
    width = (2**31 - 1) // ATTENTION_LEVELS**2
    assert suits_attention(length, width) and not suits_attention(length + 1, width)
    assert not suits_attention(length, width + 16) and not suits_attention(length, width - 1)
    ones = torch.ones(1, 1, length, width)
    torch.testing.assert_close(kernel_attention(ones, ones, -3 * ones), -3 * torch.ones(1, length, width))


@needs_kernel
def test_attention_to_what_is_not_a_number_is_none_and_spoils_no_other() -> None:
    q, k, v = (random(3, 2, 5, 16, seed=seed) for seed in range(3))
    k[1, 0, 4, 7] = float("nan")
    v[2, 1, 0, 3] = float("nan")
    found = kernel_attention(q, k, v).view(3, 5, 2, 16).isnan()
    expected = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).isnan()
    assert torch.equal(found, expected) and expected.any() and not expected.all()


def test_a_block_in_int8_is_near_the_block() -> None:
    torch.manual_seed(3)
    block = Block(64, 4, extra=True)
    for parameter in block.parameters():
        parameter.data = torch.randn(parameter.shape) * 0.2
    x = random(2, 11, 64)
    with torch.inference_mode():
        exact = block(x, None)
        reduce_precision(block, "int8")
        found = block(x, None)
    assert type(block.attn) is not Attention
    assert 0.99 < functional.cosine_similarity(found, exact, dim=-1).min() < 1 - 1e-6
