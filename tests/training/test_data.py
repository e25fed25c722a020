"""Training data: only train rows are read, the held-out part is fixed, and wrong folders are one line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.encoders.compact.pictures import SIDE
from bindsearch.errors import SettingsError
from bindsearch.training.__main__ import main
from bindsearch.training.data import (
    CAPTIONED,
    HELD_OUT,
    LABELLED,
    TEMPLATES,
    prompts,
    read_class_names,
    read_examples,
    read_sets,
)
from bindsearch.training.features import random_view


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "modality", "split", "label", "captions"), *rows])


def test_only_pictures_of_the_train_split_are_read(tmp_path: Path) -> None:
    rows = [
        ("a.jpg", "image", "train", "", "one | two "),
        ("b.jpg", "image", "test", "", "never"),
        ("c.wav", "audio", "train", "", "a sound"),
        ("d.jpg", "image", "train", "cat", "a photo of a cat"),
    ]
    write(tmp_path / "manifest.csv", rows)
    first, second = read_examples(tmp_path)
    assert (first.path, first.texts, first.label) == (tmp_path / "a.jpg", ("one", "two"), "")
    assert second.texts == ("a photo of a cat",)


def test_of_the_labelled_set_the_label_counts_in_every_template(tmp_path: Path) -> None:
    folder = tmp_path / LABELLED
    folder.mkdir()
    write(folder / "manifest.csv", [("d.jpg", "image", "train", "cat", "a photo of a cat")])
    [labelled] = read_examples(folder)
    assert (labelled.label, labelled.texts) == ("cat", prompts("cat"))
    assert len(labelled.texts) == len(TEMPLATES)


def test_a_permissive_recipe_leaves_out_what_is_not_free(tmp_path: Path) -> None:
    licences = ("CC BY 4.0", "public domain", "none stated", "research only", "")
    for name in (*CAPTIONED, LABELLED):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [(f"{i}.jpg", "image", "train", "", "x", licence) for i, licence in enumerate(licences)]
            header = ("file", "modality", "split", "label", "captions", "licence")
            csv.writer(file).writerows([header, *rows])
    assert len(read_sets(tmp_path)) == 5 * len(licences)
    assert {example.path.name for example in read_sets(tmp_path, permissive=True)} == {"0.jpg", "1.jpg"}


def test_the_held_out_part_is_the_same_every_time_and_about_a_tenth(tmp_path: Path) -> None:
    write(tmp_path / "manifest.csv", [(f"{i}.jpg", "image", "train", "", "x") for i in range(2000)])
    first, second = read_examples(tmp_path), read_examples(tmp_path)
    assert first == second
    assert sum(example.held_out for example in first) / 2000 == pytest.approx(HELD_OUT, abs=0.03)


def test_class_names_come_in_the_classifier_s_order(tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    text = "index,wnid,name\n1,n2,gold_fish\n0,n1,tench\n"
    (tmp_path / "links" / "imagenet_class_names.csv").write_text(text, encoding="utf-8")
    assert read_class_names(tmp_path) == ["tench", "gold fish"]


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such manifest"):
        read_examples(tmp_path)
    with pytest.raises(SettingsError, match="no such file"):
        read_class_names(tmp_path)
    write(tmp_path / "manifest.csv", [("b.jpg", "image", "test", "", "x")])
    with pytest.raises(SettingsError, match="holds no train rows"):
        read_examples(tmp_path)


def test_the_command_says_in_one_line_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compact-image", "--data", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_random_views_are_squares_that_follow_their_seed() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 120, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    first, again, other = (random_view(picture, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.size == (SIDE, SIDE)
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert not np.array_equal(np.asarray(first), np.asarray(other))
