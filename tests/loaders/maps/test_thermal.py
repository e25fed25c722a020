"""Thermal pictures: degrees Celsius where they are known, else grey from 0 to 1 and marked so."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders import LoadOptions
from bindsearch.loaders.hints import NO_HINT
from bindsearch.media import Picture
from bindsearch.modality import Modality
from tests.loaders.maps.makers import THERMAL, exr, people, read, read_heat, room, ruled, write

_SIDES = array_shapes(min_dims=2, max_dims=2, min_side=16, max_side=24)
_INTEGERS = ["PNG", "TIFF", "PPM", "NPY", "NPZ"]
_FLOATS = ["TIFF", "EXR", "PFM", "NPY", "NPZ"]


@settings(max_examples=25, deadline=None)
@given(
    celsius=arrays(np.float64, _SIDES, elements=st.floats(-20, 45)),
    kind=st.sampled_from(_INTEGERS),
    steps=st.sampled_from([100, 10]),
)
def test_kelvin_by_the_hundred_or_ten_comes_back_within_half_a_step(
    celsius: Any, kind: str, steps: int
) -> None:
    stored = np.round((celsius + 273.15) * steps).astype(np.uint16)
    with TemporaryDirectory() as folder:
        heat = read_heat(write(Path(folder) / "map", kind, stored), kind)
    assert heat.celsius
    np.testing.assert_allclose(heat.heat, celsius, atol=0.5 / steps + 1e-4)


@pytest.mark.parametrize(
    ("unit", "stored_of", "within"),
    [
        ("celsius", lambda c: c.round(), 0.51),
        ("kelvin", lambda c: (c + 273.15).round(), 0.51),
        ("fahrenheit", lambda c: (c * 9 / 5 + 32).round(), 0.3),
        ("centikelvin", lambda c: ((c + 273.15) * 100).round(), 0.0051),
        ("decikelvin", lambda c: ((c + 273.15) * 10).round(), 0.051),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "NPY"])
def test_a_rule_gives_the_unit(tmp_path: Path, kind: str, unit: str, stored_of: Any, within: float) -> None:
    path = write(tmp_path / "map", kind, stored_of(people()).astype(np.uint16))
    heat = read_heat(path, kind, ruled(Modality.THERMAL, unit=unit))
    assert heat.celsius
    np.testing.assert_allclose(heat.heat, people(), atol=within)


def test_a_rule_gives_scale_and_offset(tmp_path: Path) -> None:
    stored = ((people() + 273.15) * 64).round().astype(np.uint16)
    hint = ruled(Modality.THERMAL, scale=1 / 64, offset=-273.15)
    heat = read_heat(write(tmp_path / "map.png", "PNG", stored), "PNG", hint)
    np.testing.assert_allclose(heat.heat, people(), atol=0.01)


@pytest.mark.parametrize("kind", _FLOATS)
@pytest.mark.parametrize("zero", [0.0, 273.15])
def test_floats_are_celsius_or_kelvin_by_their_median(tmp_path: Path, kind: str, zero: float) -> None:
    stored = (people() + zero).astype(np.float32)
    stored[0, 0] = np.nan
    path = write(tmp_path / "map", kind, stored, **({"name": "Y"} if kind == "EXR" else {}))
    heat = read_heat(path, kind)
    assert heat.celsius and np.isnan(heat.heat[0, 0])
    np.testing.assert_allclose(heat.heat[1:], people()[1:], atol=1e-4)


def test_half_floats_are_read_from_tiff(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", "TIFF", people().astype(np.float16))
    np.testing.assert_allclose(read_heat(path, "TIFF").heat, people(), atol=0.02)


def test_floats_in_no_unit_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", "TIFF", np.full((20, 20), 7000, np.float32))
    with pytest.raises(UnsupportedFile, match="neither Celsius nor Kelvin") as refused:
        read(path, "TIFF", THERMAL)
    assert 'files = "*.tif", modality = "thermal", unit = "celsius"' in str(refused.value)


def test_floats_from_0_to_1_are_relative(tmp_path: Path) -> None:
    stored = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    heat = read_heat(write(tmp_path / "map.npy", "NPY", stored), "NPY")
    assert not heat.celsius
    np.testing.assert_array_equal(heat.heat, stored)


@pytest.mark.parametrize(("kind", "within"), [("PNG", 0), ("JPEG", 0.03), ("TIFF", 0), ("NPY", 0)])
def test_8_bit_grey_is_relative_and_says_so(tmp_path: Path, kind: str, within: float) -> None:
    levels = np.linspace(0, 255, 640).reshape(20, 32).round().astype(np.uint8)
    path = write(tmp_path / "map", kind, levels)
    heat = read_heat(path, kind)
    assert not heat.celsius
    np.testing.assert_allclose(heat.heat, levels / 255, atol=within + 1e-6)
    assert any(note.startswith("relative") for note in read(path, kind, THERMAL)[2])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_grey_in_three_channels_is_grey(tmp_path: Path, kind: str) -> None:
    levels = np.linspace(0, 255, 64 * 96).reshape(64, 96).round().astype(np.uint8)
    path = tmp_path / "map"
    Image.fromarray(np.repeat(levels[:, :, np.newaxis], 3, axis=2)).save(path, kind)
    heat = read_heat(path, kind)
    np.testing.assert_allclose(heat.heat, levels / 255, atol=0.04)


def test_counts_in_no_unit_keep_their_order(tmp_path: Path) -> None:
    stored = (people() * 40 + 7000).round().astype(np.uint16)
    heat = read_heat(write(tmp_path / "map.png", "PNG", stored), "PNG")
    assert not heat.celsius and heat.heat.min() == 0 and heat.heat.max() == 1
    order = np.argsort(stored.ravel(), kind="stable")
    assert (np.diff(heat.heat.ravel()[order]) >= 0).all()


def test_a_rule_makes_heat_of_any_picture(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "map.png"
    Image.fromarray(colours).save(path)
    assert isinstance(read(path, "PNG", THERMAL)[1][0], Picture)
    heat = read_heat(path, "PNG", ruled(Modality.THERMAL))
    np.testing.assert_allclose(heat.heat, colours @ (0.299, 0.587, 0.114) / 255, atol=0.004)


def test_an_array_named_temperature_needs_no_hint(tmp_path: Path) -> None:
    path = write(tmp_path / "frame.npz", "NPZ", people(), name="temperature")
    np.testing.assert_allclose(read_heat(path, "NPZ", NO_HINT).heat, people(), atol=1e-4)


def test_a_large_map_is_reduced_by_the_mean_of_what_is_known(tmp_path: Path) -> None:
    stored = people(101, 120)
    stored[:4, :4] = np.nan
    stored[4, 4] = np.nan
    path = exr(tmp_path / "map.exr", {"Y": stored.astype(np.float32)})
    small = read_heat(path, "EXR", options=LoadOptions(picture_side=25))
    assert small.heat.shape == (26, 30)
    assert np.isnan(small.heat[0, 0]) and np.isfinite(small.heat).sum() == 26 * 30 - 1
    assert small.heat[1, 1] == pytest.approx(np.nanmean(stored[4:8, 4:8]), abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("TIFF", np.full((20, 20), np.nan, np.float32)),
        ("NPY", np.full((20, 20), np.inf, np.float64)),
    ],
)
def test_a_map_without_a_reading_is_damaged(tmp_path: Path, kind: str, values: Any) -> None:
    with pytest.raises(DamagedFile, match="no heat in it"):
        read(write(tmp_path / "map", kind, values), kind, THERMAL)


def test_zero_is_no_temperature_in_kelvin(tmp_path: Path) -> None:
    stored = ((people() + 273.15) * 100).round().astype(np.uint16)
    stored[0, 0] = 0
    heat = read_heat(write(tmp_path / "map.png", "PNG", stored), "PNG")
    assert heat.celsius and np.isnan(heat.heat[0, 0]) and np.isfinite(heat.heat).sum() == stored.size - 1


def test_a_flat_map_of_counts_is_mid_grey(tmp_path: Path) -> None:
    path = write(tmp_path / "map.png", "PNG", np.full((20, 20), 9000, np.uint16))
    assert (read_heat(path, "PNG").heat == 0.5).all()


def test_depth_in_millimetres_is_not_taken_for_heat(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match=r"16-bit grey PNG, values 1,0.. to 4,3..: a depth map or heat"):
        read(write(tmp_path / "map.png", "PNG", room()), "PNG")
