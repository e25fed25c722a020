"""A checkpoint turned into one safetensors file per tower, with no more of it in memory than one tensor.

Read are torch's zip archives, with ``weights_only``, and safetensors; both are memory-mapped, and opened
anew for each tower, so that what a finished tower had mapped is let go. Written is the safetensors format
(https://github.com/huggingface/safetensors#format): the length of the header as eight bytes, the header in
JSON, then the tensors one after the other. The library's own writer would hold a whole tower in memory.

Equal weights give equal files, whichever format they came in: names are sorted and nothing else is
written.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.errors import EncoderError
from bindsearch.models.manifest import TowerFile
from bindsearch.models.needs import require_torch
from bindsearch.models.shelf import Tick
from bindsearch.models.split import MASK, split_names

if TYPE_CHECKING:
    from torch import Tensor

ALIGNMENT = 64  # tensors begin at multiples of it, so that they can be used where they are mapped

Weights = Mapping[str, "Tensor"]
ShapeCheck = Callable[[Mapping[str, tuple[int, ...]]], object]


def split_checkpoint(
    path: Path, folder: Path, tick: Tick, *, name: str | None = None, check: ShapeCheck | None = None
) -> list[TowerFile]:
    """Write the towers of the checkpoint ``path`` into ``folder``, one file each, synced.

    ``name`` is how errors call the checkpoint; ``check`` is shown the shapes of all entries before anything
    is written. Raises EncoderError for a file that is no checkpoint, holds
    code, lacks or has too many entries, or has a weight that is not a finite number.
    """
    name = name or str(path)
    weights = open_checkpoint(path, name)
    towers = split_names(weights, name)
    if check is not None:
        _check_shapes(check, weights, name)
    del weights
    files = []
    for tower, entries in towers.items():
        weights = open_checkpoint(path, name)
        _require_finite(weights, entries, name)
        files.append(_write(folder / f"{tower}.safetensors", weights, entries, tick))
        del weights
    return files


def open_checkpoint(path: Path, name: str) -> Weights:
    """Every tensor of a checkpoint by its name, mapped rather than read."""
    require_torch()
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
        weights = _open_torch(path, name) if start[:2] == b"PK" else _open_safetensors(path, start, name)
    except OSError as error:
        raise EncoderError(error.strerror or "cannot be read", subject=name) from error
    _require_plain(weights, path.stat().st_size, name)
    return weights


def _open_torch(path: Path, name: str) -> Weights:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise EncoderError("holds code, or something else that is not weights", subject=name) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise EncoderError("is not a whole torch checkpoint", subject=name) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise EncoderError("is not a state dict", subject=name)
    return content


def _open_safetensors(path: Path, start: bytes, name: str) -> Weights:
    if start[:1] == b"\x80":
        raise EncoderError("is a bare pickle, which may hold code and is not read", subject=name)
    if start[8:] != b"{":
        raise EncoderError("is neither a torch zip archive nor safetensors", subject=name)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise EncoderError(f"is not whole safetensors: {error}", subject=name) from error


def _require_plain(weights: Weights, size: int, name: str) -> None:
    """Refuse what is no ordinary tensor of floats, and tensors that claim to be more than the file holds."""
    import torch

    for entry, tensor in weights.items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
            raise EncoderError(f"{entry} is not a tensor", subject=name)
        if tensor.dtype not in _types():
            raise EncoderError(f"{entry} is of type {tensor.dtype}", subject=name)
    if sum(tensor.nbytes for tensor in weights.values()) > size:
        raise EncoderError("its tensors are larger than the file", subject=name)


def _check_shapes(check: ShapeCheck, weights: Weights, name: str) -> None:
    try:
        check({entry: tuple(tensor.shape) for entry, tensor in weights.items()})
    except EncoderError as error:
        raise EncoderError(error.message, subject=name, hint=error.hint) from error


def _require_finite(weights: Weights, entries: Sequence[str], name: str) -> None:
    import torch

    for entry in entries:
        fine = ~torch.isnan(weights[entry]) if entry == MASK else torch.isfinite(weights[entry])
        if not bool(fine.all()):
            raise EncoderError(f"{entry} holds a value that is not a finite number", subject=name)


def _write(path: Path, weights: Weights, entries: Sequence[str], tick: Tick) -> TowerFile:
    digest = hashlib.sha256()
    header = _header(weights, entries)
    with path.open("xb") as stream:
        for part in (len(header).to_bytes(8, "little"), header):
            stream.write(part)
            digest.update(part)
        for entry in entries:
            raw = _bytes(weights[entry])
            stream.write(raw)
            digest.update(raw)
            tick(len(raw))
        stream.flush()
        os.fsync(stream.fileno())
    return TowerFile(path.name, path.stat().st_size, digest.hexdigest())


def _header(weights: Weights, entries: Sequence[str]) -> bytes:
    types = _types()
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in entries:
        tensor = weights[entry]
        start, end = end, end + tensor.nbytes
        table[entry] = {
            "dtype": types[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    header = json.dumps(table, separators=(",", ":")).encode()
    return header + b" " * (-(8 + len(header)) % ALIGNMENT)


def _bytes(tensor: Tensor) -> memoryview:
    """The numbers of a tensor as they are written; little-endian, as on every machine that torch runs on."""
    import torch

    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _types() -> dict[object, str]:
    """The number formats that weights may have, by torch's type, as safetensors calls them."""
    import torch

    return {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
