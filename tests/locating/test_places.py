"""Where: coloured squares are found, each once, tightly, in pictures of any size and shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.locating import FINE, Place, find_places
from bindsearch.locating.drawing import MOST_SIDE, draw_places
from bindsearch.media import Pixels
from tests.locating.scenes import ColourEncoder, asked, squares
from tests.media import BLUE, GREEN, RED

BOX = (300, 60, 120, 90)


def overlap(place: Place, box: tuple[int, int, int, int]) -> float:
    """Intersection over union."""
    left, top = max(place.box.x, box[0]), max(place.box.y, box[1])
    right = min(place.box.x + place.box.width, box[0] + box[2])
    bottom = min(place.box.y + place.box.height, box[1] + box[3])
    common = max(0, right - left) * max(0, bottom - top)
    return common / (place.box.width * place.box.height + box[2] * box[3] - common)


@pytest.fixture
def encoder() -> ColourEncoder:
    """An encoder that knows five colours."""
    return ColourEncoder()


def test_a_coloured_square_is_found_with_one_tight_box(encoder: ColourEncoder) -> None:
    found = find_places(squares((640, 480), (BOX, RED)), asked("red"), encoder)
    (place,) = found.found
    assert overlap(place, BOX) > 0.5
    assert place.score > 0.9
    assert place.standing > found.usual.standing(found.whole)
    assert found.regions == encoder.encoded


def test_a_closer_look_encloses_it_more_tightly(encoder: ColourEncoder) -> None:
    (place,) = find_places(squares((640, 480), (BOX, RED)), asked("red"), encoder, effort=FINE).found
    assert overlap(place, BOX) > 0.65


def test_two_things_have_two_boxes_and_others_none(encoder: ColourEncoder) -> None:
    second = (60, 300, 110, 110)
    pixels = squares((640, 480), (BOX, RED), (second, RED), ((400, 300, 120, 120), BLUE))
    found = find_places(pixels, asked("red"), encoder).found
    assert len(found) == 2
    assert {max(range(2), key=lambda n: overlap(place, (BOX, second)[n])) for place in found} == {0, 1}
    assert all(max(overlap(place, BOX), overlap(place, second)) > 0.5 for place in found)


def test_no_more_are_told_than_are_wanted(encoder: ColourEncoder) -> None:
    spots = [((60 + 150 * n, 100, 60, 60), RED) for n in range(4)]
    assert len(find_places(squares((640, 300), *spots), asked("red"), encoder).found) == 4
    assert len(find_places(squares((640, 300), *spots), asked("red"), encoder, most=3).found) == 3


def test_nothing_stands_out_of_a_picture_without_it(encoder: ColourEncoder) -> None:
    found = find_places(squares((640, 480), (BOX, BLUE)), asked("red"), encoder)
    assert found.found == ()
    assert found.regions > 50


def test_nothing_stands_out_of_what_is_all_alike(encoder: ColourEncoder) -> None:
    found = find_places(np.full((200, 300, 3), RED, np.uint8), asked("red"), encoder)
    assert found.found == ()
    assert found.whole > 0.99


def test_the_level_decides_what_stands_out(encoder: ColourEncoder) -> None:
    pixels = squares((640, 480), (BOX, RED))
    (place,) = find_places(pixels, asked("red"), encoder).found
    assert find_places(pixels, asked("red"), encoder, level=place.standing + 1).found == ()


def test_boxes_count_in_the_pixels_of_the_whole_picture(encoder: ColourEncoder) -> None:
    pixels = squares((640, 480), (BOX, RED))
    (small,) = find_places(pixels, asked("red"), encoder).found
    (large,) = find_places(pixels, asked("red"), encoder, size=(1280, 1440)).found
    box = large.box
    assert [box.x / 2, box.y / 3, box.width / 2, box.height / 3] == pytest.approx(
        [small.box.x, small.box.y, small.box.width, small.box.height], abs=1
    )


def test_the_heat_is_where_the_thing_is(encoder: ColourEncoder) -> None:
    heat = find_places(squares((640, 480), (BOX, RED)), asked("red"), encoder).heat
    rows, columns = heat.shape
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 300 <= (column + 0.5) / columns * 640 < 420
    assert 60 <= (row + 0.5) / rows * 480 < 150


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3), (16, 16), (2000, 12), (9, 3000)])
def test_pictures_of_any_shape_are_looked_at(encoder: ColourEncoder, size: tuple[int, int]) -> None:
    found = find_places(squares(size, ((0, 0, 1, 1), RED)), asked("red"), encoder)
    assert all(place.box.x + place.box.width <= size[0] for place in found.found)
    assert found.regions < 5000


def test_a_square_in_a_panorama_is_found(encoder: ColourEncoder) -> None:
    (place,) = find_places(squares((2000, 200), ((1500, 50, 120, 120), GREEN)), asked("green"), encoder).found
    assert overlap(place, (1500, 50, 120, 120)) > 0.5


def test_a_large_picture_takes_no_more_regions_than_a_small_one(encoder: ColourEncoder) -> None:
    pixels = squares((400, 300), ((200, 100, 80, 80), RED))
    few = find_places(pixels, asked("red"), encoder)
    many = find_places(np.repeat(np.repeat(pixels, 8, 0), 8, 1), asked("red"), encoder)
    assert abs(many.regions - few.regions) < 0.5 * few.regions
    assert overlap(many.found[0], (1600, 800, 640, 640)) > 0.5
    assert encoder.largest <= 64


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 480), st.integers(0, 340), st.integers(90, 160), st.integers(90, 140))
def test_a_square_is_found_wherever_it_lies(x: int, y: int, width: int, height: int) -> None:
    box = (x, y, width, height)
    found = find_places(squares((640, 480), (box, RED)), asked("red"), ColourEncoder()).found
    assert 1 <= len(found) <= 2  # a square that falls between regions may be found as two halves
    assert all(overlap(place, box) > 0.02 for place in found)
    across, down = found[0].box.centre
    assert x <= across <= x + width
    assert y <= down <= y + height


@pytest.mark.parametrize("size", [(1, 1), (60, 20), (640, 480), (3000, 500)])
def test_the_overlay_is_as_large_as_can_be_looked_at(encoder: ColourEncoder, size: tuple[int, int]) -> None:
    pixels: Pixels = squares(size, ((size[0] // 2, 0, size[0] // 5 + 1, size[1] // 2 + 1), RED))
    drawn = draw_places(pixels, size, find_places(pixels, asked("red"), encoder), 2.0)
    assert 320 <= max(drawn.size) <= MOST_SIDE
    assert drawn.width / drawn.height == pytest.approx(size[0] / size[1], rel=0.1)


def test_the_overlay_colours_what_was_found_and_greys_the_rest(encoder: ColourEncoder) -> None:
    pixels = squares((640, 480), (BOX, RED), ((60, 300, 100, 100), BLUE))
    drawn = np.asarray(draw_places(pixels, (640, 480), find_places(pixels, asked("red"), encoder), 2.0), int)
    assert np.ptp(drawn[360, 100]) < 12
    assert np.ptp(drawn[105, 360]) > 60
