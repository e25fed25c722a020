"""The benchmark of written queries: its copies tell nothing by their names, and its judge judges rightly."""

from __future__ import annotations

import csv
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bindsearch.evaluation.manifest import parse_renames
from bindsearch.ingest.library import Library
from bindsearch.loaders import LoadOptions, Surroundings, load
from bindsearch.media import MotionLog
from bindsearch.modality import Modality
from bindsearch.query import parse_query
from tests.evaluation.benchmarks import BENCHMARKS, benchmark
from tests.evaluation.folders import SensesEncoder, rooms, walks


@pytest.fixture(scope="module")
def forty() -> ModuleType:
    """The benchmark, which is a program."""
    return benchmark("forty_queries")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two sets."""
    folder = tmp_path / "data"
    for name in ("rooms", "imu"):
        (folder / name).mkdir(parents=True)
    rooms(folder / "rooms", copies=1, splits=("train", "test"))
    walks(folder / "imu")
    return folder


def test_there_are_forty_queries_and_all_can_be_asked(forty: ModuleType) -> None:
    queries = forty.read_queries()
    assert len(queries) == 40
    for asked in queries:
        assert set(asked.to) <= set(Modality)
        assert asked.expect
        assert all(asked.fits)
        assert parse_query([part.partition("#")[0].replace("/", " ") for part in asked.ask]).terms


def test_every_modality_is_looked_for_with_words(forty: ModuleType) -> None:
    words = [asked for asked in forty.read_queries() if len(asked.ask) == 1 and "/" not in asked.ask[0]]
    assert {name for asked in words for name in asked.to} >= {
        "image",
        "audio",
        "depth",
        "thermal",
        "imu",
        "text",
    }


def test_copies_are_numbered_and_read_as_what_they_are(forty: ModuleType, data: Path, tmp_path: Path) -> None:
    tree, items = forty.copied(data, tmp_path)
    files = [path for path in tree.rglob("*") if path.is_file() and path.name != ".bindsearch.toml"]
    assert {path.relative_to(tree).as_posix() for path in files} == set(items)
    assert all(path.stem.isdecimal() for path in files)
    assert len({path.stem for path in files}) == len(files) == 3 + 3 + 9 + 3
    hints = Surroundings()
    for name, item in items.items():
        (media,) = load(tree / name, LoadOptions(), hints.hint(tree / name)).media
        assert media.modality == item.modality


def test_a_log_holds_what_its_window_did(forty: ModuleType, data: Path, tmp_path: Path) -> None:
    tree, items = forty.copied(data, tmp_path)
    names = {item.source: name for name, item in items.items()}
    path = tree / names["imu/walks.npz#1"]
    (log,) = load(path, LoadOptions(), Surroundings().hint(path)).media
    assert isinstance(log, MotionLog)
    assert np.allclose(log.acceleration, [0, 9.80665, 0], atol=1e-3)
    assert np.allclose(log.rotation, [0, 0, 0.5], atol=1e-3)
    assert len(log.times) == 200


def test_copies_are_kept_until_the_data_change(forty: ModuleType, data: Path, tmp_path: Path) -> None:
    tree, items = forty.copied(data, tmp_path)
    (tree / "witness").touch()
    assert forty.copied(data, tmp_path) == (tree, items)
    assert (tree / "witness").exists()
    manifest = data / "imu" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("somebody red", "somebody is red"))
    assert forty.copied(data, tmp_path) != (tree, items)
    assert not (tree / "witness").exists()


def test_a_query_does_not_find_itself(forty: ModuleType, data: Path, tmp_path: Path) -> None:
    tree, items = forty.copied(data, tmp_path)
    with Library.open(tmp_path / "library", encoder=SensesEncoder()) as library:
        library.index([tree])
        asked = forty.Asked(["rooms/depth/test_green_0.png"], "what is green", [["green"]], ["imu", "depth"])
        found = forty.answer(library, tree, items, asked)
    # Windows of one axis hold the same bytes, which are found once.
    assert sorted(item.modality for _, item in found.hits) == ["depth", "depth", "imu", "imu", "imu"]
    assert (found.right, found.fitting, found.candidates) == (1, 3, 11)
    assert found.hits[0][1].label == "green"


@pytest.mark.parametrize(
    ("captions", "fits"),
    [
        (("two dogs", "it has snowed: snow everywhere"), True),
        (("a dog in the snow",), True),
        (("a dogma in the snow",), False),
        (("a dog",), False),
        (("a dog in the snow with people",), False),
    ],
)
def test_a_hit_fits_by_whole_words_of_every_group(
    forty: ModuleType, captions: tuple[str, ...], fits: bool
) -> None:
    asked = forty.Asked(["x"], "x", [["dog", "puppy"], ["snow"]], ["image"], ["people"])
    assert asked.suits(forty.Item("x", "image", "", captions)) == fits


def test_every_label_is_shared_in_one_way_only() -> None:
    table = BENCHMARKS / "shared_labels.csv"
    renames = parse_renames([], table)
    with table.open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == len(renames) > 40
    assert not {shared for shared in renames.values() if renames.get(shared, shared) != shared}
