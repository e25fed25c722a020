"""Which rows count and what they are called: --where, --rename and tables of shared labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bindsearch.errors import SettingsError
from bindsearch.evaluation.command import evaluate
from bindsearch.evaluation.manifest import Manifests, parse_renames, parse_where
from bindsearch.modality import Modality
from tests.evaluation.folders import SensesEncoder, rooms, walks

PLACES = ("wrist", "belt", "wrist")  # where the sensor of a window was worn, in turn


def measured(*arguments: str | Path) -> dict[str, Any]:
    text = evaluate([*map(str, arguments), "--json"], encoder_of=lambda name: SensesEncoder())
    found: dict[str, Any] = json.loads(text)
    return found


def worn(folder: Path) -> Path:
    """The manifest of ``walks`` with a further column that tells where the sensor was worn."""
    manifest = walks(folder)
    head, *rows = manifest.read_text().splitlines()
    told = [f"{row},{PLACES[place % 3]}" for place, row in enumerate(rows)]
    manifest.write_text("\n".join([f"{head},worn", *told]))
    return manifest


def sounds_and_rooms(folder: Path) -> tuple[Path, Path]:
    """Windows called by what they are, and rooms called by their colours."""
    for name in ("rooms", "walks"):
        (folder / name).mkdir()
    first, second = rooms(folder / "rooms", copies=1), walks(folder / "walks")
    for hue, name in (("red", "Fall"), ("green", "walk"), ("blue", "sleep")):
        second.write_text(second.read_text().replace(f",{hue},", f",{name},"))
    return first, second


def test_only_rows_with_the_value_count(tmp_path: Path) -> None:
    ask = ("zeroshot", "--manifest", worn(tmp_path), "--modality", "imu")
    found = measured(*ask, "--where", "worn=wrist")
    assert (found["items"], found["classes"], found["where"]) == (6, 2, {"worn": ["wrist"]})
    assert (
        measured(*ask, "--where", "worn=wrist", "--where", "label=red", "--where", "label=blue")["items"] == 6
    )
    both = measured(*ask, "--where", "worn=wrist", "--where", "worn=belt")
    assert (both["items"], both["where"]) == (9, {"worn": ["belt", "wrist"]})


def test_a_manifest_without_the_column_keeps_its_rows(tmp_path: Path) -> None:
    for name in ("rooms", "walks"):
        (tmp_path / name).mkdir()
    first, second = rooms(tmp_path / "rooms"), worn(tmp_path / "walks")
    ask = ("retrieval", "--manifest", first, "--manifest", second, "--from", "imu", "--to", "depth")
    there, back = measured(*ask, "--by", "label", "--where", "worn=belt")["directions"]
    assert (there["queries"], there["items"], back["queries"], back["items"]) == (3, 6, 2, 3)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (
            "carried=belt",
            r"has no column 'carried' \(there are captions, file, index, label,",
        ),
        ("worn=ankle", r"has no imu in split 'test' with this --where \(it has worn=belt, worn=wrist\)"),
        ("worn", r"worn: is no pair \(write it as NAME=VALUE\)"),
        ("=belt", "=belt: is no pair"),
    ],
)
def test_a_where_that_finds_nothing_says_what_there_is(tmp_path: Path, where: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        measured("zeroshot", "--manifest", worn(tmp_path), "--modality", "imu", "--where", where)


def test_a_where_holds_for_both_splits_of_a_probe(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=2, splits=("train", "test"))
    ask = ("fewshot", "--manifest", manifest, "--modality", "depth", "--shots", "1")
    found = measured(*ask, "--where", "label=red", "--where", "label=blue")
    assert (found["items"], found["classes"], found["probes"][-1]["examples"]) == (4, 2, 4)


def test_labels_of_two_sets_are_made_one(tmp_path: Path) -> None:
    first, second = sounds_and_rooms(tmp_path)
    ask = ("retrieval", "--manifest", first, "--manifest", second, "--from", "imu", "--to", "depth")
    with pytest.raises(SettingsError, match="labels no imu with depth"):
        measured(*ask, "--by", "label")
    found = measured(*ask, "--by", "label", "--rename", "Fall=red", "--rename", "walk = green")
    there, back = found["directions"]
    assert (there["queries"], there["items"], back["queries"], back["items"]) == (6, 3, 2, 9)
    assert there["recall_at_1"] == back["mean_average_precision"] == 1.0
    assert found["renames"] == {"Fall": "red", "walk": "green"}


def test_a_label_without_a_name_leaves_its_rows_out(tmp_path: Path) -> None:
    ask = ("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu")
    found = measured(*ask, "--rename", "red=")
    assert (found["items"], found["classes"]) == (6, 2)


def test_a_table_renames_and_single_renames_go_before_it(tmp_path: Path) -> None:
    table = tmp_path / "shared.csv"
    table.write_text("label,shared,why\nred,colour,a colour\nblue,colour,\nno such label,x,\n")
    ask = ("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu", "--rename-file", table)
    assert measured(*ask)["classes"] == 2
    assert measured(*ask, "--rename", "blue=sea")["classes"] == 3


def test_a_label_is_renamed_once(tmp_path: Path) -> None:
    manifests = Manifests([walks(tmp_path)], renames={"red": "green", "green": "blue"})
    assert {row.label for row in manifests.rows("test", Modality.IMU)} == {"green", "blue"}


def test_a_misspelt_label_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    ask = ("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu")
    with pytest.raises(SettingsError, match=r"has no label 'rde' \(there are blue, green, red\)"):
        measured(*ask, "--rename", "rde=red")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such table of labels"),
        ("label,name\na,b\n", "needs the columns label and shared"),
        ("label,shared\na\n", "needs the columns label and shared"),
        ("label,shared\na,b\na,c\n", "renames 'a' in two ways"),
    ],
)
def test_a_table_that_is_none_of_labels_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    table = tmp_path / "shared.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(SettingsError, match=reason):
        parse_renames([], table)


def test_pairs_keep_what_stands_after_their_first_sign() -> None:
    assert parse_where(["captions=a=b"]) == {"captions": frozenset({"a=b"})}
