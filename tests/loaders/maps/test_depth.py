"""Depth maps: metres out of every format, holes as NaN, doubts asked about."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders import LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint, Neighbour
from bindsearch.modality import Modality
from tests.loaders.maps.makers import DEPTH, exr, read, read_depth, room, ruled, write

_SIDES = array_shapes(min_dims=2, max_dims=2, min_side=16, max_side=24)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "JPEG2000", "NPY", "NPZ"])
def test_integers_are_millimetres_and_zero_is_a_hole(tmp_path: Path, kind: str) -> None:
    stored = room()
    stored[3:9, 5:20] = 0
    path = write(tmp_path / "map", kind, stored)
    metres = read_depth(path, kind).metres
    assert np.isnan(metres[stored == 0]).all()
    np.testing.assert_allclose(metres[stored > 0], stored[stored > 0] / 1000, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    stored=arrays(np.uint16, _SIDES, elements=st.integers(0, 9999), fill=st.nothing()),
    kind=st.sampled_from(["PNG", "TIFF", "PPM", "NPY", "NPZ"]),
)
def test_whole_millimetres_come_back_exactly(stored: NDArray[np.uint16], kind: str) -> None:
    stored.flat[0] = 1234
    with TemporaryDirectory() as folder:
        metres = read_depth(write(Path(folder) / "map", kind, stored), kind).metres
    np.testing.assert_array_equal(np.nan_to_num(metres * 1000).round(), stored)


@settings(max_examples=15, deadline=None)
@given(
    stored=arrays(np.float32, _SIDES, elements=st.floats(0.125, 128, width=32)),
    kind=st.sampled_from(["TIFF", "EXR", "PFM", "NPY", "NPZ"]),
    sort=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_floats_are_metres_within_their_own_resolution(stored: Any, kind: str, sort: Any) -> None:
    stored.flat[0] = 1.25
    if (kind, sort) in (("PFM", np.float16), ("PFM", np.float64), ("EXR", np.float64)):
        sort = np.float32
    with TemporaryDirectory() as folder:
        hint = ruled(Modality.DEPTH, unit="m")
        metres = read_depth(write(Path(folder) / "map", kind, stored.astype(sort)), kind, hint).metres
    np.testing.assert_array_equal(metres, stored.astype(sort).astype(np.float32))


@pytest.mark.parametrize("compression", [None, "deflate", "lzma", "tiff_lzw", "packbits"])
@pytest.mark.parametrize("sort", [np.uint16, np.int32, np.uint32, np.float32])
def test_a_tiff_is_read_with_every_compression(tmp_path: Path, compression: str | None, sort: Any) -> None:
    metres = room().astype(np.float64) / 1000
    stored = metres if sort == np.float32 else (metres * 1000).round()
    path = tmp_path / "map.tif"
    if compression in ("tiff_lzw", "packbits"):
        if sort == np.uint32:
            pytest.skip("no writer for it at hand")
        Image.fromarray(stored.astype(sort)).save(path, "TIFF", compression=compression)
    else:
        write(path, "TIFF", stored.astype(sort), compression=compression)
    np.testing.assert_allclose(read_depth(path, "TIFF").metres, metres, atol=1e-6)


@pytest.mark.parametrize("sort", [np.float16, np.float64, np.int64])
def test_numbers_that_pillow_does_not_know_are_read_from_tiff(tmp_path: Path, sort: Any) -> None:
    stored = room() if sort == np.int64 else room() / 1000
    path = write(tmp_path / "map.tif", "TIFF", stored.astype(sort), compression="deflate")
    np.testing.assert_allclose(read_depth(path, "TIFF").metres, room() / 1000, atol=0.002)


def test_a_32_bit_tiff_keeps_its_uppermost_bit(tmp_path: Path) -> None:
    stored = np.full((20, 30), 3_000_000_000, np.uint32)
    path = write(tmp_path / "map.tif", "TIFF", stored)
    metres = read_depth(path, "TIFF", ruled(Modality.DEPTH, scale=1e-9)).metres
    np.testing.assert_allclose(metres, 3.0, rtol=1e-6)


@pytest.mark.parametrize("largest", [4095, 9999, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_the_largest_value_of_a_pgm_does_not_stretch_it(tmp_path: Path, largest: int, plain: bool) -> None:
    stored = np.minimum(room(), 4000)
    path = write(tmp_path / "map.pgm", "PPM", stored, largest=largest, plain=plain)
    np.testing.assert_allclose(read_depth(path, "PPM").metres, stored / 1000, rtol=1e-6)


@pytest.mark.parametrize("little", [False, True])
def test_a_pfm_has_a_byte_order_and_begins_at_the_bottom(tmp_path: Path, little: bool) -> None:
    stored = room() / np.float32(1000)
    path = write(tmp_path / "map.pfm", "PFM", stored, little=little)
    np.testing.assert_array_equal(read_depth(path, "PFM").metres, stored.astype(np.float32))


@pytest.mark.parametrize("name", ["Z", "View Layer.Depth.Z", "depth"])
@pytest.mark.parametrize("sort", [np.float16, np.float32])
def test_the_depth_channel_of_an_exr_needs_no_hint(tmp_path: Path, name: str, sort: Any) -> None:
    stored = (room() / 1000).astype(sort)
    colours = {colour: np.zeros(stored.shape, np.float16) for colour in "RGB"}
    path = exr(tmp_path / "map.exr", {**colours, name: stored})
    np.testing.assert_array_equal(read_depth(path, "EXR", NO_HINT).metres, stored.astype(np.float32))


def test_a_single_or_grey_exr_is_depth_by_habit_and_in_doubt_without(tmp_path: Path) -> None:
    stored = (room() / 1000).astype(np.float32)
    for name, channels in {"one": {"Y": stored}, "grey": dict.fromkeys("RGB", stored)}.items():
        path = exr(tmp_path / f"{name}.exr", channels)
        np.testing.assert_array_equal(read_depth(path, "EXR").metres, stored)
        with pytest.raises(UnsupportedFile, match="a depth map or heat") as refused:
            read(path, "EXR")
        assert 'modality = "depth", unit = "m"' in str(refused.value)


def test_a_coloured_exr_is_no_map(tmp_path: Path) -> None:
    stored = (room() / 1000).astype(np.float32)
    path = exr(tmp_path / "sky.exr", {"R": stored, "G": stored * 2, "B": stored})
    with pytest.raises(UnsupportedFile, match="channels B, G, R is no map"):
        read(path, "EXR", DEPTH)


def test_what_renderers_write_for_the_sky_is_a_hole(tmp_path: Path) -> None:
    stored = (room() / 1000).astype(np.float32)
    stored[0, :5] = (np.inf, 1e10, 65504, -1, np.nan)
    metres = read_depth(exr(tmp_path / "map.exr", {"Z": stored}), "EXR").metres
    assert np.isnan(metres[0, :5]).all() and np.isfinite(metres[1:]).all()


def test_65535_is_a_hole_only_where_it_stands_alone(tmp_path: Path) -> None:
    stored = room()
    stored[0, 0] = 65535
    alone = read_depth(write(tmp_path / "alone.png", "PNG", stored), "PNG").metres
    stored[0, 1] = 65000
    among = read_depth(write(tmp_path / "among.png", "PNG", stored), "PNG").metres
    assert np.isnan(alone[0, 0]) and among[0, 0] == pytest.approx(65.535)


@pytest.mark.parametrize("kind", ["PNG", "NPY"])
def test_a_map_of_holes_alone_is_damaged(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "map", kind, np.zeros((20, 20), np.uint16))
    with pytest.raises(DamagedFile, match="no depth in it"):
        read(path, kind, DEPTH)


@pytest.mark.parametrize(
    ("hint", "metres_of"),
    [
        (ruled(Modality.DEPTH, unit="m"), lambda v: v),
        (ruled(Modality.DEPTH, unit="cm"), lambda v: v / 100),
        (ruled(Modality.DEPTH, unit="mm"), lambda v: v / 1000),
        (ruled(Modality.DEPTH, scale=1 / 256), lambda v: v / 256),
        (ruled(Modality.DEPTH, scale=0.002, offset=0.5), lambda v: v * 0.002 + 0.5),
        (ruled(Modality.DEPTH, layout="tum"), lambda v: v / 5000),
        (
            ruled(Modality.DEPTH, unit="disparity", scale=1 / 256, focal_length=500.0, baseline=0.1),
            lambda v: 50 / (v / 256),
        ),
    ],
)
def test_a_rule_gives_the_unit(tmp_path: Path, hint: Hint, metres_of: Any) -> None:
    stored = room()
    metres = read_depth(write(tmp_path / "map.png", "PNG", stored), "PNG", hint).metres
    np.testing.assert_allclose(metres, metres_of(stored.astype(np.float64)), rtol=1e-5)


def _rotated(millimetres: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return (millimetres << 3) | (millimetres >> 13)


def test_the_rotated_bits_of_sun_rgbd_are_turned_back_and_cut_at_eight_metres(tmp_path: Path) -> None:
    millimetres = room()
    millimetres[0, :4] = (0, 7999, 8500, 9700)
    path = write(tmp_path / "map.png", "PNG", _rotated(millimetres))
    for hint in (DEPTH, ruled(Modality.DEPTH, layout="sunrgbd")):
        metres = read_depth(path, "PNG", hint).metres
        np.testing.assert_allclose(metres[0, 1:4], (7.999, 8, 8), rtol=1e-6)
        np.testing.assert_allclose(metres[1:], millimetres[1:] / 1000, rtol=1e-6)
        assert np.isnan(metres[0, 0])
    assert any("sunrgbd" in note for note in read(path, "PNG", DEPTH)[2])


def test_tums_factor_is_known_by_its_steps(tmp_path: Path) -> None:
    path = write(tmp_path / "map.png", "PNG", room() * np.uint16(5))
    np.testing.assert_allclose(read_depth(path, "PNG").metres, room() / 1000, rtol=1e-6)
    assert any("tum" in note for note in read(path, "PNG", DEPTH)[2])


def test_disparity_without_a_camera_is_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "map.pfm", "PFM", np.full((20, 30), 12.5, np.float32))
    with pytest.raises(UnsupportedFile, match="focal length and baseline") as refused:
        read(path, "PFM", ruled(Modality.DEPTH, unit="disparity"))
    assert "focal_length = " in str(refused.value) and "baseline = " in str(refused.value)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (room().astype(np.float32), 'unit = "mm"'),
        (np.linspace(0, 1, 900, dtype=np.float32).reshape(30, 30), "scale = "),
    ],
)
def test_floats_in_another_unit_than_metres_are_asked_about(tmp_path: Path, values: Any, rule: str) -> None:
    with pytest.raises(UnsupportedFile) as refused:
        read(write(tmp_path / "map.npy", "NPY", values), "NPY", DEPTH)
    assert rule in str(refused.value) and 'files = "*.npy"' in str(refused.value)


def test_an_8_bit_map_needs_a_scale(tmp_path: Path) -> None:
    levels = (room() // 20).astype(np.uint8)
    path = write(tmp_path / "map.png", "PNG", levels)
    for hint in (DEPTH, ruled(Modality.DEPTH)):
        with pytest.raises(UnsupportedFile, match="8-bit depth map") as refused:
            read(path, "PNG", hint)
        assert 'modality = "depth", scale = ' in str(refused.value)
    metres = read_depth(path, "PNG", ruled(Modality.DEPTH, scale=0.04)).metres
    np.testing.assert_allclose(metres, levels * 0.04, rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_maps_stand_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    upright = room(32, 20)
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.T, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(turns[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "map"
    Image.fromarray(stored).save(path, kind, exif=exif)
    facts, _, _ = read(path, kind, DEPTH)
    assert (facts.width, facts.height) == (20, 32)
    np.testing.assert_allclose(read_depth(path, kind).metres, upright / 1000, rtol=1e-6)


def test_a_half_float_tiff_stands_upright(tmp_path: Path) -> None:
    stored = (room(20, 32) / 1000).astype(np.float16)
    path = write(tmp_path / "map.tif", "TIFF", stored, extratags=[(274, "H", 1, 6, True)])
    facts, (medium,), _ = read(path, "TIFF", DEPTH)
    assert (facts.width, facts.height) == (20, 32)
    np.testing.assert_array_equal(medium.metres, np.rot90(stored, -1).astype(np.float32))  # type: ignore[union-attr]


def test_a_large_map_is_reduced_by_measured_values_and_keeps_its_focal_length_in_step(tmp_path: Path) -> None:
    stored = np.full((1440, 1920), 2000, np.uint16)
    stored[:, 961:] = 4000  # an edge within a square
    stored[:300] = 0
    stored[300, 0] = 0
    path = write(tmp_path / "map.png", "PNG", stored)
    hint = ruled(Modality.DEPTH, focal_length=1500.0, baseline=0.05)
    small = read_depth(path, "PNG", hint, LoadOptions(picture_side=224))
    assert small.metres.shape == (480, 640) and small.focal_length == 500 and small.baseline == 0.05
    assert set(np.unique(small.metres[~np.isnan(small.metres)])) == {np.float32(2), np.float32(4)}
    assert np.isnan(small.metres[:100]).all() and np.isfinite(small.metres[100:]).all()
    assert read_depth(path, "PNG", hint).metres.shape == (1440, 1920)


def test_a_map_of_a_sensors_own_size_is_not_reduced(tmp_path: Path) -> None:
    path = write(tmp_path / "map.png", "PNG", room(480, 640))
    assert read_depth(path, "PNG", options=LoadOptions(picture_side=32)).metres.shape == (480, 640)


@pytest.mark.parametrize(
    ("text", "focal_length", "baseline"),
    [
        ("529.5 0 365 0 529.5 265 0 0 1", 529.5, None),
        ("529.5 0 365\n0 529.5 265\n0 0 1\n", 529.5, None),
        ("577.87 0 319.5 0 0 578.73 239.5 0 0 0 1 0 0 0 0 1", 577.87, None),
        (json.dumps({"fx": 600, "fy": 600, "width": 128, "baseline": 0.05}), 300, 0.05),
        (json.dumps({"K": [[525, 0, 319], [0, 525, 239], [0, 0, 1]]}), 525, None),
        (json.dumps({"color": {"fx": 1}, "depth": {"fx": 400, "width": 64}}), 400, None),
        ("a camera", None, None),
        ("{", None, None),
        ("[" * 5000, None, None),
        (json.dumps({"fx": -1, "baseline": "nan"}), None, None),
    ],
)
def test_intrinsics_beside_the_map_are_taken(
    tmp_path: Path, text: str, focal_length: float | None, baseline: float | None
) -> None:
    path = write(tmp_path / "map.png", "PNG", room())
    beside = tmp_path / "intrinsics.txt"
    beside.write_text(text)
    hint = Hint(modality=Modality.DEPTH, neighbours=(Neighbour("intrinsics", str(beside), len(text), 0),))
    sensor = read_depth(path, "PNG", hint)
    assert (sensor.focal_length, sensor.baseline) == (pytest.approx(focal_length), baseline)


def test_a_npz_is_read_by_the_name_of_its_array(tmp_path: Path) -> None:
    path = tmp_path / "frame.npz"
    rgb = np.zeros((48, 64, 3), np.uint8)
    np.savez(path, depth=room() / 1000, rgb=rgb, confidence=np.ones((48, 64)))
    np.testing.assert_allclose(read_depth(path, "NPZ", NO_HINT).metres, room() / 1000, rtol=1e-6)
    np.savez(path, a=room(), b=room())
    with pytest.raises(UnsupportedFile, match="several maps"):
        read(path, "NPZ", DEPTH)


def test_depth_and_heat_in_one_npz_need_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "frame.npz"
    np.savez(path, depth=room() / 1000, temperature=np.full((48, 64), 21.0))
    assert read_depth(path, "NPZ").metres[0, 0] == pytest.approx(room()[0, 0] / 1000)
    with pytest.raises(UnsupportedFile, match="both a depth map and heat"):
        read(path, "NPZ")


@pytest.mark.parametrize("shape", [(250, 6), (9, 250, 6), (48, 64, 3), (7,), ()])
def test_arrays_that_are_no_maps_are_left_to_others(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for kind in ("NPY", "NPZ"):
        with pytest.raises(UnsupportedFile, match="holds no map"):
            read(write(tmp_path / "log", kind, np.ones(shape, np.float32)), kind, DEPTH)


def test_further_axes_of_length_one_and_fortran_order_do_not_matter(tmp_path: Path) -> None:
    stored = np.asfortranarray(room() / 1000)
    for values in (stored, stored[np.newaxis], stored[:, :, np.newaxis], stored.astype(">f4")):
        path = write(tmp_path / "map.npy", "NPY", values)
        np.testing.assert_allclose(read_depth(path, "NPY").metres, room() / 1000, rtol=1e-6)
