"""When: curves over time from windows that overlap or leave gaps, and their peaks."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.locating import Curve, Usual, find_spans
from bindsearch.locating.drawing import draw_curves
from bindsearch.modality import Modality

DIMENSIONS = 400


def curve_of(scores: list[float], step: float = 1.0) -> Curve:
    """One window after another."""
    windows = [(step * n, step * (n + 1)) for n in range(len(scores))]
    return Curve.of(Modality.VIDEO, windows, scores)


def usual_of(curve: Curve) -> Usual:
    return Usual.of(curve.values[np.isfinite(curve.values)], DIMENSIONS)


def test_windows_in_a_row_are_the_curve() -> None:
    curve = curve_of([0.1, 0.5, 0.2], step=0.5)
    assert curve.bounds.tolist() == [0, 0.5, 1, 1.5]
    np.testing.assert_allclose(curve.values, [0.1, 0.5, 0.2])


def test_where_windows_overlap_nearer_middles_count_more() -> None:
    curve = Curve.of(Modality.AUDIO, [(0, 2), (1, 3)], [0.0, 1.0])
    assert curve.bounds.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(curve.values, [0, 0.5, 1])


def test_where_there_is_no_window_there_is_no_value() -> None:
    curve = Curve.of(Modality.AUDIO, [(0, 1), (4, 5)], [0.2, 0.3])
    assert np.isnan(curve.values).tolist() == [False, True, False]


def test_a_single_window_of_no_length_is_a_curve() -> None:
    assert len(Curve.of(Modality.VIDEO, [(2.0, 2.0)], [0.3]).values) == 1


def test_a_moment_reaches_to_half_of_its_height() -> None:
    curve = curve_of([0, 0, 0, 0.2, 0.6, 0.9, 0.7, 0.1, 0, 0, 0, 0])
    (span,) = find_spans(curve, usual_of(curve), 2.0, 10)
    assert (span.start, span.end, span.peak) == (4, 7, 5.5)
    assert span.score == pytest.approx(0.9)


def test_two_moments_are_two_and_the_better_comes_first() -> None:
    curve = curve_of([0, 0, 0.8, 0.8, 0, 0, 0, 0, 0.9, 0, 0, 0])
    spans = find_spans(curve, usual_of(curve), 2.0, 10)
    assert [(span.start, span.end) for span in spans] == [(8, 9), (2, 4)]
    assert len(find_spans(curve, usual_of(curve), 2.0, 1)) == 1


def test_nothing_stands_out_of_a_curve_that_is_even_or_low() -> None:
    for curve in (curve_of([0.7] * 20), curve_of([0.0] * 10 + [0.1] + [0.0] * 10)):
        assert find_spans(curve, usual_of(curve), 2.0, 10) == []


def test_a_gap_ends_a_moment() -> None:
    curve = Curve.of(
        Modality.AUDIO,
        [(n, n + 1) for n in range(20) if n != 5],
        [float(n in (4, 6)) for n in range(20) if n != 5],
    )
    assert sorted(span.start for span in find_spans(curve, usual_of(curve), 2.0, 10)) == [4, 6]


def test_a_part_that_was_looked_at_more_closely_takes_its_place() -> None:
    coarse = curve_of([0, 0, 1, 0, 0], step=10)
    part = Curve.of(Modality.VIDEO, [(20 + n, 21 + n) for n in range(10)], [float(n == 3) for n in range(10)])
    joined = coarse.with_part(part)
    assert joined.bounds.tolist() == [0, 10, *range(20, 31), 40, 50]
    (span,) = find_spans(joined, usual_of(coarse), 2.0, 10)
    assert (span.start, span.end) == (23, 24)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(0, 3), st.integers(1, 8))
def test_moments_do_not_overlap_and_stand_out(scores: list[float], level: float, most: int) -> None:
    curve = curve_of(scores)
    spans = find_spans(curve, usual_of(curve), level, most)
    assert len(spans) <= most
    assert all(span.standing >= level and span.start <= span.peak <= span.end for span in spans)
    ordered = sorted(spans, key=lambda span: span.start)
    assert all(a.end <= b.start for a, b in pairwise(ordered))
    assert [span.standing for span in spans] == sorted((span.standing for span in spans), reverse=True)


def test_curves_are_drawn_one_below_the_other() -> None:
    one = curve_of([0, 0, 0.8, 0.8, 0, 0, 0, 0])
    gap = Curve.of(Modality.AUDIO, [(0, 1), (4, 5), (5, 6)], [0.2, 0.3, 0.2])
    curves = [(curve, usual_of(curve)) for curve in (one, gap)]
    drawn = draw_curves(curves, find_spans(one, usual_of(one), 1.0, 5), 2.0)
    single = draw_curves(curves[:1], [], 2.0)
    assert drawn.size == (single.width, 2 * single.height)
    assert len(drawn.getcolors(10_000)) > 4
