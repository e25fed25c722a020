"""Boxes: whole pixels inside their picture, and one box for one thing."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.locating.boxes import OVERLAP, Box, shared, suppress, whole
from bindsearch.locating.regions import moves, windows

SIDES = st.integers(1, 5000)
PLACES = st.tuples(*[st.floats(0, 1000)] * 2, *[st.floats(0.5, 500)] * 2)


def inside(boxes: np.ndarray, width: int, height: int) -> bool:
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    return bool(
        (low >= 0).all() and (high <= np.array([width, height]) + 1e-6).all() and (boxes[:, 2:] > 0).all()
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(PLACES, max_size=40), st.integers(1, 10), st.randoms(use_true_random=False))
def test_what_is_kept_does_not_overlap_and_what_is_dropped_does(
    places: list[tuple[float, float, float, float]], most: int, chance: object
) -> None:
    boxes = np.array(places, np.float64).reshape(-1, 4)
    ranks = np.array([hash(place) % 100 for place in places], np.float64)
    kept = suppress(boxes, ranks, most)
    assert len(kept) <= most
    assert all(ranks[a] >= ranks[b] for a, b in pairwise(kept))
    for number, one in enumerate(kept):
        assert number == 0 or shared(boxes[one], boxes[kept[:number]]).max() <= OVERLAP
    if len(kept) < most:
        for dropped in set(range(len(boxes))) - set(kept):
            above = [one for one in kept if ranks[one] >= ranks[dropped]]
            assert shared(boxes[dropped], boxes[above]).max() > OVERLAP


@settings(deadline=None, max_examples=60)
@given(PLACES, PLACES)
def test_sharing_is_mutual_and_a_share(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    first, second = np.array(a), np.array(b)
    share = shared(first, second[None])[0]
    assert 0 <= share <= 1 + 1e-9
    assert share == shared(second, first[None])[0]
    assert shared(first, first[None])[0] > 1 - 1e-9


def test_a_part_is_the_same_thing_as_its_whole_and_a_neighbour_is_not() -> None:
    boxes = np.array([[0, 0, 100, 100], [40, 40, 10, 10], [100, 0, 100, 100.0]])
    assert suppress(boxes, np.array([3.0, 2.0, 1.0]), 10) == [0, 2]
    assert suppress(boxes, np.array([2.0, 3.0, 1.0]), 10) == [1, 2]


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES)
def test_windows_lie_inside_their_picture_and_the_first_is_all_of_it(width: int, height: int) -> None:
    found = windows(width, height, (0.5, 0.3, 0.2), 0.5)
    assert inside(found, width, height)
    assert found[0].tolist() == [0, 0, width, height]
    assert len(np.unique(found, axis=0)) == len(found) < 5000


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, st.integers(0, 10**6), st.floats(0.05, 0.5))
def test_a_box_moves_inside_its_picture(width: int, height: int, number: int, step: float) -> None:
    found = windows(width, height, (0.5, 0.3, 0.2), 0.5)
    moved = moves(found[number % len(found)], step, width, height)
    assert inside(moved, width, height)
    np.testing.assert_allclose(moved[0], found[number % len(found)], atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(PLACES, SIDES, SIDES, st.floats(0.1, 10), st.floats(0.1, 10))
def test_whole_boxes_have_pixels_and_lie_inside(
    place: tuple[float, ...], width: int, height: int, across: float, down: float
) -> None:
    box = whole(place, (across, down), (width, height))
    assert 0 <= box.x < box.x + box.width <= width
    assert 0 <= box.y < box.y + box.height <= height


def test_the_centre_is_in_the_middle() -> None:
    assert Box(10, 20, 5, 4).centre == (12.5, 22)
