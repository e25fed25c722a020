"""Products of tokens and weights in 8 bits, their scales, the bias and GELU.

Processors with AVX2 multiply 32 pairs of bytes in one step and add neighbours, into 16 bits. The usual
libraries widen each of these sums to 32 bits at once, which costs as much again. Here they stay in 16 bits
over ``STEPS`` steps, in which weights of the right size (``tiles``) cannot overflow. The next panel of
weights is fetched from memory while one is multiplied.

    gelu(x) = x (1/2 + c h(c^2)), c = x clamped to -5 ... 5, h(x^2) = erf(x / sqrt 2) / (2 x)

h is a polynomial through Chebyshev's points, which is wrong by so little that gelu is by no more than
1e-5, or 1e-7 of x, whichever is larger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial

from bindsearch.encoders.imagebind.kernel.building import (
    F32,
    FLOATS,
    I8,
    I32,
    I64,
    INTS,
    PARTS,
    Builder,
    eight,
    intrinsic,
)
from bindsearch.encoders.imagebind.tiles import DEPTH, OUTPUTS, ROWS, STEPS

_LINE = 64  # bytes that come from memory together
_GELU_LIMIT, _GELU_DEGREE = 5.0, 12


def define_multiply(module: ir.Module, name: str, *, gelu: bool) -> None:
    """Add ``multiply``, or ``multiply_gelu``, to the module; see Kernel."""
    floats, numbers, raw = F32.as_pointer(), I32.as_pointer(), I8.as_pointer()
    pointers = [raw, floats, raw, numbers, floats, floats, floats]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, *[I64] * 5]), name)
    tokens, token_scales, weights, start, scales, bias, result, tiles, columns, outputs, first, count = (
        function.args
    )
    clobbers = [*(f"~{{ymm{n}}}" for n in range(16)), "~{memory}"]
    add_products = ir.InlineAsm(
        ir.FunctionType(ir.VoidType(), [raw, raw, INTS.as_pointer()]),
        "\n".join(_add_products()),
        ",".join(["r", "r", "r", *clobbers]),
        side_effect=True,
    )
    b = Builder(function.append_basic_block())
    sums = b.alloca(INTS, ROWS * PARTS)
    with b.loop(count) as number:
        output = b.times(b.add(first, number), OUTPUTS)
        panel = b.at(weights, output, columns)
        lines = b.udiv(b.times(columns, OUTPUTS), I64(_LINE))  # of a panel
        ahead = b.add(b.udiv(lines, tiles), I64(1))
        with b.loop(tiles) as tile:
            with b.loop(ahead) as line:
                b.fetch(b.at(panel, b.add(b.add(lines, b.times(tile, ahead)), line), _LINE))
            for part in range(PARTS):
                begin = b.read(b.at(b.at(start, output), 8 * part), INTS)
                for row in range(ROWS):
                    b.store(begin, b.at(sums, row * PARTS + part))
            some_tokens = b.at(tokens, tile, columns, ROWS)
            with b.loop(b.udiv(columns, I64(DEPTH))) as block:
                places = (b.at(some_tokens, block, DEPTH * ROWS), b.at(panel, block, DEPTH * OUTPUTS), sums)
                b.call(add_products, places)
            for row in range(ROWS):
                token = b.add(b.times(tile, ROWS), I64(row))
                token_scale = b.splat(b.read(b.at(token_scales, token), F32))
                for part in range(PARTS):
                    place = b.add(output, I64(8 * part))
                    scale = b.fmul(token_scale, b.read(b.at(scales, place), FLOATS))
                    value = b.fmul(b.sitofp(b.load(b.at(sums, row * PARTS + part)), FLOATS), scale)
                    value = b.fadd(value, b.read(b.at(bias, place), FLOATS))
                    b.write(_gelu(b, value) if gelu else value, b.at(b.at(result, token, outputs), place))
    b.ret_void()


def _add_products() -> Iterator[str]:
    """Add to the sums at $2 the products of tokens at $0 and weights at $1 over ``DEPTH`` columns.

    Instructions themselves rather than LLVM's terms, since LLVM would reorder the additions of several steps
    and run out of registers. Each group of four columns of a token is multiplied by those of all outputs.
    """
    count = ROWS * PARTS  # of 16-bit sums, which have the first registers
    weights, products = range(count, count + PARTS), range(count + PARTS, count + 2 * PARTS)
    four = products[-1]  # a token's columns, until their last products take the place
    for step in range(STEPS):
        for part in range(PARTS):
            yield f"vmovdqu {step * 4 * OUTPUTS + 32 * part}($1), %ymm{weights[part]}"
        for row in range(ROWS):
            sums = range(row * PARTS, (row + 1) * PARTS)
            yield f"vpbroadcastd {step * 4 * ROWS + 4 * row}($0), %ymm{four}"
            for weight, product in zip(weights, products if step else sums, strict=True):
                yield f"vpmaddubsw %ymm{weight}, %ymm{four}, %ymm{product}"
            for total, product in zip(sums, products if step else (), strict=False):
                yield f"vpaddw %ymm{product}, %ymm{total}, %ymm{total}"
    ones = weights[0]
    yield f"vpcmpeqw %ymm{ones}, %ymm{ones}, %ymm{ones}"
    yield f"vpabsw %ymm{ones}, %ymm{ones}"
    for total in range(count):
        yield f"vpmaddwd %ymm{ones}, %ymm{total}, %ymm{total}"
        yield f"vpaddd {32 * total}($2), %ymm{total}, %ymm{total}"
        yield f"vmovdqu %ymm{total}, {32 * total}($2)"


def _gelu(b: Builder, x: ir.Value) -> ir.Value:
    """GELU of eight values."""
    clamped = x
    for sign, limit in ((">", _GELU_LIMIT), ("<", -_GELU_LIMIT)):
        clamped = b.select(b.fcmp_ordered(sign, clamped, eight(limit)), eight(limit), clamped)
    add_product = intrinsic(b.module, "llvm.fma.v8f32", FLOATS, FLOATS, FLOATS, FLOATS)
    square = b.fmul(clamped, clamped)
    place = b.call(add_product, [square, eight(2 / _GELU_LIMIT**2), eight(-1.0)])  # -1 ... 1
    h = b.polynomial(_gelu_polynomial(), place)
    return b.fmul(x, b.call(add_product, [clamped, h, eight(0.5)]))


def _gelu_polynomial() -> list[float]:
    """h, of a square that is brought to -1 ... 1, from the constant upwards."""

    def h(place: np.ndarray) -> np.ndarray:
        x = _GELU_LIMIT * np.sqrt((place + 1) / 2)
        return np.array([math.erf(value / math.sqrt(2)) / (2 * value) for value in x])

    coefficients: list[float] = Chebyshev.interpolate(h, _GELU_DEGREE).convert(kind=Polynomial).coef.tolist()
    return coefficients
