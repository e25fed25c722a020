"""Which towers stay in memory, how much loading one takes, and on which device it computes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bindsearch.encoders.imagebind import ImageBindEncoder
from bindsearch.encoders.imagebind.load import load_tower
from bindsearch.encoders.imagebind.precision import bytes_of, shrunk
from bindsearch.errors import EncoderError
from bindsearch.media import HeatMap, Media, Passage, Picture
from bindsearch.modality import Modality
from tests.encoders.imagebind.small import CONFIGS, random_state, write_folder

PICTURE = Picture(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3))
HEAT = HeatMap(np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40))
WORDS = Passage("a dog")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("weights") / "small", random_state())


def size(folder: Path, *towers: str) -> int:
    return sum((folder / f"{tower}.safetensors").stat().st_size for tower in towers)


def test_towers_that_fit_the_budget_stay(folder: Path) -> None:
    encoder = ImageBindEncoder(folder)
    for item in (WORDS, PICTURE, HEAT, WORDS):
        encoder.encode([item])
    assert encoder.loaded == ("vision", "thermal", "text")


def test_the_tower_that_was_not_used_for_longest_goes_first(folder: Path) -> None:
    encoder = ImageBindEncoder(folder, budget=size(folder, "vision", "text"))
    first = encoder.encode([PICTURE])
    for item in (WORDS, PICTURE):
        encoder.encode([item])
    assert encoder.loaded == ("text", "vision")
    encoder.encode([HEAT])
    assert encoder.loaded == ("vision", "thermal")
    encoder.encode([WORDS])
    assert encoder.loaded == ("thermal", "text")
    np.testing.assert_array_equal(encoder.encode([PICTURE]), first)


def test_one_tower_may_be_larger_than_the_budget(folder: Path) -> None:
    encoder = ImageBindEncoder(folder, budget=1)
    items: tuple[Media, ...] = (WORDS, PICTURE)
    for item in items:
        assert encoder.encode([item]).shape[0] == 1
        assert len(encoder.loaded) == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16", "int8"])
@pytest.mark.parametrize("tower", ["vision", "audio"])
def test_a_tower_takes_no_more_than_was_expected(folder: Path, tower: str, precision: str) -> None:
    wide = dataclasses.replace(CONFIGS[tower], width=256, blocks=16)
    kept = write_folder(folder.parent / f"wide-{tower}-{precision}", random_state({tower: wide}))
    found = bytes_of(load_tower(kept, tower, precision))
    assert 0.2 * size(kept, tower) < found <= shrunk(size(kept, tower), precision)


LOAD = """
import sys
from pathlib import Path
import torch
from bindsearch.encoders.imagebind.load import load_tower
from bindsearch.encoders.imagebind.precision import bytes_of

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

folder = Path(sys.argv[1])
load_tower(folder, "imu", sys.argv[2])  # whatever is set up once
before = peak()
model = load_tower(folder, "vision", sys.argv[2])
print(peak() - before, bytes_of(model))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks of memory are told by Linux only")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_loading_takes_little_more_memory_than_the_tower_will(tmp_path: Path, precision: str) -> None:
    vision = dataclasses.replace(CONFIGS["vision"], width=512, blocks=16)
    folder = write_folder(tmp_path / "small", random_state({"vision": vision, "imu": CONFIGS["imu"]}))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder), precision], capture_output=True, text=True, check=True
    )
    taken, kept = map(int, done.stdout.split())
    # Pages of the mapped file count as memory until the system wants them back, so some blocks are in both.
    assert taken < kept + 0.5 * size(folder, "vision")
    assert taken < 1.1 * size(folder, "vision")


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.TEXT])
def test_a_device_that_is_asked_for_gives_the_same_vectors(
    folder: Path, modality: Modality, precision: str
) -> None:
    item: Media = PICTURE if modality is Modality.IMAGE else WORDS
    named, chosen = (ImageBindEncoder(folder, precision, device=d) for d in ("cpu", None))
    assert named.device == "cpu"
    near = 1e-5 if precision == "float32" else 0.02  # a GPU, where one is chosen, rounds otherwise
    np.testing.assert_allclose(named.encode([item]), chosen.encode([item]), atol=near)


def test_halves_keep_sums_and_norms_in_float32(folder: Path) -> None:
    model = load_tower(folder, "vision", "bfloat16")
    types = {name: parameter.dtype for name, parameter in model.named_parameters()}
    prefix = "modality_trunks.vision.blocks.0."
    assert types[prefix + "mlp.fc1.weight"] == types[prefix + "attn.in_proj_weight"] == torch.bfloat16
    assert types[prefix + "norm_1.weight"] == types[prefix + "mlp.fc1.bias"] == torch.float32


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta:x"])
def test_a_device_that_is_not_there_is_refused(folder: Path, device: str) -> None:
    with pytest.raises(EncoderError, match="cannot compute on"):
        ImageBindEncoder(folder, device=device)


def test_int8_is_refused_on_other_devices_than_processors(folder: Path) -> None:
    with pytest.raises(EncoderError, match="on processors only"):
        ImageBindEncoder(folder, "int8", device="meta")
