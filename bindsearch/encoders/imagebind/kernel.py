"""Products of 8-bit matrices for processors with AVX2 but without VNNI, compiled when they are first needed.

Such processors multiply 32 pairs of bytes in one step and add neighbours, into 16 bits. The usual libraries
widen each of these sums to 32 bits at once, which costs as much again. Here they stay in 16 bits over
``STEPS`` steps, in which weights of the right size (``tiles``) cannot overflow.

LLVM compiles the loops below in memory: nobody needs a compiler. Arrays are handed over as addresses; the
layouts of tokens and weights are those of ``tiles``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import binding, ir

from bindsearch.encoders.imagebind.tiles import DEPTH, OFFSET, OUTPUTS, ROWS, STEPS

_I8, _I16, _I32, _I64, _F32 = (*map(ir.IntType, (8, 16, 32, 64)), ir.FloatType())
_BYTES, _PAIRS, _SUMS = ir.VectorType(_I8, 32), ir.VectorType(_I16, 16), ir.VectorType(_I32, 8)
_FLOATS, _EIGHT_BYTES = ir.VectorType(_F32, 8), ir.VectorType(_I8, 8)
_PARTS = OUTPUTS // 8  # vectors of eight outputs side by side


@dataclass(frozen=True, slots=True)
class Kernel:
    """The compiled functions. Both let other threads run meanwhile.

    ``quantise(x, factors, tokens, rows, columns)``: x (rows, columns), each row times its factor and rounded,
    as tokens.

    ``multiply(tokens, token_scales, weights, start, scales, bias, result, tiles, columns, outputs, first,
    count)``: (start + products) * token_scales * scales + bias as result (tiles * ROWS, outputs), but only
    ``count`` panels of ``OUTPUTS`` outputs from the panel ``first`` on. ``start`` is int32, what is not named
    in ``tiles`` float32; start, scales and bias have an entry for each output, token_scales for each token.
    """

    quantise: Callable[..., None]
    multiply: Callable[..., None]
    engine: Any  # owns the code


def suits_processor() -> bool:
    """Whether this is the fastest way here: AVX2 there is, VNNI, which libraries use better, is not."""
    features = binding.get_host_cpu_features()
    return bool(features.get("avx2")) and not any(map(features.get, ("avx512vnni", "avxvnni")))


@cache
def compiled() -> Kernel:
    """The kernel for this processor; takes a fifth of a second, once in a process."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = ir.Module()
    _define_quantise(module)
    _define_multiply(module)
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), machine)
    engine.finalize_object()

    def function(name: str, pointers: int, numbers: int) -> Callable[..., None]:
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * pointers, *[ctypes.c_int64] * numbers)
        return kind(engine.get_function_address(name))

    return Kernel(function("quantise", 3, 2), function("multiply", 7, 5), engine)


class _Builder(ir.IRBuilder):  # type: ignore[misc]
    """Adds the few steps that the two functions are made of."""

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


def _define_quantise(module: ir.Module) -> None:
    floats, raw = _F32.as_pointer(), _I8.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [floats, floats, raw, _I64, _I64])
    function = ir.Function(module, kind, "quantise")
    x, factors, tokens, rows, columns = function.args
    rounded = _intrinsic(module, "llvm.rint.v8f32", _FLOATS, _FLOATS)
    b = _Builder(function.append_basic_block())
    with b.loop(rows) as row:
        factor = b.splat(b.read(b.at(factors, row), _F32))
        tile = b.at(tokens, b.udiv(row, _I64(ROWS)), columns, ROWS)
        place = b.at(tile, b.urem(row, _I64(ROWS)), 4)
        with b.loop(b.udiv(columns, _I64(8))) as part:
            values = b.read(b.at(b.at(x, row, columns), part, 8), _FLOATS)
            levels = b.fptosi(b.call(rounded, [b.fmul(values, factor)]), _SUMS)
            shifted = b.trunc(b.add(levels, ir.Constant(_SUMS, [OFFSET] * 8)), _EIGHT_BYTES)
            halves = b.bitcast(shifted, ir.VectorType(_I32, 2))
            for half in range(2):
                step = b.add(b.times(part, 2), _I64(half))
                b.write(b.extract_element(halves, _I32(half)), b.at(place, step, 4 * ROWS))
    b.ret_void()


