"""The recipes of depth, heat and motion: what is drawn how often, and a whole run of one on a made-up set."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bindsearch.encoders.compact import WEIGHTS, CompactEncoder, Manifest
from bindsearch.evaluation.bonds import trained_pairs
from bindsearch.modality import Modality
from bindsearch.training.__main__ import REVISION, main
from bindsearch.training.loop import threads
from bindsearch.training.senses import IMU, SENSES, THERMAL, chances, manifests_of
from tests.encoders.test_compact_motions import walk

HEADER = ("file", "modality", "pair_id", "split", "label", "captions", "licence", "index")
FREE, UNSTATED = "CC BY 4.0 (as its page says)", "none stated"
WINDOWS = 24


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Small batches are slower on several cores, much slower on busy ones."""
    with threads(1):
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of sets with motions of two kinds: some shake, some are still; a third of them is not free."""
    folder = tmp_path / "data" / "imu"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    x = np.zeros((WINDOWS, 250, 6), np.float32)
    x[:, :, 0] = 1
    x[::2] += rng.normal(0, 0.5, (WINDOWS // 2, 250, 6)).astype(np.float32)
    np.savez(folder / "all.npz", x=x, hz=50)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [
            ("all.npz", "imu", f"p{i}", "train", "resting" if i % 2 else "shaking", "", licence, i)
            for i in range(WINDOWS)
            for licence in [UNSTATED if i % 3 == 0 else FREE]
        ]
        csv.writer(file).writerows([HEADER, *rows])
    return tmp_path / "data"


def test_each_recipe_is_of_another_sense() -> None:
    assert set(SENSES) == {Modality.DEPTH, Modality.THERMAL, Modality.IMU}


def test_a_permissive_recipe_reads_only_what_is_free(data: Path) -> None:
    counts = [
        len(manifests_of(IMU, data, permissive=free).rows("train", Modality.IMU)) for free in (False, True)
    ]
    assert counts == [WINDOWS, WINDOWS * 2 // 3]


def test_rare_labels_are_drawn_more_often_than_their_share(data: Path) -> None:
    rows = manifests_of(IMU, data, permissive=False).rows("train", Modality.IMU)
    rare = [row for row in rows if row.label == "resting"][:2]
    common = [row for row in rows if row.label == "shaking"]
    weights = chances([*rare, *common], IMU)
    assert float(weights.sum()) == pytest.approx(1.0)
    assert float(weights[:2].sum()) > len(rare) / (len(rare) + len(common))


def test_one_command_trains_a_tower_and_adds_it_to_the_space(data: Path, tmp_path: Path) -> None:
    space = Path(shutil.copytree(WEIGHTS, tmp_path / "space"))
    before = (space / "image.onnx").read_bytes()
    arguments = ["--data", str(data), "--out", str(space), "--cache", str(tmp_path / "cache")]
    assert main(["compact-imu", *arguments, "--epochs", "1"]) == 0
    manifest = Manifest.read(space)
    manifest.verify()
    assert manifest.revision == REVISION
    assert (space / "image.onnx").read_bytes() == before
    vectors = CompactEncoder(space).encode([walk(), walk(seconds=3)])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert frozenset({Modality.IMU, Modality.TEXT}) in (trained_pairs(space) or ())


def test_a_recipe_without_free_data_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "thermal"
    folder.mkdir()
    row = ("a.jpg", "thermal", "p", "train", "dog", "", UNSTATED, "")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, row])
    assert THERMAL.sets.keys() == {"thermal"}
    space = Path(shutil.copytree(WEIGHTS, tmp_path / "space"))
    arguments = ["compact-thermal", "--data", str(tmp_path), "--out", str(space), "--permissive"]
    assert main([*arguments, "--cache", str(tmp_path / "cache")]) == 2
    assert "has no thermal in split 'train'" in capsys.readouterr().err
