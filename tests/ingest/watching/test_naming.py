"""What names imply, compared with what the loaders make of the same files."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bindsearch.ingest.watching.naming import concerned, kin
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.surroundings import Surroundings

NAMES = (
    "IMG_1.jpg", "img_1.txt", "IMG_1.jpg.txt", "IMG_1.caption", "IMG_1.xmp", "IMG_1.jpg.xmp", "IMG_1.png",
    "IMG_1.jpg.json", "IMG_1.jpg.supplemental-me.json", "IMG_1(2).jpg", "IMG_1.jpg(2).json",
    "IMG_1-edited.jpg", "my.photo.v2.jpg", "my.photo.v2.txt", "my.txt", "film.mp4", "film.info.json",
    "Accelerometer.csv", "Gyroscope.csv", "Gravity.csv", "TotalAcceleration.csv", "walk_acc.tsv",
    "walk_gyro.tsv", "notes.txt", "a" * 44 + ".jpg", "a" * 44 + ".j.json", "a" * 60 + ".jpg",
    "a" * 46 + ".json", "b" * 40 + "-edited.jpg", "b" * 40 + ".jpg.json", "b" * 40 + ".jp.json",
    "c" * 30 + ".with.dots.in.it.jpg", "c" * 30 + ".with.dots.in.i.json",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
@example(set(NAMES), "IMG_1.jpg")
@example(set(NAMES), "TotalAcceleration.csv")
def test_whatever_reads_differently_after_a_change_is_kin_of_what_changed(
    others: set[str], changed: str
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in others - {changed}:
            (folder / name).write_text(name)
        before = _readings(folder)
        (folder / changed).write_text("something")
        after = _readings(folder)
        relatives = kin(changed, [path.name for path in folder.iterdir()])
    assert {name for name in before if before[name] != after[name]} <= relatives


def test_unrelated_photos_are_no_kin() -> None:
    names = ["IMG_1.jpg", "IMG_1.txt", "IMG_2.jpg", "IMG_2.txt", "data.csv"]
    assert kin("IMG_1.jpg", names) == {"IMG_1.txt"}
    assert kin("IMG_1.txt", names) == {"IMG_1.jpg"}
    assert kin("data.csv", names) == set()


@pytest.mark.parametrize(
    ("path", "heard"),
    [
        ("/r", "/r"),
        ("/r/a/b.jpg", "/r/a/b.jpg"),
        ("/r/.git/b", None),
        ("/r/a/._b.jpg", None),
        ("/r/node_modules/x/b.jpg", None),
        ("/r/a/.DS_Store", None),
        ("/r/.bindsearch.toml", "/r"),
        ("/r/a/.bindsearchignore", "/r/a"),
        ("/r/.hidden/.bindsearch.toml", None),
    ],
)
def test_hidden_names_concern_nothing_and_rules_their_folder(path: str, heard: str | None) -> None:
    assert concerned(path, "/r") == heard


def test_a_hidden_root_is_heard() -> None:
    assert concerned("/home/.me/pictures/a.jpg", "/home/.me") == "/home/.me/pictures/a.jpg"
    assert concerned("/a.jpg", "/") == "/a.jpg"


def _readings(folder: Path) -> dict[str, tuple[bool, Hint]]:
    around = Surroundings()
    return {path.name: (around.is_part(path), around.hint(path)) for path in folder.iterdir()}
