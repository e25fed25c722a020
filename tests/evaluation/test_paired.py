"""Comparing two ways on the same queries: means by cluster, intervals, and the sign test against counting."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bindsearch.evaluation.paired import cluster_means, difference, sign_test


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (0, 4), (3, 3), (5, 2), (2, 6)])
def test_the_sign_test_counts_tosses_as_uneven_or_more(better: int, worse: int) -> None:
    tosses = better + worse
    uneven = [sum(toss) for toss in product((0, 1), repeat=tosses)]
    counted = sum(abs(2 * heads - tosses) >= abs(better - worse) for heads in uneven) / len(uneven)
    assert sign_test(better, worse) == pytest.approx(counted)


def test_every_cluster_counts_once_however_many_queries_it_has() -> None:
    assert cluster_means(np.array([1.0, 0.0, 0.0, 4.0]), ["a", "b", "b", "a"]).tolist() == [2.5, 0.0]


def test_a_difference_that_is_the_same_everywhere_is_certain() -> None:
    found = difference(np.full(8, 0.5), np.full(8, 0.25), range(8))
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)
    assert (found.better, found.worse, found.chance) == (8, 0, 2 / 2**8)


def test_the_interval_of_noise_holds_nought_and_that_of_a_gain_does_not() -> None:
    noise = np.random.default_rng(1).normal(size=200)
    idle = difference(noise, np.zeros(200), range(200))
    assert idle.low < 0 < idle.high
    gain = difference(noise + 1, np.zeros(200), range(200))
    assert 0 < gain.low < gain.mean < gain.high


def test_copies_of_a_query_make_the_interval_no_narrower() -> None:
    figures = np.random.default_rng(2).normal(size=20)
    once = difference(figures, np.zeros(20), range(20))
    often = difference(np.repeat(figures, 5), np.zeros(100), np.repeat(np.arange(20), 5).tolist())
    assert often.high - often.low == pytest.approx(once.high - once.low)
