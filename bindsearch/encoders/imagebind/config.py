"""The sizes of the six towers: the published ones, and those of any checkpoint read off its shapes.

Nearly everything stands in the shapes. Two things do not: how many heads an attention layer is split into,
and the stride of the audio patches when spectrograms are not 128 x 204. Settings under the published
constructor's names (``vision_num_heads``, ``audio_stride``, ...) give them; without settings, widths of the
published model imply its heads.

Source of the published sizes: arXiv 2305.05665, and the shapes of the published weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bindsearch.errors import EncoderError

PRECISIONS = ("float32", "bfloat16", "float16", "int8")
ROUNDING = {"int8": "2"}  # another one where a precision rounds otherwise than it did, and vectors differ
TOWERS = ("vision", "text", "audio", "depth", "thermal", "imu")
STEMS = {"vision": "rgbt_stem", "audio": "rgbt_stem", "depth": "depth_stem", "thermal": "rgbt_stem"}
IMU_CHANNELS = 6

Shapes = Mapping[str, Sequence[int]]

_KEY = re.compile(rf"modality_(?:preprocessors|trunks|heads|postprocessors)\.({'|'.join(TOWERS)})\.")
_HEADS = {  # of the published model, by tower and width
    **{("vision", 1280): 16, ("text", 1024): 16, ("audio", 768): 12},
    **{("depth", 384): 8, ("thermal", 768): 12, ("imu", 512): 8},
}


@dataclass(frozen=True, slots=True)
class TowerConfig:
    """One tower. ``kernel`` and ``stride`` are those of its patches, time first; text has none."""

    width: int
    blocks: int
    heads: int
    output: int
    positions: int  # rows of the position table, that of the class token included
    sample: tuple[int, ...]  # shape of one sample
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    vocabulary: int = 0


HUGE = {
    "vision": TowerConfig(1280, 32, 16, 1024, 257, (3, 224, 224), (2, 14, 14), (2, 14, 14)),
    "text": TowerConfig(1024, 24, 16, 1024, 77, (77,), vocabulary=49408),
    "audio": TowerConfig(768, 12, 12, 1024, 229, (1, 128, 204), (16, 16), (10, 10)),
    "depth": TowerConfig(384, 12, 8, 1024, 197, (1, 224, 224), (16, 16), (16, 16)),
    "thermal": TowerConfig(768, 12, 12, 1024, 197, (1, 224, 224), (16, 16), (16, 16)),
    "imu": TowerConfig(512, 6, 8, 1024, 251, (IMU_CHANNELS, 2000), (8,), (8,)),
}


def tower_of(key: str) -> str:
    """The tower that an official state-dict key belongs to; EncoderError for any other key."""
    match = _KEY.match(key)
    if match is None:
        raise EncoderError(
            f"holds {key!r}, which belongs to no ImageBind tower",
            hint="is this an ImageBind checkpoint in the official layout?",
        )
    return match[1]


def config_from_shapes(shapes: Shapes, settings: Mapping[str, Any] | None = None) -> dict[str, TowerConfig]:
    """The towers that ``shapes``, by official key, describe.

    Raises EncoderError for a foreign key, a key that the sizes are read from and that is missing or has an
    odd number of axes, and heads or strides that neither ``settings`` nor the shapes tell.
    """
    present = {tower_of(key) for key in shapes}
    try:
        return {tower: _tower_config(tower, shapes, settings or {}) for tower in TOWERS if tower in present}
    except KeyError as error:
        raise EncoderError(f"misses {error.args[0]}", hint="the checkpoint is incomplete") from error
    except (ValueError, IndexError) as error:
        raise EncoderError(
            "has weights of unexpected shapes", hint="is this an ImageBind checkpoint?"
        ) from error


def _tower_config(tower: str, shapes: Shapes, settings: Mapping[str, Any]) -> TowerConfig:
    stem = f"modality_preprocessors.{tower}."
    helper = "" if tower in ("text", "imu") else "pos_embedding_helper."
    _, positions, width = shapes[f"{stem}{helper}pos_embed"]
    kernel, stride, sample = _patches(tower, shapes, positions, settings)
    return TowerConfig(
        width=width,
        blocks=_blocks(tower, shapes),
        heads=_heads(tower, width, settings),
        output=shapes[_head_key(tower)][0],
        positions=positions,
        sample=sample,
        kernel=kernel,
        stride=stride,
        vocabulary=shapes[f"{stem}token_embedding.weight"][0] if tower == "text" else 0,
    )


def _head_key(tower: str) -> str:
    last = {"text": "proj.1", "imu": "3"}.get(tower, "2")
    return f"modality_heads.{tower}.{last}.weight"


def _blocks(tower: str, shapes: Shapes) -> int:
    pattern = re.compile(rf"modality_trunks\.{tower}\.blocks\.(\d+)\.")
    return len({match[1] for key in shapes if (match := pattern.match(key))})


def _heads(tower: str, width: int, settings: Mapping[str, Any]) -> int:
    heads = settings.get(f"{tower}_num_heads", _HEADS.get((tower, width)))
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise EncoderError(
            f"does not tell how many heads the {tower} tower of width {width} has",
            hint=f'give it under "config" as "{tower}_num_heads"',
        )
    return heads


def _patches(
    tower: str, shapes: Shapes, positions: int, settings: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel and stride of the patches, and the shape of one sample."""
    if tower == "text":
        return (), (), (positions,)
    if tower == "imu":
        steps = shapes["modality_preprocessors.imu.imu_stem.proj.weight"][1] // IMU_CHANNELS
        return (steps,), (steps,), (IMU_CHANNELS, (positions - 1) * steps)
    index = "1." if tower == "vision" else ""
    _, channels, *kernel = shapes[f"modality_preprocessors.{tower}.{STEMS[tower]}.proj.{index}weight"]
    if tower == "audio":
        sample = (1, settings.get("audio_num_mel_bins", 128), settings.get("audio_target_len", 204))
        stride = settings.get("audio_stride") or _audio_stride(kernel[0], sample, positions - 1)
        return tuple(kernel), (stride, stride), sample
    return tuple(kernel), tuple(kernel), (channels, 224, 224)


def _audio_stride(kernel: int, sample: tuple[int, ...], patches: int) -> int:
    """The stride that cuts a spectrogram into ``patches``; the largest that fits."""
    _, bins, frames = sample
    for stride in range(kernel, 0, -1):
        if ((bins - kernel) // stride + 1) * ((frames - kernel) // stride + 1) == patches:
            return stride
    raise EncoderError(
        "does not tell the stride of the audio patches", hint='give "audio_stride" under "config"'
    )
