"""From torch modules to the files that the compact space ships, and their manifest."""

from __future__ import annotations

import io
import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bindsearch.encoders.compact.manifest import FORMAT
from bindsearch.encoders.compact.pictures import PREPROCESSING, SIDE
from bindsearch.modality import Modality
from bindsearch.training.sources import IMAGE_WEIGHTS, TEXT_WEIGHTS, TOKENIZER, Source, locate, sha256_of
from bindsearch.training.towers import TEXT_DIMENSIONS, EfficientNetLite2, MiniLM

OPSET = 17
LICENCE = (
    "Apache-2.0 for the two source networks; the trained head has seen Flickr8k, "
    "whose terms allow non-commercial research and education only (see MODEL_CARD.md)"
)
IMAGE_FILE, TEXT_FILE, TOKENIZER_FILE = "image.onnx", "text.onnx", "tokenizer.json"
# What each tower that joins the first two has seen that its users should know of.
LICENCES = {
    Modality.AUDIO: (
        "the audio tower has seen ESC-50, whose collection is CC BY-NC 3.0: non-commercial use only"
    ),
    Modality.DEPTH: "the depth tower has seen NYU Depth V2, published for research without a licence",
    Modality.THERMAL: "the thermal tower has seen RoadScene and irsurvey, which state no licence",
    Modality.IMU: "the IMU tower has seen SisFall and UTD-MHAD, published for research without a licence",
}
# Which modalities each was trained together with. Depth met words, photos and, in UTD-MHAD, motions.
PAIRS = {
    Modality.IMAGE: (Modality.TEXT,),
    Modality.AUDIO: (Modality.IMAGE, Modality.TEXT),
    Modality.DEPTH: (Modality.IMAGE, Modality.TEXT),
    Modality.THERMAL: (Modality.IMAGE, Modality.TEXT),
    Modality.IMU: (Modality.DEPTH, Modality.TEXT),
}


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
    example = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / IMAGE_FILE).write_bytes(packed(ImageModel(tower, head), example, input_name(Modality.IMAGE)))


def write_tower(tower: nn.Module, example: NDArray[Any], modality: Modality, folder: Path) -> None:
    """Write the tower of a further modality, weights in 16 bits, into ``folder``.

    ``example`` is what it takes of one item, (1, ...).
    """
    (folder / file_of(modality)).write_bytes(packed(tower, example, input_name(modality)))


def packed(tower: nn.Module, example: NDArray[Any], name: str) -> bytes:
    """``tower`` as ONNX with 16-bit weights; its input is called ``name``."""
    from bindsearch.training.quantize import half_weights

    plain = tower.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return half_weights(export_onnx(plain, torch.from_numpy(example), (name, "vector"), {0: "batch"}))


def input_name(modality: Modality) -> str:
    """What a network's input is called, by which it is told what it is given."""
    return {Modality.SENSOR: "readings", Modality.IMU: "motion"}.get(modality, "pixels")


def file_of(modality: Modality) -> str:
    """The name of a tower's file."""
    return f"{modality}.onnx"


def add_tower(folder: Path, modality: Modality, revision: str, origin: Source | None) -> None:
    """Describe a further tower in the manifest of ``folder``, in place of one that is described there.

    ``origin`` is the network that it started from. The towers and files of the other modalities stay as they
    are.
    """
    path = folder / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    tower: dict[str, Any] = {"name": modality, "modalities": [modality], "model": file_of(modality)}
    if origin is not None:
        tower["source"] = _origin(origin)
    content["towers"] = [*(old for old in content["towers"] if old["name"] != modality), tower]
    files = [old for old in content["files"] if old["name"] != file_of(modality)]
    content["files"] = [*files, _described(folder / file_of(modality))]
    content["revision"] = revision
    names = [old["name"] for old in content["towers"]]
    content["licence"] = "; ".join([LICENCE, *(text for name, text in LICENCES.items() if name in names)])
    content["trained_pairs"] = _pairs(names)
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
        "trained_pairs": _pairs([tower["name"] for tower in towers]),
        "towers": towers,
        "files": [_described(folder / name) for name in (TEXT_FILE, TOKENIZER_FILE, IMAGE_FILE)],
    }
    (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _pairs(names: Sequence[str]) -> list[list[str]]:
    return [
        [name, other] for name, others in PAIRS.items() if name in names for other in others if other in names
    ]


def _origin(source: Source) -> dict[str, str]:
    return {"package": source.distribution, "sha256": source.sha256, "licence": source.license}


def _described(path: Path) -> dict[str, str | int]:
    return {"name": path.name, "size": path.stat().st_size, "sha256": sha256_of(path)}
