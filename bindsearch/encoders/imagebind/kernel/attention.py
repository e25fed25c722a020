"""Attention of one head: queries, keys, values and shares are rounded to 12 or 13 bits.

    result = softmax(queries keys^T / sqrt(width)) values

A processor with AVX2 multiplies 16 pairs of 16-bit numbers in a step and adds neighbours into 32 bits, twice
as many as of floats. Each query and key has its own scale, and so has each column of the values; shares are
fractions of the largest one. With that many bits, rounding moves a result by a thousandth of its size where
8 bits in the products around it move it by hundredths.

    queries (ROWS, width)                               int16
    keys    (padded / OUTPUTS, width / 2, OUTPUTS, 2)   int16
    shares  (ROWS, padded)                              int16
    values  (width / OUTPUTS, padded / 2, OUTPUTS, 2)   int16

Keys and values are filled up to ``padded`` with the last one, which then has no share.
``ROWS`` queries go through at a time. Where fewer are left the last one is computed again, to the same
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial

from bindsearch.encoders.imagebind.kernel.building import (
    F32,
    FLOATS,
    I16,
    I32,
    I64,
    INTS,
    PARTS,
    ROUNDED,
    SHORTS,
    Builder,
    eight,
    intrinsic,
)
from bindsearch.encoders.imagebind.tiles import ATTENTION_LEVELS, LEAST, OUTPUTS, ROWS, VALUE_LEVELS

_LEAST_POWER = -30.0  # two to this rounds to no level at all
_POWER_DEGREE = 4
_NO_SHARE = -1e30


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of floats behind an address, ``step`` floats from one to the next."""

    b: Builder
    start: ir.Value
    step: ir.Value
    count: ir.Value

    def at(self, row: ir.Value) -> ir.Value:
        """The address of a row; of the last one for any beyond it."""
        last = self.b.sub(self.count, I64(1))
        inside = self.b.select(self.b.icmp_signed("<", row, last), row, last)
        return self.b.at(self.start, inside, self.step)


@dataclass(frozen=True, slots=True)
class _Levels:
    """Addresses of rounded numbers and of what they are to be multiplied by."""

    levels: ir.Value
    scales: ir.Value

    @classmethod
    def room(cls, b: Builder, levels: ir.Value, scales: ir.Value) -> _Levels:
        """Room for as many levels and scales."""
        return cls(b.room(I16, levels), b.room(F32, scales))


def define_attend(module: ir.Module) -> None:
    """Add ``attend`` to the module; see Kernel."""
    kind = ir.FunctionType(ir.VoidType(), [*[F32.as_pointer()] * 4, *[I64] * 7])
    function = ir.Function(module, kind, "attend")
    starts, steps, (count, length, width) = function.args[:4], function.args[4:8], function.args[8:]
    b = Builder(function.append_basic_block())
    counts = (count, length, length, count)
    queries, keys, values, result = (_Rows(b, *three) for three in zip(starts, steps, counts, strict=True))
    padded = b.times(b.udiv(b.add(length, I64(OUTPUTS - 1)), I64(OUTPUTS)), OUTPUTS)
    own_keys, bias = _round_keys(b, keys, padded, width)
    own_values = _round_values(b, values, padded, width)
    scores = b.room(F32, b.times(padded, ROWS))
    asked = _Levels.room(b, b.times(width, ROWS), I64(ROWS))
    shares = _Levels.room(b, b.times(padded, ROWS), I64(ROWS))
    with b.loop(b.udiv(b.add(count, I64(ROWS - 1)), I64(ROWS))) as tile:
        first = b.times(tile, ROWS)
        with b.loop(I64(ROWS)) as row:
            _round_query(b, queries.at(b.add(first, row)), asked, row, width)

        def write_score(row: int, place: ir.Value, value: ir.Value) -> None:
            score = b.fadd(value, b.read(b.at(bias, place), FLOATS))
            b.write(score, b.at(b.at(scores, row, padded), place))

        _multiply(b, asked, own_keys, width, padded, write_score)
        with b.loop(I64(ROWS)) as row:
            _share(b, b.at(scores, row, padded), shares, row, padded)
        targets = [result.at(b.add(first, I64(row))) for row in range(ROWS)]

        def write_result(row: int, place: ir.Value, value: ir.Value) -> None:
            b.write(value, b.at(targets[row], place))

        _multiply(b, shares, own_values, padded, width, write_result)
    b.ret_void()


