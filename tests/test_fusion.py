"""Fusion: what is meant and what is written, joined without one drowning the other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.fusion import (
    KNOWN,
    convex,
    evidence_of_words,
    fuse,
    fused_standing,
    fused_standings,
    reciprocal_ranks,
    standing_of,
    surprise,
    surprise_of_words,
)

STANDINGS = st.floats(-6, 500)


@given(STANDINGS)
def test_a_standing_and_its_surprise_are_two_names_of_one_thing(standing: float) -> None:
    assert standing_of(surprise(standing)) == pytest.approx(standing, abs=0.02, rel=0.001)


@given(STANDINGS, STANDINGS)
def test_whatever_stands_out_more_surprises_more(one: float, other: float) -> None:
    if one < other:
        assert surprise(one) <= surprise(other)


def test_the_surprise_is_that_of_the_normal_distribution() -> None:
    assert surprise(0.0) == pytest.approx(math.log(2))
    assert surprise(1.959964) == pytest.approx(-math.log(0.025), abs=1e-5)


def test_a_single_word_surprises_by_how_rare_it_is() -> None:
    for chance in (0.5, 0.01, 1e-6):
        assert surprise_of_words([True], [chance], [1.0]) == pytest.approx(-math.log(chance), rel=0.01)


def test_words_that_are_not_there_leave_less_of_those_that_are() -> None:
    alone = surprise_of_words([True], [0.01], [1.0])
    among_many = surprise_of_words([True, *[False] * 9], [0.01] * 10, [1.0] * 10)
    assert among_many == pytest.approx(-math.log(1 - 0.99**10), rel=0.01)
    assert among_many < alone < surprise_of_words([True, True], [0.01, 0.01], [1.0, 1.0])


@given(st.lists(st.tuples(st.booleans(), st.floats(1e-6, 0.999)), min_size=1, max_size=32))
def test_the_surprise_of_any_words_is_a_number_from_0(words: list[tuple[bool, float]]) -> None:
    found, chances = zip(*words, strict=True)
    nats = surprise_of_words(found, chances, [1.0] * len(words))
    assert 0 <= nats < 700
    assert any(found) or nats == 0


def test_a_usual_word_of_a_text_moves_nothing_and_a_rare_name_outweighs_likeness() -> None:
    assert evidence_of_words(0.0, KNOWN) == 0
    photo, note = 5.0, 4.9
    usual = evidence_of_words(0.0, -math.log(0.1))
    assert fused_standing(note, usual) < photo
    name = evidence_of_words(-math.log(1 / 2600), 0.0)
    assert fused_standing(0.0, name) > photo - 2
    assert fused_standing(3.0, name) > photo


@given(st.dictionaries(st.integers(0, 50), st.floats(-4, 9)))
def test_without_words_the_ranking_is_that_of_meaning(meaning: dict[int, float]) -> None:
    assert fuse(meaning, {}) == sorted(meaning.items(), key=lambda item: (-item[1], item[0]))


@given(
    st.dictionaries(st.integers(0, 9), st.floats(-4, 9)), st.dictionaries(st.integers(0, 9), st.floats(0, 30))
)
def test_words_never_lower_an_item_and_none_is_lost(
    meaning: dict[int, float], words: dict[int, float]
) -> None:
    fused = dict(fuse(meaning, words))
    assert fused.keys() == meaning.keys() | words.keys()
    assert all(fused[key] >= standing - 1e-6 for key, standing in meaning.items())


def test_reciprocal_ranks_prefer_what_both_rankings_hold() -> None:
    assert [key for key, _ in reciprocal_ranks([1, 2, 3], [3, 4])] == [3, 1, 2, 4]
    assert dict(reciprocal_ranks([1], [1]))[1] == pytest.approx(2 / 61)


def test_a_convex_sum_leads_from_one_ranking_to_the_other() -> None:
    meaning, words = {1: 3.0, 2: 1.0, 3: 0.0}, {2: 8.0, 3: 9.0}
    assert next(iter(convex(meaning, words, 0.0)))[0] == 1
    assert next(iter(convex(meaning, words, 1.0)))[0] == 3
    assert convex({}, {}, 0.5) == []


@given(st.lists(st.tuples(st.floats(-9, 60, width=32), st.floats(0, 900)), max_size=40))
def test_standings_fused_side_by_side_are_those_fused_one_by_one(given_: list[tuple[float, float]]) -> None:
    meaning = np.array([one for one, _ in given_], np.float32)
    evidence = np.array([nats for _, nats in given_], np.float64)
    alone = [fused_standing(float(one), float(nats)) for one, nats in zip(meaning, evidence, strict=True)]
    assert fused_standings(meaning, evidence).tolist() == alone
