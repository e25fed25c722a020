"""``search --then``, ``--before`` and ``--around`` as whole processes, with the real compact model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data

from bindsearch.answers import WITHIN
from tests.cli.runner import ROOT, bindsearch
from tests.diary import photo
from tests.media import RED

SKIMAGE = Path(skimage.data.__file__).parent
CAT, COFFEE, ROCKET = ("chelsea.png", "coffee.png", "rocket.jpg")


def dated(path: Path, source: str, taken: str, zone: str) -> None:
    """A picture of scikit-image's, taken then."""
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: taken, 0x9011: zone})
    with Image.open(SKIMAGE / source) as picture:
        picture.convert("RGB").save(path, exif=exif)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    dated(folder / "cat.jpg", CAT, "2024:05:31 23:58:00", "+02:00")
    dated(folder / "cup.jpg", COFFEE, "2024:05:31 22:03:00", "+00:00")
    dated(folder / "rocket.jpg", ROCKET, "2024:06:01 00:08:00", "+02:00")
    dated(folder / "cat2.jpg", CAT, "2024:06:01 12:00:00", "+02:00")
    photo(folder / "undated.jpg", RED)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """An indexed library; tests of this module only read it."""
    folder = tmp_path_factory.mktemp("library")
    assert bindsearch(folder, "index", media).returncode == 0
    return folder


def test_what_came_next_is_found_over_midnight_and_zones(library: Path, media: Path) -> None:
    done = bindsearch(library, "search", "a cat", "--then", "a cup of coffee", "--json", "-k", "1")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert [moment["path"] for moment in found["moments"]] == [str(media / "cat.jpg"), str(media / "cup.jpg")]
    assert found["gaps"] == [300.0]
    parts = ("a cat", "--then", "a cup of coffee", "--then", "a rocket launch")
    longer = bindsearch(library, "search", *parts, "--paths", "-k", "1")
    names = [os.path.basename(line) for line in longer.stdout.splitlines()]  # noqa: PTH119
    assert names == [b"cat.jpg", b"cup.jpg", b"rocket.jpg"]


def test_the_limit_is_ten_minutes_unless_told(library: Path, media: Path) -> None:
    assert WITHIN == 600
    query = ("search", "a cat", "--before", "a rocket launch", "--type", "image")
    for within, code in (((), 0), (("--within", "10m"), 0), (("--within", "4m"), 1)):
        assert bindsearch(library, *query, *within, "--in", media).returncode == code
    short = bindsearch(library, *query, "--within", "4m")
    assert (short.returncode, short.stdout) == (1, b"")
    paths = bindsearch(library, *query, "--paths", "-k", "1").stdout
    assert paths.count(b"\n") == 1 and not paths.endswith(b"rocket.jpg\n")


def test_what_was_about_is_walked_through_and_ranked(library: Path, media: Path) -> None:
    done = bindsearch(library, "search", "--around", media / "cup.jpg", "5m")
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [(line[0], Path(line[-1]).name) for line in lines] == [
        ("-5:00", "cat.jpg"),
        ("+5:00", "rocket.jpg"),
    ]
    ranked = bindsearch(library, "search", "a rocket launch", "--around", media / "cup.jpg", "5m", "--paths")
    assert [Path(os.fsdecode(line)).name for line in ranked.stdout.splitlines()] == ["rocket.jpg", "cat.jpg"]
    assert bindsearch(library, "search", "--around", media / "cup.jpg", "4:59").returncode == 1


def test_a_part_may_come_over_standard_input(library: Path, media: Path) -> None:
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(library), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bindsearch", "search", "a cat", "--then", "-", "--paths", "-k", "1"]
    data = (media / "cup.jpg").read_bytes()
    done = subprocess.run(command, input=data, capture_output=True, env=environment, cwd=ROOT, timeout=120)
    assert [Path(os.fsdecode(line)).name for line in done.stdout.splitlines()] == ["cat.jpg", "cup.jpg"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--then", "a cat"], b"nothing that comes first"),
        (["a cat", "--then", "a + (cup"], b"never closed"),
        (["a cat", "--then", "a cup", "--around", "@1", "5m"], b"does not go together"),
        (["--around", "@99999", "5m"], b"no such segment"),
        (["--around", "@1", "a while"], b"not a span of time"),
        (["--around", "undated.jpg", "5m"], b"does not say when"),
        ([], b"query is empty"),
    ],
)
def test_mistakes_are_told_in_one_line(library: Path, media: Path, arguments: list[str], said: bytes) -> None:
    done = bindsearch(library, "search", *arguments, cwd=media)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr and b"Traceback" not in done.stderr
