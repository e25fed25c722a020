"""Sums of unit vectors: unit length at every level, and shares that add up."""

from __future__ import annotations

import numpy as np
import pytest

from bindsearch.arithmetic import combine, combine_tree
from bindsearch.errors import QueryError
from bindsearch.query import Query, parse_query
from tests.query.terms import group, text


def _unit(*rows: list[float]) -> np.ndarray:
    vectors = np.asarray(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_sum_of_vectors_points_between_them_and_has_unit_length() -> None:
    vector = combine(_unit([1, 0, 0], [0, 1, 0]), [1.0, 1.0])
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, [0.5**0.5, 0.5**0.5, 0], atol=1e-6)


def test_a_term_taken_away_turns_the_sum_from_it() -> None:
    vector = combine(_unit([1, 1, 0], [0, 1, 0]), [1.0, -0.5])
    assert vector[0] > vector[1] > 0


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_only_the_proportion_of_the_weights_counts(scale: float) -> None:
    vectors = _unit([3, 1, 2], [1, -1, 0])
    np.testing.assert_allclose(
        combine(vectors, [2 * scale, -scale]), combine(vectors, [2.0, -1.0]), atol=1e-6
    )


def test_terms_that_cancel_out_are_refused() -> None:
    vectors = _unit([1, 2, 3], [1, 2, 3])
    with pytest.raises(QueryError, match="cancel each other out"):
        combine(vectors, [0.7, -0.7])


def test_a_group_counts_by_its_weight_however_long_its_own_sum_is() -> None:
    x, y, z = np.eye(3, dtype=np.float32)
    vectors = np.stack([x, y, z])
    # The group's direction is that of y + z, its length one before it is halved.
    expected = x - 0.5 * (y + z) / np.sqrt(2)
    for scale in ("", "7*"):
        query = parse_query(f"x - 0.5*({scale}y + {scale}z)")
        np.testing.assert_allclose(
            combine_tree(query, vectors).vector, expected / np.linalg.norm(expected), atol=1e-6
        )


def test_the_factors_of_the_terms_make_the_vector_at_any_depth() -> None:
    query = parse_query("a + 2*(b - 0.3*(c + d - (e - f)) + g) - h")
    random = np.random.default_rng(5)
    vectors = _unit(*random.normal(size=(8, 32)).tolist())
    found = combine_tree(query, vectors)
    assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found.factors @ vectors, found.vector, atol=1e-6)
    assert [factor > 0 for factor in found.factors] == [True, True, False, False, True, False, True, False]


def test_a_sum_nested_ten_thousand_deep_is_a_vector() -> None:
    query = parse_query("(a + " * 10_000 + "b" + ")" * 10_000)
    vectors = np.tile(_unit([1, 0, 0, 0]), (10_001, 1))
    np.testing.assert_allclose(combine_tree(query, vectors).vector, [1, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("expression", "place"),
    [("x + 0.5*(a - a)", 4), ("x + (x - (a + x - x - a))", 9), ("a - a", 0), ("x - (a + x - a)", 0)],
)
def test_a_sum_that_vanishes_is_pointed_at(expression: str, place: int) -> None:
    query = parse_query(expression)
    of = {"a": [1.0, 2, 3], "x": [0.0, 1, 0]}
    with pytest.raises(QueryError, match="cancel each other out") as caught:
        combine_tree(query, _unit(*[of[term.value] for term in query.leaves()]))
    assert (caught.value.position, caught.value.expression) == (place, expression)


def test_a_group_that_vanishes_in_a_query_that_nobody_wrote_is_named() -> None:
    query = Query((text("x"), group(text("a"), text("b", -1.0))))
    with pytest.raises(QueryError, match="cancel each other out") as caught:
        combine_tree(query, _unit([1, 0], [0, 1], [0, 1]))
    assert str(caught.value).startswith('("a" - "b"): the terms')
