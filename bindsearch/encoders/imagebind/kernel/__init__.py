"""Loops for 8-bit towers on processors with AVX2 but without VNNI, compiled when they are first needed.

``products`` multiplies what ``tokens`` rounds; what comes right before and after a product is done along with
it, while values are in the processor's nearest memory. ``attention`` mixes tokens.

LLVM compiles the loops in memory: nobody needs a compiler. Arrays are handed over as addresses; the
layouts of tokens and weights are those of ``tiles``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from llvmlite import binding, ir

from bindsearch.encoders.imagebind.kernel.attention import define_attend
from bindsearch.encoders.imagebind.kernel.products import define_multiply
from bindsearch.encoders.imagebind.kernel.tokens import define_quantise, define_quantise_norm


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

    ``attend(queries, keys, values, result, query_step, key_step, value_step, result_step, rows, length,
    width)``: one head's queries (rows, width) answered from keys and values (length, width) as result
    (rows, width). From a row of each to its next it is so many floats.
    """

    quantise: Callable[..., None]
    quantise_norm: Callable[..., None]
    multiply: Callable[..., None]
    multiply_gelu: Callable[..., None]
    attend: Callable[..., None]
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
    define_quantise(module)
    define_quantise_norm(module)
    define_multiply(module, "multiply", gelu=False)
    define_multiply(module, "multiply_gelu", gelu=True)
    define_attend(module)
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
        function("attend", 4, 7),
        engine,
    )
