"""Products of 8-bit matrices for processors with AVX2 but without VNNI, compiled when they are first needed.

Such processors multiply 32 pairs of bytes in one step and add neighbours, into 16 bits. The usual libraries
widen each of these sums to 32 bits at once, which costs as much again. Here they stay in 16 bits over
``STEPS`` steps, in which weights of the right size (``tiles``) cannot overflow.

What comes right before and after a product is done along with it, while values are in the processor's
nearest memory: the layer norm and the rounding of tokens, the scales, the bias and GELU.

    norm(x) = (x - mean) / sqrt(variance + eps) * weight + bias
    gelu(x) = x (1/2 + c h(c^2)), c = x clamped to -5 ... 5, h(x^2) = erf(x / sqrt 2) / (2 x)

h is a polynomial through Chebyshev's points, which is wrong by so little that gelu is by no more than
1e-5, or 1e-7 of x, whichever is larger.

LLVM compiles the loops below in memory: nobody needs a compiler. Arrays are handed over as addresses; the
layouts of tokens and weights are those of ``tiles``.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numpy.polynomial import Chebyshev, Polynomial

from bindsearch.encoders.imagebind.tiles import DEPTH, LEAST, OFFSET, OUTPUTS, ROWS, STEPS, TOKEN_LEVELS

_I8, _I32, _I64, _F32 = (*map(ir.IntType, (8, 32, 64)), ir.FloatType())
_BYTES, _SUMS = ir.VectorType(_I8, 32), ir.VectorType(_I32, 8)
_FLOATS = ir.VectorType(_F32, 8)
_PARTS = OUTPUTS // 8  # vectors of eight outputs side by side
_GELU_LIMIT, _GELU_DEGREE = 5.0, 12
_INTEGERS = 1.5 * 2**23  # a float32 added to this is rounded to an integer, which is then in its lowest bits


@dataclass(frozen=True, slots=True)
class Kernel:
    """The compiled functions, which let other threads run meanwhile. What is not named below is float32.

    ``quantise(x, tokens, scales, columns, first, count)``: x (rows, columns) rounded as tokens and the size
    of a level in each row, but only ``count`` rows from ``first`` on.

    ``quantise_norm(x, weight, bias, tokens, scales, columns, first, count, eps)``: the same of the layer norm
    of x.

    ``multiply(tokens, token_scales, weights, start, scales, bias, result, tiles, columns, outputs, first,
    count)``: (start + products) * token_scales * scales + bias as result (tiles * ROWS, outputs), but only
    ``count`` panels of ``OUTPUTS`` outputs from the panel ``first`` on. ``start`` is int32; start, scales and
    bias have an entry for each output, token_scales for each token.

    ``multiply_gelu``: the same, and GELU of it.
    """

    quantise: Callable[..., None]
    quantise_norm: Callable[..., None]
    multiply: Callable[..., None]
    multiply_gelu: Callable[..., None]
    engine: Any  # owns the code


def suits_processor() -> bool:
    """Whether this is the fastest way here: AVX2 there is, VNNI, which libraries use better, is not."""
    features = binding.get_host_cpu_features()
    return all(map(features.get, ("avx2", "fma"))) and not any(map(features.get, ("avx512vnni", "avxvnni")))


@cache
def compiled() -> Kernel:
    """The kernel for this processor; takes a fifth of a second, once in a process."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
    module = ir.Module()
    _define_quantise(module)
    _define_quantise_norm(module)
    _define_multiply(module, "multiply", gelu=False)
    _define_multiply(module, "multiply_gelu", gelu=True)
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), machine)
    engine.finalize_object()

    def function(name: str, pointers: int, numbers: int, *others: type) -> Callable[..., None]:
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * numbers, *others)
        return kind(engine.get_function_address(name))

    return Kernel(
        function("quantise", 3, 3),
        function("quantise_norm", 5, 3, ctypes.c_float),
        function("multiply", 7, 5),
        function("multiply_gelu", 7, 5),
        engine,
    )


