"""The weights folder: what it lists, and that damage of every kind is refused with a reason and a hint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bindsearch.encoders.compact import WEIGHTS, CompactEncoder, Manifest
from bindsearch.errors import EncoderError
from bindsearch.media import Media, Passage, Picture

DOG = Passage("a dog")
GREY = Picture(np.full((8, 8, 3), 128, np.uint8))
USERS: list[tuple[str, Media]] = [("text.onnx", DOG), ("tokenizer.json", DOG), ("image.onnx", GREY)]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A copy of the shipped weights that a test may damage."""
    return Path(shutil.copytree(WEIGHTS, tmp_path / "weights"))


def change(weights: Path, **fields: Any) -> None:
    path = weights / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | fields), encoding="utf-8")


def test_the_shipped_weights_are_the_ones_the_manifest_lists() -> None:
    Manifest.read().verify()


def test_the_manifest_lists_every_weight_file_and_no_other() -> None:
    documents = {"manifest.json", "NOTICE", "MODEL_CARD.md", "LICENSE-Apache-2.0.txt"}
    listed = {file.name for file in Manifest.read().files}
    assert {path.name for path in WEIGHTS.iterdir()} == listed | documents


def test_the_towers_stay_small() -> None:
    assert Manifest.read().size < 90_000_000


def test_a_copy_of_the_weights_works(weights: Path) -> None:
    assert np.array_equal(CompactEncoder(weights).encode([DOG]), CompactEncoder().encode([DOG]))


def test_other_weights_are_another_space(weights: Path) -> None:
    before = CompactEncoder(weights).space
    content = json.loads((weights / "manifest.json").read_text(encoding="utf-8"))
    content["files"][0]["sha256"] = "0" * 64
    change(weights, files=content["files"])
    assert CompactEncoder(weights).space.key != before.key


@pytest.mark.parametrize(("name", "item"), USERS)
def test_a_missing_weight_file_is_refused(weights: Path, name: str, item: Media) -> None:
    (weights / name).unlink()
    with pytest.raises(EncoderError, match=rf"{name}: weights are missing \(install bindsearch again\)"):
        CompactEncoder(weights).encode([item])


@pytest.mark.parametrize(("name", "item"), USERS)
def test_a_truncated_weight_file_is_refused(weights: Path, name: str, item: Media) -> None:
    path = weights / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(EncoderError, match=rf"{name}: weights have \d+ bytes instead of \d+"):
        CompactEncoder(weights).encode([item])


@pytest.mark.parametrize(("name", "item"), USERS)
def test_a_weight_file_of_zeros_is_refused(weights: Path, name: str, item: Media) -> None:
    path = weights / name
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(EncoderError, match=f"{name}: .*damaged"):
        CompactEncoder(weights).encode([item])
    with pytest.raises(EncoderError, match=f"{name}: weights are damaged"):
        Manifest.read(weights).verify()


def test_one_flipped_bit_is_found_by_verifying(weights: Path) -> None:
    path = weights / "image.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(EncoderError, match="weights are damaged"):
        Manifest.read(weights).verify()


def test_a_damaged_image_tower_leaves_text_working(weights: Path) -> None:
    (weights / "image.onnx").unlink()
    assert CompactEncoder(weights).encode([DOG]).shape == (1, 384)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        EncoderError, match=r"manifest\.json: No such file or directory \(install bindsearch again\)"
    ):
        CompactEncoder(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a manifest of format 1"),
        ('{"format": 2}', "is not a manifest of format 1"),
        ('{"format": 1}', "misses or misstates"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(EncoderError, match=reason):
        CompactEncoder(tmp_path)


def test_a_tower_of_an_unknown_modality_is_refused(weights: Path) -> None:
    change(weights, towers=[{"name": "smell", "modalities": ["smell"], "model": "smell.onnx"}])
    with pytest.raises(EncoderError, match="misses or misstates"):
        CompactEncoder(weights)
