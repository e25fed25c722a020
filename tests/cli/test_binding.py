"""``bindsearch bind`` from end to end: a made-up sensor becomes a sense that an index and a search know."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bindsearch.index.filters import Filter
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality
from tests.cli.runner import bindsearch

TRAINED, HELD_OUT = 200, 40
SAMPLES, HERTZ = 100, 20
COLOURS = ("red", "green", "blue", "yellow", "white")
INKS = ((220, 30, 30), (30, 180, 60), (40, 60, 230), (240, 220, 40), (245, 245, 245))
SHAPES = ("circle", "square", "triangle", "cross")


@dataclass(frozen=True)
class Scene:
    """What is before the sensor: a shape of a colour, ``size`` and ``across`` from 0 to 1."""

    shape: int
    colour: int
    size: float
    across: float

    def photo(self, path: Path) -> None:
        image = Image.new("RGB", (160, 120), (90, 90, 95))
        pen = ImageDraw.Draw(image)
        half, middle = 12 + 30 * self.size, 40 + 80 * self.across
        box = (middle - half, 60 - half, middle + half, 60 + half)
        ink = INKS[self.colour]
        if self.shape == 0:
            pen.ellipse(box, fill=ink)
        elif self.shape == 1:
            pen.rectangle(box, fill=ink)
        elif self.shape == 2:
            pen.polygon([(box[0], box[3]), (box[2], box[3]), (middle, box[1])], fill=ink)
        else:
            pen.line((box[0], box[1], box[2], box[3]), fill=ink, width=9)
            pen.line((box[0], box[3], box[2], box[1]), fill=ink, width=9)
        image.save(path)

    def signal(self, random: np.random.Generator) -> NDArray[np.float64]:
        """What the sensor says of it, (SAMPLES, 4): a tone by shape, a level by colour, a pulse by place."""
        times = np.arange(SAMPLES) / HERTZ
        tone = np.sin(2 * np.pi * (0.6 + self.shape) * times + random.uniform(0, 6))
        level = np.full(SAMPLES, 5.0 + 3 * self.colour)
        other = np.where(times % 1 < 0.1 + 0.2 * self.colour, 1.0, -1.0)
        pulse = 40 * self.size * np.exp(-np.square((times - 1 - 3 * self.across) / 0.3))
        clean = np.stack([tone, level, other, pulse], axis=1)
        return clean + random.normal(0, 1, clean.shape) * (0.2, 0.5, 0.2, 2.0)


def scenes(count: int, random: np.random.Generator) -> list[Scene]:
    return [
        Scene(int(random.integers(4)), int(random.integers(5)), random.uniform(), random.uniform())
        for _ in range(count)
    ]


def write_log(path: Path, values: NDArray[np.float64]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerow(["t", "a", "b", "c", "d"])
        csv.writer(file).writerows((n / HERTZ, *row) for n, row in enumerate(values.round(4).tolist()))


def make_data(folder: Path) -> Path:
    """Pairs to learn from, as windows of one file; pairs to find again, as a log each."""
    random = np.random.default_rng(11)
    (folder / "photos").mkdir(parents=True)
    (folder / "logs").mkdir()
    rows, windows = [], []
    for place, scene in enumerate(scenes(TRAINED + HELD_OUT, random)):
        name, split = f"{place:03d}", "train" if place < TRAINED else "test"
        scene.photo(folder / "photos" / f"{name}.png")
        label = f"{COLOURS[scene.colour]} {SHAPES[scene.shape]}"
        rows.append((f"photos/{name}.png", "image", name, split, label, ""))
        if split == "train":
            rows.append(("windows.npz", "sensor", name, split, label, len(windows)))
            windows.append(scene.signal(random))
        else:
            write_log(folder / "logs" / f"{name}.csv", scene.signal(random))
            rows.append((f"logs/{name}.csv", "sensor", name, split, label, ""))
    np.savez(folder / "windows.npz", x=np.array(windows, np.float32), hz=HERTZ)
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "modality", "pair_id", "split", "label", "index"), *rows])
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with ``data`` and with ``bound``, what was bound to it, and a models folder of its own."""
    folder = tmp_path_factory.mktemp("binding")
    manifest = make_data(folder / "data")
    patch = pytest.MonkeyPatch()
    patch.setenv("BINDSEARCH_MODELS", str(folder / "models"))
    done = bindsearch(
        folder / "library", "bind", "--manifest", manifest, "--out", folder / "bound",
        "--name", "compact-radar", "--epochs", "10", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "told.json").write_bytes(done.stdout)
    (folder / "said.txt").write_bytes(done.stderr)
    yield folder
    patch.undo()


