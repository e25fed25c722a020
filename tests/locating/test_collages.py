"""The benchmark of collages: each shows its object where it says, and nowhere else."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.evaluation.benchmarks import BENCHMARKS, benchmark
from tests.media import BLUE, GREEN, RED, WHITE, picture

COLUMNS = ("file", "modality", "split", "label", "captions")


@pytest.fixture
def collages() -> ModuleType:
    """The module that makes them."""
    return benchmark("_collages")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of objects of a colour each, and scenes, one of which shows the first class."""
    objects = [("rooster", RED), ("laptop", BLUE)] * 4
    scenes = [("a red hen", GREEN), ("a meadow", GREEN), ("a wall", WHITE), *[("grass", GREEN)] * 24]
    for name, rows in (
        ("objects_caltech101", [(label, "", colour) for label, colour in objects]),
        ("captions_flickr8k", [("", caption, colour) for caption, colour in scenes]),
    ):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "manifest.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for number, (label, caption, colour) in enumerate(rows):
                picture(tmp_path / name / f"{number}.png", colour, (40, 30))
                writer.writerow((f"{number}.png", "image", "test", label, caption))
    return tmp_path


@pytest.mark.parametrize("kind", ["scene", "grid"])
def test_the_object_lies_in_its_box_and_nowhere_else(collages: ModuleType, data: Path, kind: str) -> None:
    asked = collages.Asked.of(data, "test")
    row = asked.objects[0]
    for seed in range(12):
        made = collages.make(asked, row, kind, random.Random(seed))
        assert made.pixels.shape == (collages.HEIGHT, collages.WIDTH, 3)
        x, y, width, height = made.box
        red = np.abs(made.pixels.astype(int) - RED).sum(2) < 60
        assert red[y : y + height, x : x + width].all()
        assert red.sum() == width * height
        assert made.holds(x, y)
        assert not made.holds(x + width, y)
        assert not any("hen" in caption for part in made.parts for caption in part.captions)
        assert made.might_show("rooster")


def test_the_same_seed_makes_the_same_collage(collages: ModuleType, data: Path) -> None:
    asked = collages.Asked.of(data, "test")
    first, again, other = (
        collages.make(asked, asked.objects[1], "grid", random.Random(n)) for n in (1, 1, 2)
    )
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("name", ["collages.py", "joined.py"])
def test_without_data_the_benchmark_is_passed_over(name: str) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "passed over" in done.stdout
