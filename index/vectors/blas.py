"""Importing FAISS with a matrix kernel that suits the processor.

The FAISS wheels carry an OpenBLAS of 2021 that does not know newer processors and falls back to a
kernel of 2004, six times slower at batch search and training (measured on AVX-512). The variable
that overrules it is read once, when the library loads, so it is set just before and put back just after.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from bindsearch.errors import BindsearchError

VARIABLE = "OPENBLAS_CORETYPE"


@cache
def import_faiss() -> ModuleType:
    """The faiss module; raises BindsearchError with a hint where no build of it is installed."""
    try:
        with _suitable_kernel():
            import faiss
    except ImportError as error:
        raise BindsearchError(
            f"FAISS cannot be imported: {error}",
            hint="install 'bindsearch[cpu]' or 'bindsearch[gpu]', not both",
        ) from error
    module: ModuleType = faiss
    return module


@contextmanager
def _suitable_kernel() -> Iterator[None]:
    kernel = _kernel_for_this_processor()
    if kernel is None or VARIABLE in os.environ:
        yield
        return
    os.environ[VARIABLE] = kernel
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def _kernel_for_this_processor() -> str | None:
    """OpenBLAS's name of the kernel for this processor's vector unit, on Linux x86-64 only."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return None
    with suppress(OSError):
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split())
        if "avx512f" in flags:
            return "SkylakeX"
        if "avx2" in flags:
            return "Haswell"
    return None