def test_the_result_is_a_space_in_a_folder(place: Path) -> None:
    assert sorted(path.name for path in (place / "bound").iterdir()) == [
        "manifest.json", "tower.onnx", "tower.safetensors"
    ]  # fmt: skip
    manifest = json.loads((place / "bound" / "manifest.json").read_text())
    assert (manifest["id"], manifest["base"]["name"]) == ("compact-radar", "compact")
    assert (manifest["tower"]["modality"], manifest["tower"]["channels"]) == ("sensor", 4)
    told = json.loads((place / "told.json").read_text())
    assert told["number"] <= told["of"] == 10
    assert b"epoch 1 of 10" in (place / "said.txt").read_bytes()


def test_pairs_that_were_never_seen_are_found_far_above_chance(place: Path) -> None:
    """Chance is 10 in 40; what the sensor cannot tell, and the pictures do not show, is noise."""
    done = bindsearch(
        place / "library", "eval", "retrieval", "--manifest", place / "data" / "manifest.csv",
        "--from", "sensor", "--to", "image", "--space", f"{place}/bound", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    recalls = [one["recall_at_10"] for one in figures["directions"]]
    assert all(recall > 0.6 for recall in recalls), figures


def test_an_added_space_serves_an_index_and_a_search(place: Path) -> None:
    library, logs = place / "library", place / "data" / "logs"
    added = bindsearch(library, "models", "add", place / "bound")
    assert added.returncode == 0, added.stderr
    (logs / ".bindsearch.toml").write_text(
        '[[rule]]\nfiles = "*.csv"\nmodality = "sensor"\ncolumns = { channels = ["a", "b", "c", "d"] }\n'
    )
    held_out = [place / "data" / "photos" / f"{n:03d}.png" for n in range(TRAINED, TRAINED + HELD_OUT)]
    assert bindsearch(library, "models", "use", "compact-radar").returncode == 0
    indexed = bindsearch(library, "index", logs, *held_out)
    assert indexed.returncode == 0, indexed.stderr
    assert b"without vectors" not in indexed.stderr
    asked = sorted(logs.glob("*.csv"))
    pictures = Filter(modalities=frozenset({Modality.IMAGE}))
    with Library.open(library) as opened:
        found = [[hit.path.stem for hit in opened.search([str(log)], 5, pictures)] for log in asked[:12]]
    assert sum(log.stem in best for log, best in zip(asked, found, strict=False)) >= 6, "chance is 1.5"
    by_file = bindsearch(library, "search", asked[0], "--type", "image", "--paths", "-k", "5")
    assert [Path(line).stem for line in by_file.stdout.decode().splitlines()] == found[0]
    by_words = bindsearch(library, "search", "a blue circle", "--type", "sensor", "--paths", "-k", "3")
    assert len(by_words.stdout.splitlines()) == 3
    shown = bindsearch(library, "inspect", asked[0])
    assert b"4 channels, 100 readings each, sensor 20.0 Hz" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--manifest", "nowhere.csv"), b"nowhere.csv: no such manifest"),
        (("--manifest", "manifest.csv", "--name", "Radar!"), b"Radar!: is no id"),
        (("--manifest", "manifest.csv", "--space", "./radar"), b"./radar: only an installed space"),
        (("--manifest", "manifest.csv", "--rate", "-1"), b"--rate: is -1.0, which cannot be"),
    ],
)
def test_what_cannot_be_bound_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: bytes
) -> None:
    (tmp_path / "manifest.csv").write_text("file,modality,split\n")
    done = bindsearch(tmp_path / "library", "bind", *arguments, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("file,modality,split\n")
    done = bindsearch(
        tmp_path / "library", "bind", "--manifest", tmp_path / "manifest.csv", "--out", tmp_path
    )
    assert done.returncode == 2
    assert b"holds other files" in done.stderr


def test_a_folder_is_measured_but_not_used_before_it_is_added(tmp_path: Path) -> None:
    done = bindsearch(tmp_path / "library", "models", "use", "./radar")
    assert done.returncode == 2
    assert b"'bindsearch models add ./radar' installs it" in done.stderr
