"""Rounding tokens to 8 bits, after the layer norm that comes before a product or as they are.

norm(x) = (x - mean) / sqrt(variance + eps) * weight + bias
"""

from __future__ import annotations

from llvmlite import ir

from bindsearch.encoders.imagebind.kernel.building import (
    BYTES,
    F32,
    I8,
    I32,
    I64,
    ROUNDED,
    Builder,
    eight,
    intrinsic,
)
from bindsearch.encoders.imagebind.tiles import LEAST, OFFSET, ROWS, TOKEN_LEVELS


def define_quantise(module: ir.Module) -> None:
    """Add ``quantise`` to the module; see Kernel."""
    floats, raw = F32.as_pointer(), I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [floats, raw, floats, *[I64] * 3])
    function = ir.Function(module, kind, "quantise")
    x, tokens, scales, columns, first, count = function.args
    b = Builder(function.append_basic_block())
    with b.loop(count) as number:
        row = b.add(first, number)
        _quantise_row(b, b.at(x, row, columns), tokens, scales, row, columns)
    b.ret_void()


def define_quantise_norm(module: ir.Module) -> None:
    """Add ``quantise_norm`` to the module; see Kernel."""
    floats, raw = F32.as_pointer(), I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [floats, floats, floats, raw, floats, *[I64] * 3, F32])
    function = ir.Function(module, kind, "quantise_norm")
    x, weight, bias, tokens, scales, columns, first, count, eps = function.args
    root = intrinsic(module, "llvm.sqrt.f32", F32, F32)
    b = Builder(function.append_basic_block())
    parts, length, zeros = b.udiv(columns, I64(8)), b.sitofp(columns, F32), eight(0.0)
    normed = b.alloca(F32, columns)
    with b.loop(count) as number:
        row = b.add(first, number)
        values = b.at(x, row, columns)
        total = b.fold(parts, zeros, lambda part, old: b.fadd(old, b.eight(values, part)))
        mean = b.splat(b.fdiv(b.joined(total, b.fadd), length))

        def add_square(part: ir.Value, old: ir.Value) -> ir.Value:
            centred = b.fsub(b.eight(values, part), mean)
            return b.fadd(old, b.fmul(centred, centred))

        variance = b.fdiv(b.joined(b.fold(parts, zeros, add_square), b.fadd), length)
        factor = b.splat(b.fdiv(F32(1.0), b.call(root, [b.fadd(variance, eps)])))
        with b.loop(parts) as part:
            value = b.fmul(b.fsub(b.eight(values, part), mean), factor)
            value = b.fadd(b.fmul(value, b.eight(weight, part)), b.eight(bias, part))
            b.write(value, b.at(normed, part, 8))
        _quantise_row(b, normed, tokens, scales, row, columns)
    b.ret_void()


def _quantise_row(
    b: Builder, values: ir.Value, tokens: ir.Value, scales: ir.Value, row: ir.Value, columns: ir.Value
) -> None:
    """Round the ``values`` of one row as tokens, and write its scale."""
    parts, largest = b.udiv(columns, I64(8)), b.largest(values, columns, LEAST)
    b.write(b.fdiv(largest, F32(TOKEN_LEVELS)), b.at(scales, row))
    factor = b.splat(b.fdiv(F32(TOKEN_LEVELS), largest))
    tile = b.at(tokens, b.udiv(row, I64(ROWS)), columns, ROWS)
    place = b.at(tile, b.urem(row, I64(ROWS)), 4)
    with b.loop(parts) as part:
        levels = b.fadd(b.fmul(b.eight(values, part), factor), eight(ROUNDED + OFFSET))
        lowest = b.bitcast(levels, BYTES)
        for half in range(2):
            picked = ir.Constant(ir.VectorType(I32, 4), [16 * half + 4 * n for n in range(4)])
            four = b.shuffle_vector(lowest, ir.Constant(BYTES, ir.Undefined), picked)
            step = b.add(b.times(part, 2), I64(half))
            b.write(b.bitcast(four, I32), b.at(place, step, 4 * ROWS))
