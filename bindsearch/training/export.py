"""From torch modules to the files that the compact space ships, and their manifest."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bindsearch.encoders.compact.manifest import FORMAT
from bindsearch.encoders.compact.pictures import PREPROCESSING, SIDE
from bindsearch.encoders.compact.sounds import BANDS, FRAMES
from bindsearch.training.sources import IMAGE_WEIGHTS, TEXT_WEIGHTS, TOKENIZER, Source, locate, sha256_of
from bindsearch.training.towers import TEXT_DIMENSIONS, EfficientNetLite2, MiniLM

OPSET = 17
LICENCE = (
    "Apache-2.0 for the two source networks; the trained head has seen Flickr8k, "
    "whose terms allow non-commercial research and education only (see MODEL_CARD.md)"
)
AUDIO_LICENCE = "the audio tower has seen ESC-50, whose collection is CC BY-NC 3.0: non-commercial use only"
IMAGE_FILE, TEXT_FILE, TOKENIZER_FILE = "image.onnx", "text.onnx", "tokenizer.json"
AUDIO_FILE = "audio.onnx"


class ImageModel(nn.Module):
    """The image tower with its head: pixels in 0..255, (batch, 224, 224, 3), to (batch, 384)."""

    def __init__(self, tower: EfficientNetLite2, head: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        vectors: Tensor = self.head(self.tower(pixels).mean((2, 3)))
        return vectors


def export_onnx(
    module: nn.Module,
    example: Tensor,
    names: tuple[str, str],
    free_axes: dict[int, str],
) -> bytes:
    """``module`` as ONNX; ``names`` are those of its input and output, ``free_axes`` may have any size."""
    buffer = io.BytesIO()
    stream: Any = buffer  # the exporter takes streams, its type hints do not say so
    given, made = names
    with warnings.catch_warnings():
        # The tracing exporter is the older of two; the newer needs one more package and writes the same
        # operations for these networks. It warns of its age, and of sizes that become constants on purpose.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (example,), stream, input_names=[given], output_names=[made],
            dynamic_axes={given: free_axes, made: {0: "batch"}}, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    return buffer.getvalue()


def write_text_tower(tower: MiniLM, folder: Path) -> None:
    """Write the text tower, weights in 8 bits, and its tokenizer into ``folder``."""
    from bindsearch.training.quantize import eight_bit_weights

    example = torch.ones(1, 7, dtype=torch.long)
    model = export_onnx(tower, example, ("ids", "vector"), {0: "batch", 1: "tokens"})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TEXT_FILE).write_bytes(eight_bit_weights(model))
    shutil.copyfile(locate(TOKENIZER), folder / TOKENIZER_FILE)


def write_image_tower(tower: EfficientNetLite2, head: nn.Module, folder: Path) -> None:
    """Write the image tower with its head, weights in 16 bits, into ``folder``."""
    from bindsearch.training.quantize import half_weights

    example = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    model = export_onnx(ImageModel(tower, head), example, ("pixels", "vector"), {0: "batch"})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / IMAGE_FILE).write_bytes(half_weights(model))


def write_sound_tower(tower: nn.Module, folder: Path) -> None:
    """Write the audio tower, weights in 16 bits, into ``folder``."""
    from bindsearch.training.quantize import half_weights

    example = torch.zeros(1, BANDS, FRAMES, 3, dtype=torch.uint8)
    plain = tower.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = export_onnx(plain, example, ("pixels", "vector"), {0: "batch"})
    (folder / AUDIO_FILE).write_bytes(half_weights(model))


def add_sound_tower(folder: Path, revision: str) -> None:
    """Describe the audio tower in the manifest of ``folder``, in place of one that is described there.

    The towers and files of the other modalities stay as they are.
    """
    path = folder / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    tower = {
        "name": "audio",
        "modalities": ["audio"],
        "model": AUDIO_FILE,
        "source": _origin(IMAGE_WEIGHTS),
    }
    content["towers"] = [*(old for old in content["towers"] if old["name"] != "audio"), tower]
    files = [old for old in content["files"] if old["name"] != AUDIO_FILE]
    content["files"] = [*files, _described(folder / AUDIO_FILE)]
    content["revision"] = revision
    if AUDIO_LICENCE not in content["licence"]:
        content["licence"] = f"{content['licence']}; {AUDIO_LICENCE}"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_manifest(folder: Path, revision: str) -> None:
    """Describe the weight files that lie in ``folder`` in its ``manifest.json``."""
    towers: list[dict[str, Any]] = [
        {
            "name": "text",
            "modalities": ["text"],
            "model": TEXT_FILE,
            "tokenizer": TOKENIZER_FILE,
            "source": _origin(TEXT_WEIGHTS),
        },
        {
            "name": "image",
            "modalities": ["image", "video"],
            "model": IMAGE_FILE,
            "source": _origin(IMAGE_WEIGHTS),
        },
    ]
    content = {
        "format": FORMAT,
        "id": "compact",
        "revision": revision,
        "dimensions": TEXT_DIMENSIONS,
        "preprocessing": PREPROCESSING,
        "licence": LICENCE,
        "towers": towers,
        "files": [_described(folder / name) for name in (TEXT_FILE, TOKENIZER_FILE, IMAGE_FILE)],
    }
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _origin(source: Source) -> dict[str, str]:
    return {"package": source.distribution, "sha256": source.sha256, "licence": source.license}


def _described(path: Path) -> dict[str, str | int]:
    return {"name": path.name, "size": path.stat().st_size, "sha256": sha256_of(path)}
