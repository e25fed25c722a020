"""Weights from disk to towers, one tower at a time, without a second copy in memory.

A checkpoint is one file in the official layout, ``.pth`` or ``.safetensors``; a folder of weights holds one
safetensors file for each tower, under the same keys. Both are mapped, not read: the model is made without
memory of its own and adopts the mapped tensors. Nothing is ever unpickled but plain tensors.
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.encoders.imagebind.config import HUGE, TowerConfig, config_from_shapes, tower_of
from bindsearch.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

    from bindsearch.encoders.imagebind.towers import ImageBind

INSTALL = "pip install 'bindsearch[imagebind]'"
_NAMED = 3  # keys that an error names before it counts the rest


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint file, mapped into memory.

    Raises EncoderError when the file is missing, damaged, or holds anything but a dict of tensors.
    """
    require_torch()
    if not path.is_file():
        raise EncoderError("weights are missing", subject=str(path))
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)


def split_state_dict(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors of ``state`` by tower; EncoderError for a key that no tower owns."""
    towers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        towers.setdefault(tower_of(key), {})[key] = tensor
    return towers


def check_huge(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """EncoderError unless ``shapes``, by key, are exactly those of the published ImageBind-huge."""
    _compare(expected_shapes(HUGE), shapes)


def expected_shapes(configs: Mapping[str, TowerConfig]) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the state dict that ``configs`` describe."""
    model = _empty_model(configs)
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def build(state: Mapping[str, Tensor], settings: Mapping[str, Any] | None = None) -> ImageBind:
    """A model of the towers in ``state``, which become its parameters without being copied.

    ``settings`` are those of ``config_from_shapes``. Raises EncoderError for missing, extra or misshapen
    keys and for weights that are not finite numbers.
    """
    import torch

    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    configs = config_from_shapes(shapes, settings)
    _compare(expected_shapes(configs), shapes)
    _check_finite(state)
    model = _empty_model(configs)
    floats = {key: tensor.to(torch.float32) for key, tensor in state.items()}
    model.load_state_dict(floats, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def load_tower(folder: Path, tower: str) -> ImageBind:
    """The model of one tower from a folder of weights; EncoderError as ``read_checkpoint`` and ``build``."""
    path = folder / f"{tower}.safetensors"
    state = read_checkpoint(path)
    try:
        if foreign := sorted({tower_of(key) for key in state} - {tower}):
            raise EncoderError(f"holds weights of {' and '.join(foreign)}")
        return build(state, read_settings(folder))
    except EncoderError as error:
        raise EncoderError(error.message, subject=error.subject or str(path), hint=error.hint) from error


def read_settings(folder: Path) -> dict[str, Any]:
    """``config`` of the folder's manifest: settings under the published constructor's names, often none."""
    settings = read_manifest(folder).get("config", {})
    if not isinstance(settings, dict):
        raise EncoderError('"config" is not an object', subject=str(folder / "manifest.json"))
    return settings


def read_manifest(folder: Path) -> dict[str, Any]:
    """The folder's manifest.json; EncoderError if it cannot be read."""
    path = folder / "manifest.json"
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise EncoderError(error.strerror or "cannot be read", subject=str(path)) from error
    except ValueError as error:
        raise EncoderError("is not JSON", subject=str(path)) from error
    if not isinstance(content, dict):
        raise EncoderError("is not a JSON object", subject=str(path))
    return content


def require_torch() -> None:
    """EncoderError with the way to install them when torch or safetensors are not there."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise EncoderError(f"ImageBind needs {error.name}, which is not installed", hint=INSTALL) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"weights are damaged: {error}", subject=str(path)) from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise EncoderError(
            "holds more than tensors; what it would run was not run",
            subject=str(path),
            hint="take weights from a source that you trust",
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise EncoderError("weights are damaged", subject=str(path)) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise EncoderError("is not a dict of tensors", subject=str(path))
    return state


def _empty_model(configs: Mapping[str, TowerConfig]) -> ImageBind:
    require_torch()
    import torch

    from bindsearch.encoders.imagebind.towers import ImageBind

    with torch.device("meta"):
        return ImageBind(configs)


def _compare(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]) -> None:
    if missing := expected.keys() - found.keys():
        raise EncoderError(f"misses {_some(missing)}", hint="the checkpoint is incomplete")
    if extra := found.keys() - expected.keys():
        raise EncoderError(f"holds {_some(extra)} beyond what ImageBind has")
    for key, shape in expected.items():
        if tuple(found[key]) != shape:
            raise EncoderError(f"has {key} of shape {list(found[key])} instead of {list(shape)}")


def _some(keys: set[str]) -> str:
    names = sorted(keys)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _check_finite(state: Mapping[str, Tensor]) -> None:
    """A sum is finite only if all of its terms are, and takes no memory; the mask alone holds infinities.

    The table of words is not read here, since a text needs a few of its rows only; the encoder looks at the
    vectors that come of them.
    """
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            raise EncoderError(f"has {key} of type {tensor.dtype} instead of numbers with a point")
        if key.endswith((".mask", ".token_embedding.weight")):
            continue
        if not math.isfinite(float(tensor.float().sum())):
            raise EncoderError(f"has values in {key} that are not numbers", hint="the weights are damaged")
