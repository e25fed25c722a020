"""Towers and their export: the torch networks, the exported files and the shipped ones agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from bindsearch.encoders.compact import WEIGHTS, CompactEncoder, Manifest
from bindsearch.errors import EncoderError
from bindsearch.media import Passage
from bindsearch.modality import Modality
from bindsearch.training.export import add_tower, export_onnx, write_manifest
from bindsearch.training.quantize import eight_bit_weights, half_weights
from bindsearch.training.sources import IMAGE_WEIGHTS, TEXT_WEIGHTS, Source, locate
from bindsearch.training.texts import text_vectors
from bindsearch.training.towers import EfficientNetLite2, SamePadConv

LINES = ["a dog on the beach", "two children play football in the snow", "quarterly revenue"]


class Small(nn.Module):
    """A look-up and a product, as the text tower has many."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 64)
        self.product = nn.Linear(64, 96)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.product(self.words(ids))  # type: ignore[no-any-return]


def run(model: bytes, given: NDArray[np.generic]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, {session.get_inputs()[0].name: given})
    return outputs[0]


@pytest.mark.parametrize("size", [9, 10, 17, 33, 65, 130])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_gives_every_stride_its_place(size: int, kernel: int, stride: int) -> None:
    conv = SamePadConv(1, 1, kernel, stride, bias=False)
    before, after = conv.padding_for(torch.zeros(1, 1, size, size), 2)
    assert conv(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // stride)
    assert after - before in (0, 1)


def test_the_image_tower_has_the_published_shape() -> None:
    tower = EfficientNetLite2().eval()
    with torch.no_grad():
        assert tower(torch.zeros(1, 224, 224, 3, dtype=torch.uint8)).shape == (1, 1280, 7, 7)
    assert sum(parameter.numel() for parameter in tower.parameters()) == 6_092_072


def test_smaller_weights_give_nearly_the_same_numbers() -> None:
    torch.manual_seed(0)
    module = Small().eval()
    model = export_onnx(
        module, torch.ones(1, 4, dtype=torch.long), ("ids", "made"), {0: "batch", 1: "tokens"}
    )
    ids = np.arange(12).reshape(2, 6)
    exact = run(model, ids)
    assert np.allclose(exact, module(torch.from_numpy(ids)).detach(), atol=1e-5)
    for smaller, least in ((eight_bit_weights(model), 0.9995), (half_weights(model), 0.99999)):
        made = run(smaller, ids)
        cosine = (made * exact).sum(-1) / np.linalg.norm(made, axis=-1) / np.linalg.norm(exact, axis=-1)
        assert cosine.min() > least
        assert len(smaller) < 0.75 * len(model)


def test_the_shipped_text_tower_agrees_with_the_published_network() -> None:
    shipped = CompactEncoder().encode([Passage(line) for line in LINES])
    assert (shipped * text_vectors(LINES).numpy()).sum(1).min() > 0.998


def test_padding_changes_no_vector() -> None:
    shortest = min(LINES, key=len)
    together, alone = text_vectors(LINES)[LINES.index(shortest)], text_vectors([shortest])[0]
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_manifest_written_again_says_what_is_shipped(tmp_path: Path) -> None:
    shipped_ones = Manifest.read()
    for file in shipped_ones.files:
        (tmp_path / file.name).write_bytes((WEIGHTS / file.name).read_bytes())
    write_manifest(tmp_path, shipped_ones.revision)
    for tower in shipped_ones.towers[2:]:
        modality = Modality(tower.name)
        origin = None if modality is Modality.IMU else IMAGE_WEIGHTS
        add_tower(tmp_path, modality, shipped_ones.revision, origin)
    written, shipped = (
        json.loads((folder / "manifest.json").read_text(encoding="utf-8")) for folder in (tmp_path, WEIGHTS)
    )
    assert written == shipped


def test_source_weights_are_the_known_ones() -> None:
    assert locate(IMAGE_WEIGHTS).suffix == ".pth"
    assert locate(TEXT_WEIGHTS).suffix == ".safetensors"


def test_other_source_weights_are_refused() -> None:
    changed = Source("json", "__init__.py", "0" * 64, "json 1.0", "any")
    with pytest.raises(
        EncoderError, match=r"is not the file this training is written for \(install json 1.0\)"
    ):
        locate(changed)
    absent = Source("no_such_package_here", "weights", "0" * 64, "none 1.0", "any")
    with pytest.raises(
        EncoderError, match=r"none 1.0: is not installed \(install the extra: bindsearch\[train\]\)"
    ):
        locate(absent)