def _define_multiply(module: ir.Module) -> None:
    floats, numbers, raw = _F32.as_pointer(), _I32.as_pointer(), _I8.as_pointer()
    pointers = [raw, floats, raw, numbers, floats, floats, floats]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [*pointers, *[_I64] * 5]), "multiply")
    tokens, token_scales, weights, start, scales, bias, result, tiles, columns, outputs, first, count = (
        function.args
    )
    b = _Builder(function.append_basic_block())
    sums = [[b.alloca(_SUMS) for _ in range(_PARTS)] for _ in range(ROWS)]
    with b.loop(count) as number:
        output = b.times(b.add(first, number), OUTPUTS)
        panel = b.at(weights, output, columns)
        with b.loop(tiles) as tile:
            for part in range(_PARTS):
                begin = b.read(b.at(b.at(start, output), 8 * part), _SUMS)
                for row in range(ROWS):
                    b.store(begin, sums[row][part])
            _add_products(b, sums, b.at(tokens, tile, columns, ROWS), panel, columns)
            for row in range(ROWS):
                token = b.add(b.times(tile, ROWS), _I64(row))
                token_scale = b.splat(b.read(b.at(token_scales, token), _F32))
                for part in range(_PARTS):
                    place = b.add(output, _I64(8 * part))
                    scale = b.fmul(token_scale, b.read(b.at(scales, place), _FLOATS))
                    value = b.fmul(b.sitofp(b.load(sums[row][part]), _FLOATS), scale)
                    value = b.fadd(value, b.read(b.at(bias, place), _FLOATS))
                    b.write(value, b.at(b.at(result, token, outputs), place))
    b.ret_void()


def _add_products(
    b: _Builder, sums: list[list[ir.Value]], tile: ir.Value, panel: ir.Value, columns: ir.Value
) -> None:
    """``sums`` plus the products of a tile of tokens and a panel of weights over all columns."""
    widen = _intrinsic(b.module, "llvm.x86.avx2.pmadd.wd", _SUMS, _PAIRS, _PAIRS)
    ones = ir.Constant(_PAIRS, [1] * 16)
    with b.loop(b.udiv(columns, _I64(DEPTH))) as block:
        narrow = _narrow_sums(b, b.at(tile, block, DEPTH * ROWS), b.at(panel, block, DEPTH * OUTPUTS))
        for row in range(ROWS):
            for part in range(_PARTS):
                wide = b.call(widen, [narrow[row][part], ones])
                b.store(b.add(b.load(sums[row][part]), wide), sums[row][part])


def _narrow_sums(b: _Builder, tokens: ir.Value, weights: ir.Value) -> list[list[ir.Value]]:
    """The 16-bit sums of the products over ``DEPTH`` columns.

    A loop rather than ``STEPS`` copies: given a chance, LLVM would reorder the sums and run out of registers.
    """
    multiply = _intrinsic(b.module, "llvm.x86.avx2.pmadd.ub.sw", _PAIRS, _BYTES, _BYTES)
    before = b.block
    with b.loop(_I64(STEPS)) as step:
        body = b.block
        sums = [[b.phi(_PAIRS) for _ in range(_PARTS)] for _ in range(ROWS)]
        columns = [
            b.read(b.at(b.at(weights, step, 4 * OUTPUTS), 32 * part), _BYTES) for part in range(_PARTS)
        ]
        following = []
        for row in range(ROWS):
            four = b.splat(b.read(b.at(b.at(tokens, step, 4 * ROWS), 4 * row), _I32))
            products = [b.call(multiply, [b.bitcast(four, _BYTES), column]) for column in columns]
            following.append([b.add(old, new) for old, new in zip(sums[row], products, strict=True)])
            for old, new in zip(sums[row], following[row], strict=True):
                old.add_incoming(ir.Constant(_PAIRS, [0] * 16), before)
                old.add_incoming(new, body)
    return following


def _intrinsic(module: ir.Module, name: str, result: ir.Type, *operands: ir.Type) -> ir.Function:
    return ir.Function(module, ir.FunctionType(result, operands), name)