class _Builder(ir.IRBuilder):  # type: ignore[misc]
    """Adds the few steps that the functions are made of."""

    @contextmanager
    def loop(self, count: ir.Value) -> Iterator[ir.Value]:
        """Repeat what is built inside, ``count`` times, at least once; gives the number of the round."""
        before, body = self.block, self.append_basic_block()
        self.branch(body)
        self.position_at_end(body)
        index = self.phi(_I64)
        index.add_incoming(_I64(0), before)
        yield index
        following = self.add(index, _I64(1))
        index.add_incoming(following, self.block)
        after = self.append_basic_block()
        self.cbranch(self.icmp_signed("<", following, count), body, after)
        self.position_at_end(after)

    def fold(
        self, count: ir.Value, first: ir.Value, following: Callable[[ir.Value, ir.Value], ir.Value]
    ) -> ir.Value:
        """The last of ``count`` values, each made of the number of the round and the value before."""
        before = self.block
        with self.loop(count) as index:
            value = self.phi(first.type)
            result = following(index, value)
            value.add_incoming(first, before)
            value.add_incoming(result, self.block)
        return result

    def eight(self, base: ir.Value, part: ir.Value) -> ir.Value:
        """The eight floats with the number ``part`` behind an address."""
        return self.read(self.at(base, part, 8), _FLOATS)

    def at(self, base: ir.Value, *offset: ir.Value | int) -> ir.Value:
        """The address ``base`` plus the product of ``offset``, in elements."""
        return self.gep(base, [self.times(*offset)])

    def times(self, *factors: ir.Value | int) -> ir.Value:
        """The product of 64-bit numbers."""
        result, *others = (_I64(f) if isinstance(f, int) else f for f in factors)
        for factor in others:
            result = self.mul(result, factor)
        return result

    def read(self, address: ir.Value, kind: ir.Type) -> ir.Value:
        """The value at an address that need not be aligned."""
        value = self.load(self.bitcast(address, kind.as_pointer()))
        value.align = 1
        return value

    def write(self, value: ir.Value, address: ir.Value) -> None:
        """Store at an address that need not be aligned."""
        self.store(value, self.bitcast(address, value.type.as_pointer())).align = 1

    def splat(self, value: ir.Value) -> ir.Value:
        """Eight times the same value."""
        nothing = ir.Constant(ir.VectorType(value.type, 8), ir.Undefined)
        one = self.insert_element(nothing, value, _I32(0))
        return self.shuffle_vector(one, nothing, ir.Constant(_SUMS, [0] * 8))

    def joined(self, values: ir.Value, join: Callable[[ir.Value, ir.Value], ir.Value]) -> ir.Value:
        """Eight values made one, by joining two at a time."""
        first, *others = (self.extract_element(values, _I32(place)) for place in range(8))
        return reduce(join, others, first)


def _define_quantise(module: ir.Module) -> None:
    floats, raw = _F32.as_pointer(), _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [floats, raw, floats, *[_I64] * 3])
    function = ir.Function(module, kind, "quantise")
    x, tokens, scales, columns, first, count = function.args
    b = _Builder(function.append_basic_block())
    with b.loop(count) as number:
        row = b.add(first, number)
        _quantise_row(b, b.at(x, row, columns), tokens, scales, row, columns)
    b.ret_void()


