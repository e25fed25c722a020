"""Radiometric JPEGs of FLIR cameras: degrees where flyr can read them, else their grey and a note."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bindsearch.loaders.hints import NO_HINT
from bindsearch.media import DepthMap, Picture
from bindsearch.modality import Modality
from tests.loaders.maps.makers import (
    DEPTH,
    THERMAL,
    counts_of,
    fff,
    flir_jpeg,
    people,
    read,
    read_heat,
    ruled,
)

_STEP = 0.05  # degrees between two counts at room temperature


@pytest.mark.parametrize("as_png", [False, True])
@pytest.mark.parametrize("hint", [NO_HINT, DEPTH, THERMAL])
def test_degrees_come_back_within_the_sensors_step(tmp_path: Path, as_png: bool, hint: Any) -> None:
    pytest.importorskip("flyr")
    path = flir_jpeg(tmp_path / "flir.jpg", fff(counts_of(people()), as_png))
    heat = read_heat(path, "JPEG", hint)
    assert heat.celsius
    np.testing.assert_allclose(heat.heat, people(), atol=_STEP)
    facts, _, notes = read(path, "JPEG", hint)
    assert (facts.width, facts.height) == (64, 48) and "FLIR" in notes[0]


def test_a_container_may_fill_several_segments(tmp_path: Path) -> None:
    pytest.importorskip("flyr")
    celsius = people(240, 320)
    container = fff(counts_of(celsius))
    assert len(container) > 2 * 65_000
    path = flir_jpeg(tmp_path / "flir.jpg", container)
    np.testing.assert_allclose(read_heat(path, "JPEG", NO_HINT).heat, celsius, atol=_STEP)


def test_heat_stands_upright_with_its_picture(tmp_path: Path) -> None:
    pytest.importorskip("flyr")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "FLIR Systems AB"
    path = flir_jpeg(tmp_path / "flir.jpg", fff(counts_of(people())), exif=exif)
    facts, _, _ = read(path, "JPEG")
    assert (facts.width, facts.height, facts.camera) == (48, 64, "FLIR Systems AB")
    np.testing.assert_allclose(read_heat(path, "JPEG").heat, np.rot90(people(), -1), atol=_STEP)


def test_without_flyr_the_grey_is_read_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = flir_jpeg(tmp_path / "flir.jpg", fff(counts_of(people())))
    monkeypatch.setitem(sys.modules, "flyr", None)
    heat = read_heat(path, "JPEG", NO_HINT)
    assert not heat.celsius and heat.heat.shape == (24, 32)
    assert "need the extra flir" in read(path, "JPEG")[2][1]


@pytest.mark.parametrize(
    "container",
    [
        b"",
        b"FFF\0",
        fff(counts_of(people()))[:3000],
        fff(counts_of(people()), size=(60_000, 60_000)),
        fff(counts_of(people()), size=(0, 64)),
        fff(counts_of(people()), as_png=True, size=(20, 20)),
        fff(counts_of(people()))[:28] + b"\xff\xff\xff\xff" + fff(counts_of(people()))[32:64],
        fff(np.zeros((48, 64), np.uint16)),
        fff(counts_of(people())).replace(b"\0\0\0d\0\0\0@", b"\0\7\7\7\0\0\0@", 1),
    ],
    ids=[
        "nothing",
        "header",
        "cut",
        "huge",
        "empty",
        "two sizes",
        "endless directory",
        "no temperatures",
        "no version",
    ],
)
def test_temperatures_that_cannot_be_read_leave_the_grey(tmp_path: Path, container: bytes) -> None:
    pytest.importorskip("flyr")
    path = flir_jpeg(tmp_path / "flir.jpg", container or b"x")
    heat = read_heat(path, "JPEG", NO_HINT)
    assert not heat.celsius and heat.heat.shape == (24, 32)
    assert "cannot be read" in read(path, "JPEG")[2][1]


def test_a_rule_outranks_the_segments(tmp_path: Path) -> None:
    path = flir_jpeg(tmp_path / "flir.jpg", fff(counts_of(people())))
    assert isinstance(read(path, "JPEG", ruled(Modality.IMAGE))[1][0], Picture)
    assert isinstance(read(path, "JPEG", ruled(Modality.DEPTH, scale=0.01))[1][0], DepthMap)
    heat = read_heat(path, "JPEG", ruled(Modality.THERMAL, scale=0.5, offset=-10))
    assert heat.celsius and heat.heat.shape == (24, 32)