def _round_keys(b: Builder, keys: _Rows, padded: ir.Value, width: ir.Value) -> tuple[_Levels, ir.Value]:
    """The keys, and what is to be added to the scores (padded,) lest those that are none have a share."""
    rounded = _Levels.room(b, b.times(padded, width), padded)
    bias = b.room(F32, padded)
    with b.loop(padded) as key:
        row = keys.at(key)
        largest = b.largest(row, width, LEAST)
        b.write(b.fdiv(largest, F32(ATTENTION_LEVELS)), b.at(rounded.scales, key))
        there = b.icmp_signed("<", key, keys.count)
        b.write(b.select(there, F32(0.0), F32(_NO_SHARE)), b.at(bias, key))
        factor = b.splat(b.fdiv(F32(ATTENTION_LEVELS), largest))
        panel = b.at(rounded.levels, b.udiv(key, I64(OUTPUTS)), width, OUTPUTS)
        place = b.at(panel, b.urem(key, I64(OUTPUTS)), 2)
        with b.loop(b.udiv(width, I64(8))) as part:
            levels = b.shorts(b.rounded(b.fmul(b.eight(row, part), factor)))
            pairs = b.bitcast(levels, ir.VectorType(I32, 4))
            for number in range(4):
                pair = b.add(b.times(part, 4), I64(number))
                b.write(b.extract_element(pairs, I32(number)), b.at(place, pair, 2 * OUTPUTS))
    return rounded, bias


def _round_values(b: Builder, values: _Rows, padded: ir.Value, width: ir.Value) -> _Levels:
    rounded = _Levels.room(b, b.times(padded, width), width)
    with b.loop(b.udiv(width, I64(8))) as part:

        def so_far(row: ir.Value, old: ir.Value) -> ir.Value:
            return b.larger(old, b.sizes(b.eight(values.at(row), part)))

        largest = b.bitcast(b.fold(values.count, b.bitcast(eight(LEAST), INTS), so_far), FLOATS)
        b.write(b.fdiv(largest, eight(VALUE_LEVELS)), b.at(rounded.scales, part, 8))
        factor = b.fdiv(eight(VALUE_LEVELS), largest)
        panel = b.at(rounded.levels, b.udiv(part, I64(PARTS)), padded, OUTPUTS)
        place = b.at(panel, b.urem(part, I64(PARTS)), 16)
        with b.loop(b.udiv(padded, I64(2))) as pair:
            even, odd = (
                b.rounded(b.fmul(b.eight(values.at(b.add(b.times(pair, 2), I64(side))), part), factor))
                for side in range(2)
            )
            lower, sixteen = ir.Constant(INTS, [0xFFFF] * 8), ir.Constant(INTS, [16] * 8)
            b.write(b.or_(b.and_(even, lower), b.shl(odd, sixteen)), b.at(place, pair, 2 * OUTPUTS))
    return rounded


def _round_query(b: Builder, query: ir.Value, asked: _Levels, row: ir.Value, width: ir.Value) -> None:
    """One query, as row ``row``; its scale makes powers of two of scores."""
    root = intrinsic(b.module, "llvm.sqrt.f32", F32, F32)
    largest = b.largest(query, width, LEAST)
    per_power = b.fdiv(F32(math.log2(math.e) / ATTENTION_LEVELS), b.call(root, [b.sitofp(width, F32)]))
    b.write(b.fmul(largest, per_power), b.at(asked.scales, row))
    factor = b.splat(b.fdiv(F32(ATTENTION_LEVELS), largest))
    levels = b.at(asked.levels, row, width)
    with b.loop(b.udiv(width, I64(8))) as part:
        b.write(b.shorts(b.rounded(b.fmul(b.eight(query, part), factor))), b.at(levels, part, 8))


