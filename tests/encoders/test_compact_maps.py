"""Depth maps and heat in the compact space: what its towers are shown, whatever the map's shape and holes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bindsearch.encoders.compact.maps import SIDE, depth_picture, heat_picture, resized
from bindsearch.media import DepthMap, HeatMap
from tests.encoders.scenes import room

NEAR, WITHIN, UPWARD = range(3)
maps = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    elements=st.floats(-10, 1e4, width=32) | st.just(float("nan")) | st.just(float("inf")),
)


@settings(deadline=None, max_examples=50)
@given(maps)
def test_any_map_becomes_a_picture_of_one_size(values: np.ndarray) -> None:  # type: ignore[type-arg]
    for picture in (depth_picture(DepthMap(values)), heat_picture(HeatMap(values))):
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.dtype == np.uint8


def test_what_is_nearer_is_brighter_and_metres_count() -> None:
    metres = np.repeat(np.linspace(1, 5, 100, dtype=np.float32)[np.newaxis], 80, axis=0)
    near, far = depth_picture(DepthMap(metres)), depth_picture(DepthMap(3 * metres))
    assert (np.diff(near[0, :, NEAR].astype(int)) <= 0).all()
    assert near[..., NEAR].mean() > far[..., NEAR].mean() + 30
    # Within the map only its own range counts, whatever it is.
    assert np.abs(near[..., WITHIN].astype(int) - far[..., WITHIN]).max() <= 1


def test_floors_look_up_walls_ahead_and_ceilings_down() -> None:
    picture = depth_picture(room())
    ceiling, wall, floor = picture[12, 96, UPWARD], picture[96, 96, UPWARD], picture[-12, 96, UPWARD]
    assert floor > 220
    assert abs(int(wall) - 127) < 20
    assert ceiling < 35


def test_the_unknown_has_a_colour_of_its_own_and_stays_out_of_the_rest() -> None:
    metres = room().metres.copy()
    whole = depth_picture(DepthMap(metres))
    metres[:60, :80] = np.nan
    holed = depth_picture(DepthMap(metres))
    assert (holed[0, 0] == (0, 0, 127)).all()
    difference = np.abs(whole[110:, 110:].astype(int) - holed[110:, 110:])
    assert difference[..., [NEAR, UPWARD]].max() <= 1


def test_a_map_without_any_distance_is_all_unknown() -> None:
    picture = depth_picture(DepthMap(np.full((5, 7), np.nan, np.float32)))
    assert (picture == (0, 0, 127)).all()
    assert not heat_picture(HeatMap(np.full((5, 7), np.nan, np.float32))).any()


def test_heat_is_seen_by_what_is_warmer_not_by_its_unit() -> None:
    kelvin = np.random.default_rng(0).normal(290, 5, (60, 80)).astype(np.float32)
    celsius = HeatMap(kelvin - np.float32(273.15), celsius=True)
    assert np.abs(heat_picture(HeatMap(kelvin)).astype(int) - heat_picture(celsius)).max() <= 1


def test_a_hot_pixel_does_not_darken_the_picture() -> None:
    heat = np.random.default_rng(0).normal(20, 2, (100, 100)).astype(np.float32)
    plain = heat_picture(HeatMap(heat))
    heat[50, 50] = 500
    assert np.abs(heat_picture(HeatMap(heat))[0].astype(int) - plain[0]).max() < 10


def test_a_pixel_is_the_mean_of_the_known_ones_below_it() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    values[0, 0] = np.nan
    small = resized(values, 2)
    assert small[0, 0] == np.float32((1 + 4 + 5) / 3)
    assert small[1, 1] == np.float32((10 + 11 + 14 + 15) / 4)
