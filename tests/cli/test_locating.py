"""``bindsearch locate`` as whole processes, with the compact space and no library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.cli.locating import sparkline
from bindsearch.locating import Curve, Usual
from bindsearch.modality import Modality
from tests.cli.runner import bindsearch
from tests.locating.scenes import squares
from tests.media import BLUE, GREEN, RED, film


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    Image.fromarray(squares((320, 240), ((200, 60, 80, 80), RED))).save(folder / "square.png")
    Image.new("RGB", (80, 80), RED).save(folder / "red.png")
    film(folder / "film.mp4", [GREEN, GREEN, RED, GREEN, BLUE, GREEN], seconds=2)
    (folder / "note.txt").write_text("a red note\n")
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which there is no library."""
    return tmp_path_factory.mktemp("nothing") / "library"


def test_boxes_come_as_json_with_an_overlay(library: Path, media: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    done = bindsearch(library, "locate", "red.png", "square.png", "--json", "--overlay", drawn, cwd=media)
    assert (done.returncode, done.stderr) == (0, b"")
    record = json.loads(done.stdout)
    assert (record["width"], record["height"], record["modality"]) == (320, 240, "image")
    place = record["places"][0]
    assert set(place) == {"x", "y", "width", "height", "score", "standing"}
    assert 200 <= place["x"] + place["width"] / 2 <= 280
    assert 60 <= place["y"] + place["height"] / 2 <= 140
    with Image.open(drawn) as picture:
        assert picture.size == (320, 240)


def test_boxes_come_in_columns_where_nobody_looks(library: Path, media: Path) -> None:
    done = bindsearch(library, "locate", "red.png", "square.png", cwd=media)
    assert done.returncode == 0
    columns = done.stdout.decode().splitlines()[0].split("\t")
    assert len(columns) == 7
    assert columns[-1] == "square.png"


def test_nothing_that_stands_out_is_told_by_the_exit_code(library: Path, media: Path) -> None:
    done = bindsearch(library, "locate", "red.png", "square.png", "--level", "50", cwd=media)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"nothing stands out" in done.stderr


def test_moments_come_with_their_curve_and_a_plot(library: Path, media: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    done = bindsearch(
        library, "locate", "red.png", "film.mp4", "--level", "1", "--json", "--plot", drawn, cwd=media
    )
    assert done.returncode == 0
    record = json.loads(done.stdout)
    (moment,) = record["moments"]
    assert (moment["by"], moment["start"], moment["end"]) == (
        "picture",
        pytest.approx(4, abs=0.3),
        pytest.approx(6, abs=0.3),
    )
    (curve,) = record["curves"]
    assert len(curve["bounds"]) == len(curve["scores"]) + 1
    assert drawn.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("red.png", "note.txt"), b"no place to point at"),
        (("red.png", "gone.png"), b"gone.png"),
        (("red.png +", "square.png"), b"^"),
        (("@1", "square.png"), b"no library"),
        (("red.png", "square.png", "--overlay", "drawn.txt"), b"no name of a picture"),
        (("red.png", "square.png", "--space", "unheard-of"), b"not a known space"),
    ],
)
def test_mistakes_are_told_in_a_line(
    library: Path, media: Path, arguments: tuple[str, ...], said: bytes
) -> None:
    done = bindsearch(library, "locate", *arguments, cwd=media)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_curve_is_a_row_of_blocks() -> None:
    values = np.array([0, 0, 0, 0, 1, np.nan, 0, 0])
    curve = Curve(Modality.VIDEO, np.arange(9.0), values)
    assert sparkline(curve, Usual(0, 0.1), 2.0, 8) == "▁▁▁▁█ ▁▁"
    assert len(sparkline(curve, Usual(0, 0.1), 2.0, 72)) == 72
    low = Curve(Modality.VIDEO, np.arange(3.0), np.array([0, 0.1]))
    assert sparkline(low, Usual(0, 0.1), 7.0, 2) == "▁▂"
