"""Weights from disk to towers, one tower at a time, without a second copy in memory.

A checkpoint is one file in the official layout, ``.pth`` or ``.safetensors``; a folder of weights holds one
safetensors file for each tower, under the same keys. Both are mapped, not read: the model is made without
memory of its own and adopts the mapped tensors. Nothing is ever unpickled but plain tensors.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.encoders.imagebind.config import Shapes, TowerConfig, config_from_shapes, tower_of
from bindsearch.errors import EncoderError
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest
from bindsearch.models.needs import require_torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bindsearch.encoders.imagebind.towers import ImageBind

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


def check_shapes(shapes: Shapes, settings: Mapping[str, Any] | None = None) -> dict[str, TowerConfig]:
    """The towers that ``shapes``, by official key, describe, whole and with nothing beside them.

    ``settings`` are those of ``config_from_shapes``. Raises EncoderError naming the first keys that are
    missing, extra or misshapen.
    """
    configs = config_from_shapes(shapes, settings)
    _compare(expected_shapes(configs), shapes)
    return configs


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a safetensors file, from its header alone; EncoderError if it is damaged."""
    require_torch()
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as weights:
            return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"weights are damaged: {error}", subject=str(path)) from error


def expected_shapes(configs: Mapping[str, TowerConfig]) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the state dict that ``configs`` describe."""
    model = _empty_model(configs)
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def build(state: Mapping[str, Tensor], settings: Mapping[str, Any] | None = None) -> ImageBind:
    """A model of the towers in ``state``, which become its parameters without being copied.

    ``settings`` are those of ``config_from_shapes``. Raises EncoderError for missing, extra or misshapen
    keys and for weights that are not finite numbers.
    """
    configs = check_shapes({key: tuple(tensor.shape) for key, tensor in state.items()}, settings)
    model = _empty_model(configs)
    model.load_state_dict(_floats(state), strict=True, assign=True)
    return model.eval().requires_grad_(False)


def load_tower(folder: Path, tower: str, precision: str = "float32") -> ImageBind:
    """The model of one tower from a folder of weights; EncoderError as ``read_checkpoint`` and ``build``.

    In another precision than float32 it is read block by block: no more than one of them is in memory twice.
    """
    path = folder / f"{tower}.safetensors"
    try:
        if not path.is_file():
            raise EncoderError("weights are missing")
        shapes = shapes_of(path)
        if foreign := sorted({tower_of(key) for key in shapes} - {tower}):
            raise EncoderError(f"holds weights of {' and '.join(foreign)}")
        settings = read_settings(folder)
        if precision == "float32":
            return build(read_checkpoint(path), settings)
        return _reduced(path, check_shapes(shapes, settings), precision)
    except EncoderError as error:
        raise EncoderError(error.message, subject=error.subject or str(path), hint=error.hint) from error


def read_settings(folder: Path) -> dict[str, Any]:
    """Settings under the published constructor's names from the folder's manifest, often none."""
    return ModelManifest.read(folder / MANIFEST_FILE).config


def _reduced(path: Path, configs: Mapping[str, TowerConfig], precision: str) -> ImageBind:
    from bindsearch.encoders.imagebind.precision import reduce_precision
    from bindsearch.encoders.imagebind.transformer import Block

    model = _empty_model(configs).requires_grad_(False)
    blocks = {f"{name}.": part for name, part in model.named_modules() if isinstance(part, Block)}
    for prefix, block in blocks.items():
        # Mapped anew each time: pages that were read stay in memory as long as their mapping does.
        state = _floats({k: t for k, t in read_checkpoint(path).items() if k.startswith(prefix)})
        block.load_state_dict({k.removeprefix(prefix): t for k, t in state.items()}, assign=True)
        reduce_precision(block, precision)
        _own(block)
    rest = {k: t for k, t in read_checkpoint(path).items() if not k.startswith(tuple(blocks))}
    model.load_state_dict(_floats(rest), strict=False, assign=True)
    reduce_precision(model, precision)
    return model.eval()


def _own(block: nn.Module) -> None:
    """Copy what is still mapped, which is little, so that the mapping can go."""
    for parameter in block.parameters():
        parameter.data = parameter.data.clone()


def _floats(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state`` in float32, without a copy where it is so already; EncoderError if it is not finite."""
    import torch

    _check_finite(state)
    return {key: tensor.to(torch.float32) for key, tensor in state.items()}


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


def _compare(expected: Mapping[str, tuple[int, ...]], found: Shapes) -> None:
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
