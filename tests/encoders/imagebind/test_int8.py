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
    int8_linear,
    kernel_suits_processor,
    row_scales,
)
from bindsearch.encoders.imagebind.tiles import OFFSET, STEPS, TOKEN_LEVELS, suits_shape

SHAPES = ((16, 32), (48, 96), (160, 320))
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
            KernelLinear(torch.zeros(16, 32), some, gelu=True)(torch.zeros(1, 32))[0]
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
    expected = functional.linear(x, weight)
    torch.testing.assert_close(KernelLinear(weight, bias)(x), expected, rtol=0.04, atol=0)


@given(st.integers(0, 2**32), st.sampled_from([1.0, 10.0, 1000.0]), st.sampled_from([20, 32, 100]))
@settings(max_examples=50, deadline=None)
def test_no_sum_of_sixteen_bits_can_overflow(seed: int, outlier: float, columns: int) -> None:
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
    assert torch.equal(kind(torch.zeros(16, 32), bias)(torch.zeros(1, 2, 32))[0, 1], bias)


def test_shapes_that_are_no_whole_tiles_are_multiplied_too() -> None:
    assert not suits_shape(24, 40)
    layer = int8_linear(random(24, 40), torch.zeros(24))
    assert isinstance(layer, OneDnnLinear)
    assert layer(random(1, 3, 40)).shape == (1, 3, 24)