def _define_quantise_norm(module: ir.Module) -> None:
    floats, raw = _F32.as_pointer(), _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [floats, floats, floats, raw, floats, *[_I64] * 3, _F32])
    function = ir.Function(module, kind, "quantise_norm")
    x, weight, bias, tokens, scales, columns, first, count, eps = function.args
    root = _intrinsic(module, "llvm.sqrt.f32", _F32, _F32)
    b = _Builder(function.append_basic_block())
    parts, length, zeros = b.udiv(columns, _I64(8)), b.sitofp(columns, _F32), _eight(0.0)
    normed = b.alloca(_F32, columns)
    with b.loop(count) as number:
        row = b.add(first, number)
        values = b.at(x, row, columns)
        total = b.fold(parts, zeros, lambda part, old: b.fadd(old, b.eight(values, part)))
        mean = b.splat(b.fdiv(b.joined(total, b.fadd), length))

        def add_square(part: ir.Value, old: ir.Value) -> ir.Value:
            centred = b.fsub(b.eight(values, part), mean)
            return b.fadd(old, b.fmul(centred, centred))

        variance = b.fdiv(b.joined(b.fold(parts, zeros, add_square), b.fadd), length)
        factor = b.splat(b.fdiv(_F32(1.0), b.call(root, [b.fadd(variance, eps)])))
        with b.loop(parts) as part:
            value = b.fmul(b.fsub(b.eight(values, part), mean), factor)
            value = b.fadd(b.fmul(value, b.eight(weight, part)), b.eight(bias, part))
            b.write(value, b.at(normed, part, 8))
        _quantise_row(b, normed, tokens, scales, row, columns)
    b.ret_void()


def _quantise_row(
    b: _Builder, values: ir.Value, tokens: ir.Value, scales: ir.Value, row: ir.Value, columns: ir.Value
) -> None:
    """Round the ``values`` of one row as tokens, and write its scale."""
    parts, sizes = b.udiv(columns, _I64(8)), ir.Constant(_SUMS, [0x7FFFFFFF] * 8)

    def larger(one: ir.Value, other: ir.Value) -> ir.Value:
        return b.select(b.icmp_signed(">", one, other), one, other)

    def largest_so_far(part: ir.Value, old: ir.Value) -> ir.Value:
        # as integers, sizes of floats are in the same order, and what is not a number is above all
        return larger(old, b.and_(b.bitcast(b.eight(values, part), _SUMS), sizes))

    least = b.bitcast(_eight(LEAST), _SUMS)
    largest = b.bitcast(b.joined(b.fold(parts, least, largest_so_far), larger), _F32)
    b.write(b.fdiv(largest, _F32(TOKEN_LEVELS)), b.at(scales, row))
    factor = b.splat(b.fdiv(_F32(TOKEN_LEVELS), largest))
    tile = b.at(tokens, b.udiv(row, _I64(ROWS)), columns, ROWS)
    place = b.at(tile, b.urem(row, _I64(ROWS)), 4)
    with b.loop(parts) as part:
        levels = b.fadd(b.fmul(b.eight(values, part), factor), _eight(_INTEGERS + OFFSET))
        lowest = b.bitcast(levels, _BYTES)
        for half in range(2):
            picked = ir.Constant(ir.VectorType(_I32, 4), [16 * half + 4 * n for n in range(4)])
            four = b.shuffle_vector(lowest, ir.Constant(_BYTES, ir.Undefined), picked)
            step = b.add(b.times(part, 2), _I64(half))
            b.write(b.bitcast(four, _I32), b.at(place, step, 4 * ROWS))


