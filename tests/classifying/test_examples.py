"""Learning from examples: classes are told apart, and what is none of them is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from bindsearch.classifying.examples import LEAST_BACKGROUND, learn
from bindsearch.encoders import Vectors

DIMENSIONS = 32


def cloud(centre: int, count: int, seed: int) -> Vectors:
    """``count`` unit vectors around an axis."""
    rng = np.random.default_rng(seed)
    rows = np.eye(DIMENSIONS)[centre] + rng.normal(size=(count, DIMENSIONS)) * 0.08
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def crowd(centres: range, each: int) -> Vectors:
    return np.concatenate([cloud(centre, each, 100 + centre) for centre in centres])


@pytest.mark.parametrize("each", [1, 4])
def test_two_classes_are_found_among_many_others(each: int) -> None:
    shown = np.concatenate([cloud(0, each, 1), cloud(1, each, 2)])
    truth = np.repeat([0, 1], each)
    library = np.concatenate([cloud(0, 10, 3), cloud(1, 10, 4), crowd(range(2, 30), 10)])
    chances = learn(shown, truth, 2, library).probabilities(library)
    assert chances.shape == (300, 3)
    assert (chances[:10].argmax(axis=1) == 0).mean() >= 0.9
    assert (chances[10:20].argmax(axis=1) == 1).mean() >= 0.9
    assert (chances[20:].argmax(axis=1) == 2).mean() >= 0.97


def test_one_class_alone_can_be_learnt() -> None:
    library = np.concatenate([cloud(0, 10, 3), crowd(range(2, 30), 10)])
    chances = learn(cloud(0, 2, 1), np.zeros(2, np.int64), 1, library).probabilities(library)
    assert (chances[:10, 0] > 0.5).all()
    assert (chances[10:, 0] < 0.5).mean() >= 0.97


def test_a_library_full_of_the_class_hides_it_not() -> None:
    library = np.concatenate([cloud(0, 100, 3), crowd(range(2, 12), 10)])
    found = learn(cloud(0, 3, 1), np.zeros(3, np.int64), 1, library)
    chances = found.probabilities(library)
    assert (chances[:100, 0] > 0.5).mean() >= 0.9
    assert (chances[100:, 0] < 0.5).mean() >= 0.97


@pytest.mark.parametrize("others", [0, 1, LEAST_BACKGROUND - 1])
def test_without_a_background_likeness_decides(others: int) -> None:
    shown = np.concatenate([cloud(0, 2, 1), cloud(1, 2, 2)])
    found = learn(shown, np.repeat([0, 1], 2), 2, crowd(range(5, 6), others) if others else shown[:0])
    asked = np.concatenate([cloud(0, 5, 3), cloud(1, 5, 4), cloud(9, 5, 5)])
    assert found.background == 0
    assert found.probabilities(asked).argmax(axis=1).tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_a_library_of_nothing_but_the_classes_is_judged_by_likeness() -> None:
    shown = np.concatenate([cloud(0, 2, 1), cloud(1, 2, 2)])
    library = np.concatenate([cloud(0, 100, 3), cloud(1, 100, 4)])
    found = learn(shown, np.repeat([0, 1], 2), 2, library)
    assert found.background == 0
    assert (found.probabilities(library).argmax(axis=1) == np.repeat([0, 1], 100)).all()


def test_identical_items_make_no_noise_of_numbers() -> None:
    same = np.repeat(np.eye(1, DIMENSIONS, 3, dtype=np.float32), 50, axis=0)
    found = learn(cloud(0, 1, 1), np.zeros(1, np.int64), 1, same)
    assert np.isfinite(found.probabilities(np.concatenate([same, cloud(0, 5, 2)]))).all()