def _share(b: Builder, scores: ir.Value, shares: _Levels, row: ir.Value, padded: ir.Value) -> None:
    """The shares of one row of scores, and as its scale what makes a sum of all of them one."""
    parts = b.udiv(padded, I64(8))

    def greater(one: ir.Value, other: ir.Value) -> ir.Value:
        return b.select(b.fcmp_ordered(">", one, other), one, other)

    greatest = b.fold(parts, eight(_NO_SHARE), lambda part, old: greater(b.eight(scores, part), old))
    greatest = b.splat(b.joined(greatest, greater))
    levels = b.at(shares.levels, row, padded)

    def add_shares(part: ir.Value, old: ir.Value) -> ir.Value:
        power = _power_of_two(b, b.fsub(b.eight(scores, part), greatest))
        whole = b.fadd(b.fmul(power, eight(VALUE_LEVELS)), eight(ROUNDED))
        b.write(b.shorts(b.bitcast(whole, INTS)), b.at(levels, part, 8))
        return b.fadd(old, b.fsub(whole, eight(ROUNDED)))

    total = b.joined(b.fold(parts, eight(0.0), add_shares), b.fadd)
    b.write(b.fdiv(F32(1.0), total), b.at(shares.scales, row))


def _multiply(
    b: Builder,
    left: _Levels,
    right: _Levels,
    columns: ir.Value,
    outputs: ir.Value,
    write: Callable[[int, ir.Value, ir.Value], None],
) -> None:
    """``left`` (ROWS, columns) by ``right`` (columns, outputs): row, place and eight values to ``write``."""
    multiply = intrinsic(b.module, "llvm.x86.avx2.pmadd.wd", INTS, SHORTS, SHORTS)
    starts = [b.at(left.levels, row, columns) for row in range(ROWS)]
    with b.loop(b.udiv(outputs, I64(OUTPUTS))) as number:
        panel = b.at(right.levels, number, columns, OUTPUTS)

        def add_products(pair: ir.Value, sums: Sequence[ir.Value]) -> list[ir.Value]:
            rights = [
                b.read(b.at(panel, b.add(b.times(pair, PARTS), I64(n)), 16), SHORTS) for n in range(PARTS)
            ]
            lefts = [b.bitcast(b.splat(b.read(b.at(start, pair, 2), I32)), SHORTS) for start in starts]
            products = [b.call(multiply, [one, other]) for one in lefts for other in rights]
            return [b.add(total, product) for total, product in zip(sums, products, strict=True)]

        nothing = [ir.Constant(INTS, [0] * 8)] * (ROWS * PARTS)
        for n, total in enumerate(b.fold_all(b.udiv(columns, I64(2)), nothing, add_products)):
            row, place = n // PARTS, b.add(b.times(number, OUTPUTS), I64(8 * (n % PARTS)))
            scale = b.splat(b.read(b.at(left.scales, row), F32))
            scale = b.fmul(scale, b.read(b.at(right.scales, place), FLOATS))
            write(row, place, b.fmul(b.sitofp(total, FLOATS), scale))


def _power_of_two(b: Builder, x: ir.Value) -> ir.Value:
    """Two to the power of eight numbers up to zero."""
    least = eight(_LEAST_POWER)
    x = b.select(b.fcmp_ordered("<", x, least), least, x)
    whole = b.fadd(x, eight(ROUNDED))
    rest = b.fsub(x, b.fsub(whole, eight(ROUNDED)))  # -1/2 ... 1/2
    power = b.polynomial(_power_polynomial(), rest)
    exponent = b.shl(b.bitcast(whole, INTS), ir.Constant(INTS, [23] * 8))
    return b.bitcast(b.add(b.bitcast(power, INTS), exponent), FLOATS)


def _power_polynomial() -> list[float]:
    """2^x for -1/2 ... 1/2, from the constant upwards."""
    polynomial = Chebyshev.interpolate(np.exp2, _POWER_DEGREE, domain=[-0.5, 0.5]).convert(kind=Polynomial)
    coefficients: list[float] = polynomial.convert(domain=[-1, 1], kind=Polynomial).coef.tolist()
    return coefficients
