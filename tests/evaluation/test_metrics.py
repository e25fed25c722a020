"""The measures, against counting by hand and against slow, obvious versions of themselves."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.evaluation.metrics import (
    average_precisions,
    chance_at,
    chance_average_precision,
    mean_average_precision,
    median_rank,
    ranks,
    recall_at,
    shares_found,
    top_k,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Similarities with many ties, and right answers of which every query has at least one."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    levels = draw(st.lists(st.integers(-2, 2), min_size=rows * columns, max_size=rows * columns))
    marks = draw(st.lists(st.booleans(), min_size=rows * columns, max_size=rows * columns))
    relevant = np.array(marks, np.bool_).reshape(rows, columns)
    relevant[np.arange(rows), draw(st.lists(st.integers(0, columns - 1), min_size=rows, max_size=rows))] = (
        True
    )
    return np.array(levels, np.float32).reshape(rows, columns) / 2, relevant


def rank_by_sorting(scores: list[float], right: list[bool]) -> int:
    """Sort best first, wrong before right where scores are equal; count to the first right one."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], right[i]))
    first = next(place for place, i in enumerate(order) if right[i])
    return first + 1


def average_precision(right: list[bool]) -> float:
    """Of answers in their order: the share of right ones down to each right one, and the mean of those."""
    shares = [sum(right[:place]) / place for place, own in enumerate(right, 1) if own]
    return sum(shares) / len(shares)


def test_ranks_count_from_one() -> None:
    similarity = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    assert ranks(similarity, np.eye(3, dtype=np.bool_)).tolist() == [1, 3, 2]


def test_ties_count_against_the_model() -> None:
    assert ranks(np.zeros((3, 3)), np.eye(3, dtype=np.bool_)).tolist() == [3, 3, 3]


def test_other_right_answers_do_not_push_the_best_one_back() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.1]])
    assert ranks(similarity, np.array([[True, True, False, True]])).tolist() == [1]
    assert ranks(similarity, np.array([[False, True, True, False]])).tolist() == [2]


def test_a_query_without_a_right_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="no right answer"):
        ranks(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


def test_tables_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="scores but"):
        ranks(np.zeros((2, 3)), np.ones((2, 2), np.bool_))


def test_recall_and_median_of_known_ranks() -> None:
    found = np.array([1, 1, 4, 11])
    assert [recall_at(found, k) for k in (1, 5, 10, 11)] == [0.5, 0.75, 0.75, 1.0]
    assert median_rank(found) == 2.5


def test_top_k_of_known_classes() -> None:
    similarity = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    truth = np.array([0, 1])
    assert [top_k(similarity, truth, k) for k in (1, 2)] == [0.5, 1.0]


@given(tables())
def test_ranks_agree_with_sorting(table: tuple[NDArray[np.float32], NDArray[np.bool_]]) -> None:
    similarity, relevant = table
    slow = [rank_by_sorting(s.tolist(), r.tolist()) for s, r in zip(similarity, relevant, strict=True)]
    assert ranks(similarity, relevant).tolist() == slow


@given(tables(), st.integers(1, 8))
def test_recall_grows_with_k_up_to_one(table: tuple[NDArray[np.float32], NDArray[np.bool_]], k: int) -> None:
    found = ranks(*table)
    assert 0 <= recall_at(found, k) <= recall_at(found, k + 1) <= 1
    assert recall_at(found, table[0].shape[1]) == 1


@given(tables())
def test_ranks_do_not_change_when_scores_are_stretched(
    table: tuple[NDArray[np.float32], NDArray[np.bool_]],
) -> None:
    similarity, relevant = table
    assert np.array_equal(ranks(similarity, relevant), ranks(similarity * 4 + 1, relevant))


@given(tables(), st.integers(1, 9))
def test_chance_is_the_share_of_all_draws_that_hold_a_right_answer(
    table: tuple[NDArray[np.float32], NDArray[np.bool_]], k: int
) -> None:
    _, relevant = table
    shares = []
    for row in relevant.tolist():
        draws = list(combinations(row, min(k, len(row))))
        shares.append(sum(any(drawn) for drawn in draws) / len(draws))
    assert chance_at(relevant, k) == pytest.approx(np.mean(shares))


@given(tables(), st.data())
def test_top_k_agrees_with_sorting_classes(
    table: tuple[NDArray[np.float32], NDArray[np.bool_]], data: st.DataObject
) -> None:
    similarity, _ = table
    classes = similarity.shape[1]
    truth = [data.draw(st.integers(0, classes - 1)) for _ in similarity]
    k = data.draw(st.integers(1, classes))
    right = [
        rank_by_sorting(scores.tolist(), [place == own for place in range(classes)]) <= k
        for scores, own in zip(similarity, truth, strict=True)
    ]
    assert top_k(similarity, np.array(truth), k) == pytest.approx(np.mean(right))


def test_average_precision_of_known_orders() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.6]])
    for right, expected in (
        ([True, True, False, False], 1.0),
        ([False, False, False, True], 1 / 4),
        ([True, False, True, False], (1 + 2 / 3) / 2),
    ):
        assert mean_average_precision(similarity, np.array([right])) == pytest.approx(expected)


def test_average_precision_of_equals_is_the_worst_order() -> None:
    assert mean_average_precision(np.zeros((1, 4)), np.array([[True, False, False, False]])) == 0.25


def test_average_precision_needs_a_right_answer() -> None:
    with pytest.raises(ValueError, match="no right answer"):
        mean_average_precision(np.zeros((1, 2)), np.zeros((1, 2), np.bool_))


@given(tables())
def test_average_precision_agrees_with_sorting(
    table: tuple[NDArray[np.float32], NDArray[np.bool_]],
) -> None:
    similarity, relevant = table
    slow = []
    for scores, right in zip(similarity.tolist(), relevant.tolist(), strict=True):
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], right[i]))
        slow.append(average_precision([right[i] for i in order]))
    assert mean_average_precision(similarity, relevant) == pytest.approx(np.mean(slow))


@pytest.mark.parametrize("items", [1, 2, 5])
def test_chance_of_average_precision_is_its_mean_over_all_orders(items: int) -> None:
    for count in range(1, items + 1):
        right = [place < count for place in range(items)]
        mean = np.mean([average_precision(list(order)) for order in permutations(right)])
        assert chance_average_precision(np.array([right])) == pytest.approx(mean)


def test_each_query_has_an_average_precision_of_its_own() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    relevant = np.array([[True, False, True], [True, False, False]])
    assert average_precisions(scores, relevant) == pytest.approx([(1 + 2 / 3) / 2, 1 / 3])


@given(tables(), st.integers(1, 9))
def test_the_share_found_is_that_of_sorting(
    table: tuple[NDArray[np.float32], NDArray[np.bool_]], k: int
) -> None:
    for scores, right, share in zip(*table, shares_found(*table, k), strict=True):
        order = sorted(range(len(scores)), key=lambda i: (-scores[i], right[i]))
        assert share == pytest.approx(sum(right[i] for i in order[:k]) / min(k, int(right.sum())))


def test_the_share_found_needs_a_right_answer() -> None:
    with pytest.raises(ValueError, match="no right answer"):
        shares_found(np.zeros((1, 2)), np.zeros((1, 2), np.bool_), 1)