def _define_multiply(module: ir.Module, name: str, *, gelu: bool) -> None:
    floats, numbers, raw = _F32.as_pointer(), _I32.as_pointer(), _I8.as_pointer()
    pointers = [raw, floats, raw, numbers, floats, floats, floats]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, *[_I64] * 5]), name)
    tokens, token_scales, weights, start, scales, bias, result, tiles, columns, outputs, first, count = (
        function.args
    )
    clobbers = [*(f"~{{ymm{n}}}" for n in range(16)), "~{memory}"]
    add_products = ir.InlineAsm(
        ir.FunctionType(ir.VoidType(), [raw, raw, _SUMS.as_pointer()]),
        "\n".join(_add_products()),
        ",".join(["r", "r", "r", *clobbers]),
        side_effect=True,
    )
    b = _Builder(function.append_basic_block())
    sums = b.alloca(_SUMS, ROWS * _PARTS)
    with b.loop(count) as number:
        output = b.times(b.add(first, number), OUTPUTS)
        panel = b.at(weights, output, columns)
        with b.loop(tiles) as tile:
            for part in range(_PARTS):
                begin = b.read(b.at(b.at(start, output), 8 * part), _SUMS)
                for row in range(ROWS):
                    b.store(begin, b.at(sums, row * _PARTS + part))
            some_tokens = b.at(tokens, tile, columns, ROWS)
            with b.loop(b.udiv(columns, _I64(DEPTH))) as block:
                places = (b.at(some_tokens, block, DEPTH * ROWS), b.at(panel, block, DEPTH * OUTPUTS), sums)
                b.call(add_products, places)
            for row in range(ROWS):
                token = b.add(b.times(tile, ROWS), _I64(row))
                token_scale = b.splat(b.read(b.at(token_scales, token), _F32))
                for part in range(_PARTS):
                    place = b.add(output, _I64(8 * part))
                    scale = b.fmul(token_scale, b.read(b.at(scales, place), _FLOATS))
                    value = b.fmul(b.sitofp(b.load(b.at(sums, row * _PARTS + part)), _FLOATS), scale)
                    value = b.fadd(value, b.read(b.at(bias, place), _FLOATS))
                    b.write(_gelu(b, value) if gelu else value, b.at(b.at(result, token, outputs), place))
    b.ret_void()


def _add_products() -> Iterator[str]:
    """Add to the sums at $2 the products of tokens at $0 and weights at $1 over ``DEPTH`` columns.

    Instructions themselves rather than LLVM's terms, since LLVM would reorder the additions of several steps
    and run out of registers. Each group of four columns of a token is multiplied by those of all outputs.
    """
    count = ROWS * _PARTS  # of 16-bit sums, which have the first registers
    weights, products = range(count, count + _PARTS), range(count + _PARTS, count + 2 * _PARTS)
    four = products[-1]  # a token's columns, until their last products take the place
    for step in range(STEPS):
        for part in range(_PARTS):
            yield f"vmovdqu {step * 4 * OUTPUTS + 32 * part}($1), %ymm{weights[part]}"
        for row in range(ROWS):
            sums = range(row * _PARTS, (row + 1) * _PARTS)
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


def _gelu(b: _Builder, x: ir.Value) -> ir.Value:
    """GELU of eight values."""
    clamped = x
    for sign, limit in ((">", _GELU_LIMIT), ("<", -_GELU_LIMIT)):
        clamped = b.select(b.fcmp_ordered(sign, clamped, _eight(limit)), _eight(limit), clamped)
    add_product = _intrinsic(b.module, "llvm.fma.v8f32", _FLOATS, _FLOATS, _FLOATS, _FLOATS)
    square = b.fmul(clamped, clamped)
    place = b.call(add_product, [square, _eight(2 / _GELU_LIMIT**2), _eight(-1.0)])  # -1 ... 1
    highest, *lower = reversed(_gelu_polynomial())
    h = _eight(highest)
    for coefficient in lower:
        h = b.call(add_product, [h, place, _eight(coefficient)])
    return b.fmul(x, b.call(add_product, [clamped, h, _eight(0.5)]))


def _gelu_polynomial() -> list[float]:
    """h, of a square that is brought to -1 ... 1, from the constant upwards."""

    def h(place: np.ndarray) -> np.ndarray:
        x = _GELU_LIMIT * np.sqrt((place + 1) / 2)
        return np.array([math.erf(value / math.sqrt(2)) / (2 * value) for value in x])

    coefficients: list[float] = Chebyshev.interpolate(h, _GELU_DEGREE).convert(kind=Polynomial).coef.tolist()
    return coefficients


def _eight(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [float(np.float32(value))] * 8)


def _intrinsic(module: ir.Module, name: str, result: ir.Type, *operands: ir.Type) -> ir.Function:
    if name in module.globals:
        return module.globals[name]
    return ir.Function(module, ir.FunctionType(result, operands), name)
