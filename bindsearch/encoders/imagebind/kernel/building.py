"""What the loops of the kernel are written with: LLVM's terms, a few at a time.

Vectors have eight places of 32 bits, the width of an AVX2 register.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import numpy as np
from llvmlite import ir

from bindsearch.encoders.imagebind.tiles import OUTPUTS

I8, I16, I32, I64, F32 = (*map(ir.IntType, (8, 16, 32, 64)), ir.FloatType())
BYTES, SHORTS = ir.VectorType(I8, 32), ir.VectorType(I16, 16)
INTS, FLOATS = ir.VectorType(I32, 8), ir.VectorType(F32, 8)
PARTS = OUTPUTS // 8  # vectors of eight outputs side by side
ROUNDED = 1.5 * 2**23  # a float32 added to this is rounded to an integer, which is then in its lowest bits


class Builder(ir.IRBuilder):  # type: ignore[misc]
    """Adds the few steps that the functions are made of."""

    @contextmanager
    def loop(self, count: ir.Value) -> Iterator[ir.Value]:
        """Repeat what is built inside, ``count`` times, at least once; gives the number of the round."""
        before, body = self.block, self.append_basic_block()
        self.branch(body)
        self.position_at_end(body)
        index = self.phi(I64)
        index.add_incoming(I64(0), before)
        yield index
        following = self.add(index, I64(1))
        index.add_incoming(following, self.block)
        after = self.append_basic_block()
        self.cbranch(self.icmp_signed("<", following, count), body, after)
        self.position_at_end(after)

    def fold(
        self, count: ir.Value, first: ir.Value, following: Callable[[ir.Value, ir.Value], ir.Value]
    ) -> ir.Value:
        """The last of ``count`` values, each made of the number of the round and the value before."""
        (result,) = self.fold_all(count, [first], lambda index, old: [following(index, old[0])])
        return result

    def fold_all(
        self,
        count: ir.Value,
        firsts: Sequence[ir.Value],
        following: Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]],
    ) -> Sequence[ir.Value]:
        """As ``fold``, of several values at once."""
        before = self.block
        with self.loop(count) as index:
            values = [self.phi(first.type) for first in firsts]
            results = following(index, values)
            for value, first, result in zip(values, firsts, results, strict=True):
                value.add_incoming(first, before)
                value.add_incoming(result, self.block)
        return results

    def eight(self, base: ir.Value, part: ir.Value) -> ir.Value:
        """The eight floats with the number ``part`` behind an address."""
        return self.read(self.at(base, part, 8), FLOATS)

    def at(self, base: ir.Value, *offset: ir.Value | int) -> ir.Value:
        """The address ``base`` plus the product of ``offset``, in elements."""
        return self.gep(base, [self.times(*offset)])

    def times(self, *factors: ir.Value | int) -> ir.Value:
        """The product of 64-bit numbers."""
        result, *others = (I64(f) if isinstance(f, int) else f for f in factors)
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

    def fetch(self, address: ir.Value) -> None:
        """Have what is at an address, should there be anything, brought from memory meanwhile."""
        kind = ir.FunctionType(ir.VoidType(), [address.type])
        self.call(ir.InlineAsm(kind, "prefetcht1 ($0)", "r", side_effect=True), [address])

    def splat(self, value: ir.Value) -> ir.Value:
        """Eight times the same value."""
        nothing = ir.Constant(ir.VectorType(value.type, 8), ir.Undefined)
        one = self.insert_element(nothing, value, I32(0))
        return self.shuffle_vector(one, nothing, ir.Constant(INTS, [0] * 8))

    def joined(self, values: ir.Value, join: Callable[[ir.Value, ir.Value], ir.Value]) -> ir.Value:
        """Eight values made one, by joining two at a time."""
        first, *others = (self.extract_element(values, I32(place)) for place in range(8))
        return reduce(join, others, first)

    def polynomial(self, coefficients: Sequence[float], x: ir.Value) -> ir.Value:
        """Of eight values; ``coefficients`` from the constant upwards."""
        add_product = intrinsic(self.module, "llvm.fma.v8f32", FLOATS, FLOATS, FLOATS, FLOATS)
        highest, *lower = reversed(coefficients)
        value = eight(highest)
        for coefficient in lower:
            value = self.call(add_product, [value, x, eight(coefficient)])
        return value

    def sizes(self, values: ir.Value) -> ir.Value:
        """The sizes of eight floats, as integers: in the same order, but what is no number is above all."""
        return self.and_(self.bitcast(values, INTS), ir.Constant(INTS, [0x7FFFFFFF] * 8))

    def larger(self, one: ir.Value, other: ir.Value) -> ir.Value:
        """The larger of two integers, or of each of eight."""
        return self.select(self.icmp_signed(">", one, other), one, other)

    def largest(self, values: ir.Value, count: ir.Value, least: float) -> ir.Value:
        """The largest size of ``count`` floats behind an address, but no less than ``least``."""

        def so_far(part: ir.Value, old: ir.Value) -> ir.Value:
            return self.larger(old, self.sizes(self.eight(values, part)))

        sizes = self.fold(self.udiv(count, I64(8)), self.bitcast(eight(least), INTS), so_far)
        return self.bitcast(self.joined(sizes, self.larger), F32)

    def room(self, kind: ir.Type, count: ir.Value) -> ir.Value:
        """Space for ``count`` values, until the function returns."""
        start = self.alloca(kind, count)
        start.align = 64
        return start

    def shorts(self, levels: ir.Value) -> ir.Value:
        """The lower 16 of 32 bits, of eight integers."""
        return self.trunc(levels, ir.VectorType(I16, 8))

    def rounded(self, values: ir.Value) -> ir.Value:
        """Eight floats as the integers next to them, in the lower 16 of 32 bits."""
        return self.bitcast(self.fadd(values, eight(ROUNDED)), INTS)


def eight(value: float) -> ir.Constant:
    """Eight times the same float."""
    return ir.Constant(FLOATS, [float(np.float32(value))] * 8)


def intrinsic(module: ir.Module, name: str, result: ir.Type, *operands: ir.Type) -> ir.Function:
    """What LLVM has under a name."""
    if name in module.globals:
        return module.globals[name]
    return ir.Function(module, ir.FunctionType(result, operands), name)
