"""Compute the arrays of a golden set with this implementation: numbers to compare with the published one's.

    python -m bindsearch.encoders.imagebind.conformance GOLDEN.json OUT.safetensors

GOLDEN.json describes either a model (``config`` and ``cases``), whose state dict NAME.safetensors and inputs
NAME-io.safetensors stand beside it, or inputs of the pre-processing (``images``, ``sounds``, ``videos``,
``texts``), which lie in the folder NAME-inputs beside it. OUT holds arrays of the golden set's names, made by
the official recipe. Exit code 1 with a sentence when something is missing or unusable.
"""

from __future__ import annotations

import json
import re
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.imagebind.audio import RATE, file_clips, resampled
from bindsearch.encoders.imagebind.load import build, read_checkpoint
from bindsearch.encoders.imagebind.pictures import film_views, still
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.errors import BindsearchError, EncoderError

if TYPE_CHECKING:
    from torch import Tensor

    from bindsearch.encoders.imagebind.towers import ImageBind

Arrays = dict[str, NDArray[Any]]
Golden = dict[str, Any]

_SELECTION = re.compile(r"(?P<name>[\w.]+?)\s*(?:\[(?P<index>[^\]]*)\])?")


def arrays_of(golden: Path) -> Arrays:
    """Every array of the golden set, computed; EncoderError when the set cannot be understood."""
    try:
        content: Golden = json.loads(golden.read_bytes())
    except (OSError, ValueError) as error:
        raise EncoderError("is not a readable golden set", subject=str(golden)) from error
    if "cases" in content:
        return _model_arrays(golden, content)
    return dict(_prepared(golden, content))


def load_model(golden: Path, content: Golden) -> ImageBind:
    """The model of a golden set."""
    return build(read_checkpoint(_beside(golden, content, ".safetensors")), content.get("config"))


def read_inputs(golden: Path, content: Golden) -> dict[str, Tensor]:
    """The inputs of a golden set by the names of its cases; pictures and sounds as float32."""
    stored = read_checkpoint(_beside(golden, content, "-io.safetensors"))
    return {name: _selected(stored, case["input"]) for name, case in content["cases"].items()}


def _model_arrays(golden: Path, content: Golden) -> Arrays:
    import torch

    model = load_model(golden, content)
    with torch.inference_mode():
        return {
            f"out.{name}": model(content["cases"][name]["modality"], x).numpy()
            for name, x in read_inputs(golden, content).items()
        }


def _beside(golden: Path, content: Golden, ending: str) -> Path:
    """The file that the set's own list of files names, or the one named like the set."""
    io = ending.startswith("-io")
    names: list[str] = list(content.get("sha256", {}))
    for name in names:
        if name.endswith(".safetensors") and name.endswith("-io.safetensors") == io:
            return golden.parent / name
    return golden.parent / f"{content.get('name', golden.stem)}{ending}"


def _selected(stored: dict[str, Tensor], expression: str) -> Tensor:
    """An input named like ``in.thermal`` or ``thermal[None]`` or ``vision_clips[:, :, :, 0]``."""
    match = _SELECTION.fullmatch(expression)
    name = match["name"].removeprefix("in.") if match else ""
    if match is None or f"in.{name}" not in stored:
        raise EncoderError(f"names an input {expression!r} that is not there")
    array = stored[f"in.{name}"]
    if match["index"]:
        array = array[tuple(_index(part.strip()) for part in match["index"].split(","))]
    return array.float() if array.is_floating_point() else array.long()


def _index(part: str) -> Any:
    named = {"None": None, "...": ..., "": slice(None)}
    if part in named:
        return named[part]
    numbers = [int(number) if number.strip() else None for number in part.split(":")]
    return slice(*numbers) if len(numbers) > 1 else numbers[0]


def _prepared(golden: Path, content: Golden) -> Iterator[tuple[str, NDArray[Any]]]:
    folder = golden.parent / f"{content.get('name', golden.stem)}-inputs"
    for entry in content.get("images", []):
        yield entry["array"], still(_pixels(folder / entry["file"]))
    for entry in content.get("sounds", []):
        yield from _sound_arrays(folder / entry["file"], entry)
    for entry in content.get("videos", []):
        yield from _film_arrays(folder / entry["file"])
    for group in ("texts", "texts_fuzz"):
        if entry := content.get(group):
            ids = token_ids(json.loads((folder / entry["file"]).read_bytes()))
            yield entry["array"], ids.astype(np.int32 if group == "texts_fuzz" else np.int64)


def _pixels(path: Path) -> NDArray[np.uint8]:
    """The picture as the published loader takes it: alpha dropped, not turned upright."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def _sound_arrays(path: Path, entry: Golden) -> Iterator[tuple[str, NDArray[Any]]]:
    samples, rate = _samples(path)
    _, _, bins, frames = entry.get("shape", (3, 1, 128, 204))
    yield entry["array"], file_clips(samples, rate, bins, frames)
    if rate != RATE:
        yield f"{entry['array']}.at16k", resampled(samples, rate).numpy()


def _samples(path: Path) -> tuple[NDArray[np.float32], int]:
    """(channels, n) from -1 to 1, and the rate, of a WAV file of 16 bits."""
    with wave.open(str(path)) as sound:
        if sound.getsampwidth() != 2:
            raise EncoderError("is not a WAV file of 16 bits", subject=str(path))
        levels = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        channels = levels.reshape(-1, sound.getnchannels()).T
        return channels.astype(np.float32) / np.float32(32768), sound.getframerate()


def _film_arrays(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    with np.load(path) as film:
        views = film_views(film["frames"], float(film["fps"]))
    name = f"video.{path.stem}"
    yield f"{name}.every8", views[..., 3::8, 5::8]
    yield f"{name}.mean", views.mean((-2, -1), dtype=np.float64).astype(np.float32)
    yield f"{name}.std", views.std((-2, -1), ddof=1, dtype=np.float64).astype(np.float32)


def main(arguments: list[str]) -> int:
    """The command; the exit code."""
    from safetensors.numpy import save_file

    if len(arguments) != 2:
        sys.stderr.write(
            "usage: python -m bindsearch.encoders.imagebind.conformance GOLDEN.json OUT.safetensors\n"
        )
        return 2
    golden, out = map(Path, arguments)
    try:
        arrays = arrays_of(golden)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, out)
    except (BindsearchError, OSError, KeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
