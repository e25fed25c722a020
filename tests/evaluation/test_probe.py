"""The linear probe: it separates what can be separated and finds nothing in noise, every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.encoders import Vectors
from bindsearch.evaluation.fewshot import Examples, draw, probe_figures
from bindsearch.evaluation.probe import (
    FEW_STRENGTH,
    STRENGTHS,
    Classes,
    _objective,
    choose_strength,
    fit,
    held_out,
    minimise,
)

CLASSES, DIMENSIONS = 5, 24


def clouds(count: int, distance: float, seed: int) -> tuple[Vectors, Classes]:
    """``count`` points around each of CLASSES centres that lie ``distance`` from the middle, unit length."""
    rng = np.random.default_rng(seed)
    centres = np.eye(CLASSES, DIMENSIONS) * distance
    truth = np.repeat(np.arange(CLASSES), count)
    points = centres[truth] + rng.normal(size=(len(truth), DIMENSIONS))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), truth


def examples(distance: float, count: int = 40) -> Examples:
    return Examples(*clouds(count, distance, 1), *clouds(200, distance, 2), classes=CLASSES)


def test_a_set_that_can_be_separated_is() -> None:
    vectors, truth = clouds(20, 30.0, 3)
    probe = fit(vectors, truth, CLASSES)
    assert np.array_equal(probe.scores(vectors).argmax(axis=1), truth)
    assert probe_figures(examples(30.0), 1, 5, 0).top_1 == 1.0


def test_more_examples_tell_more() -> None:
    few, more, every = (probe_figures(examples(3.0), shots, 5, 0) for shots in (1, 8, None))
    assert 0.25 < few.top_1 < more.top_1 < every.top_1
    assert (few.examples, more.examples, every.examples) == (5, 40, 200)


@pytest.mark.parametrize("shots", [1, 8, None])
def test_noise_stays_at_chance(shots: int | None) -> None:
    figures = probe_figures(examples(0.0), shots, 5, 0)
    assert figures.top_1 == pytest.approx(1 / CLASSES, abs=0.05)  # of 1000 items: four deviations of one draw
    assert figures.top_5 == 1.0


def test_the_same_seed_gives_the_same_figures_and_another_does_not() -> None:
    first, again, other = (probe_figures(examples(2.0), 2, 3, seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_one_draw_has_no_spread() -> None:
    assert probe_figures(examples(2.0), 2, 1, 0).spread is None
    assert probe_figures(examples(2.0), None, 5, 0).spread is None
    spread = probe_figures(examples(2.0), 2, 5, 0).spread
    assert spread is not None and 0 < spread < 0.2


def test_the_slope_is_that_of_the_value() -> None:
    rng = np.random.default_rng(0)
    features, truth = rng.normal(size=(12, 4)), np.arange(12) % 3
    objective = _objective(features, truth, 3, 0.1)
    point = rng.normal(size=12)
    _, slope = objective(point)
    steps = np.eye(12) * 1e-6
    measured = [(objective(point + step)[0] - objective(point - step)[0]) / 2e-6 for step in steps]
    assert slope == pytest.approx(measured, abs=1e-7)


def test_a_fit_ends_where_no_step_leads_down() -> None:
    vectors, truth = clouds(10, 2.0, 4)
    probe = fit(vectors, truth, CLASSES, 1e-2)
    features = np.hstack([(vectors - probe.centre) / probe.scale, np.ones((len(vectors), 1))])
    _, slope = _objective(features, truth, CLASSES, 1e-2)(np.vstack([probe.weights, probe.offsets]).ravel())
    assert np.abs(slope).max() < 1e-4


@given(st.lists(st.floats(0.05, 20), min_size=1, max_size=8), st.integers(0, 99))
def test_the_lowest_point_of_a_bowl_is_found(bends: list[float], seed: int) -> None:
    goal = np.random.default_rng(seed).normal(size=len(bends))
    curve = np.array(bends)
    found = minimise(lambda x: (float(curve @ (x - goal) ** 2) / 2, curve * (x - goal)), np.zeros(len(bends)))
    assert found == pytest.approx(goal, abs=1e-3)


def test_vectors_that_are_all_alike_are_no_reason_to_fail() -> None:
    vectors = np.ones((4, 3), np.float32)
    scores = fit(vectors, np.array([0, 1, 0, 1]), 2).scores(vectors)
    assert np.isfinite(scores).all()


def test_the_penalty_is_chosen_by_examples_that_were_not_fitted() -> None:
    vectors, truth = clouds(25, 2.0, 5)
    assert choose_strength(vectors, truth, CLASSES, np.random.default_rng(0)) in STRENGTHS
    vectors, truth = clouds(4, 2.0, 5)
    assert choose_strength(vectors, truth, CLASSES, np.random.default_rng(0)) == FEW_STRENGTH


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 9))
def test_a_fifth_of_every_class_is_held_out(members: list[int], seed: int) -> None:
    truth = np.array(members)
    held = held_out(truth, np.random.default_rng(seed))
    for own in set(members):
        assert held[truth == own].sum() == members.count(own) // 5


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 9))
def test_a_draw_takes_so_many_of_every_class_and_none_twice(
    members: list[int], shots: int, seed: int
) -> None:
    truth = np.array(members)
    taken = draw(truth, shots, np.random.default_rng(seed))
    assert len(set(taken.tolist())) == len(taken)
    for own in set(members):
        assert (truth[taken] == own).sum() == min(shots, members.count(own))
