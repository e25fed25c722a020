"""Spans of sounds: they cover every recording without a hole, whatever its length and the settings."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.loaders import LoadOptions
from bindsearch.loaders.sound_blocks import Block, at_rate, mixed
from bindsearch.loaders.sound_spans import SpanCutter
from bindsearch.media import Sound

RATE = 1_000


def _noise(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, count).astype(np.float32)


def _cut(samples: NDArray[np.float32], options: LoadOptions, blocks: list[int] | None = None) -> list[Sound]:
    cutter = SpanCutter(options)
    sounds: list[Sound] = []
    at = cutter.position
    for size in [*(blocks or []), len(samples)]:
        sounds += cutter.add(samples[at : at + size])
        at += len(samples[at : at + size])
    return [*sounds, *cutter.finish()]


def _options(
    seconds: float = 5.0, overlap: float = 1.0, part: tuple[float, float] | None = None
) -> LoadOptions:
    return LoadOptions(sound_rate=RATE, sound_seconds=seconds, sound_overlap=overlap, part=part)


def _times(sounds: list[Sound]) -> list[tuple[float, float]]:
    return [(sound.start, sound.end) for sound in sounds]


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(10, 40_000),
    seconds=st.floats(0.2, 12),
    overlap=st.floats(0, 14),
    blocks=st.lists(st.integers(1, 9_000), max_size=8),
)
def test_spans_cover_the_whole_recording_in_full_lengths(
    count: int, seconds: float, overlap: float, blocks: list[int]
) -> None:
    samples = _noise(count)
    sounds = _cut(samples, _options(seconds, overlap), blocks)
    assert sounds[0].start == 0 and sounds[-1].end == count / RATE
    assert all(one.start < other.start <= one.end < other.end for one, other in pairwise(sounds))
    size = round(seconds * RATE)
    if len(sounds) > 1:
        assert all(len(sound.samples) == size for sound in sounds)
    else:
        assert count <= size * 1.05
    for sound in sounds:
        first = round(sound.start * RATE)
        assert np.array_equal(sound.samples, samples[first : first + len(sound.samples)])
        assert len(sound.samples) == round((sound.end - sound.start) * RATE)


@settings(deadline=None, max_examples=60)
@given(count=st.integers(10, 40_000), seconds=st.floats(0.5, 12), overlap=st.floats(0, 5), data=st.data())
def test_a_part_has_the_spans_of_the_whole_that_overlap_it(
    count: int, seconds: float, overlap: float, data: st.DataObject
) -> None:
    start = data.draw(st.floats(0, count / RATE))
    end = start + data.draw(st.floats(0.01, 20))
    samples = _noise(count)
    whole = _cut(samples, _options(seconds, overlap))
    part = _cut(samples, _options(seconds, overlap, (start, end)))
    assert _times(part) == [times for times in _times(whole) if times[0] < end and times[1] > start]


@pytest.mark.parametrize(
    ("length", "times"),
    [
        (3.0, [(0, 3)]),
        (5.0, [(0, 5)]),
        (5.2, [(0, 5.2)]),
        (6.0, [(0, 5), (1, 6)]),
        (9.0, [(0, 5), (4, 9)]),
        (9.7, [(0, 5), (4.7, 9.7)]),
        (10.5, [(0, 5), (4, 9), (5.5, 10.5)]),
        (13.0, [(0, 5), (4, 9), (8, 13)]),
    ],
)
def test_the_last_span_ends_with_the_recording(length: float, times: list[tuple[float, float]]) -> None:
    assert _times(_cut(_noise(round(length * RATE)), _options())) == times


@settings(deadline=None, max_examples=60)
@given(head=st.integers(0, 20_000), hole=st.integers(0, 60_000), tail=st.integers(1, 20_000))
def test_a_hole_is_as_many_silent_samples(head: int, hole: int, tail: int) -> None:
    samples = np.concatenate((_noise(head), np.zeros(hole, np.float32), _noise(tail)))
    cutter = SpanCutter(_options())
    skipped = [
        *cutter.add(samples[:head]),
        *cutter.skip(hole),
        *cutter.add(samples[head + hole :]),
        *cutter.finish(),
    ]
    plain = _cut(samples, _options())
    assert _times(skipped) == _times(plain)
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(skipped, plain, strict=True))


def test_a_hole_of_a_hundred_days_costs_nothing() -> None:
    cutter = SpanCutter(_options())
    days = 100 * 86_400 * RATE
    sounds = [*cutter.add(_noise(2_000)), *cutter.skip(days), *cutter.add(_noise(2_000)), *cutter.finish()]
    assert sounds[0].start == 0 and sounds[-1].end == 100 * 86_400 + 4 and len(sounds) <= 3


def test_spans_own_their_samples() -> None:
    for sound in _cut(_noise(20_000), _options()):
        assert sound.samples.flags.owndata and sound.samples.flags.c_contiguous
        assert sound.samples.dtype == np.float32


@pytest.mark.parametrize(("peak", "heard"), [(0.0, 0), (0.0002, 0), (0.0005, 3), (1.0, 3)])
def test_what_stays_below_70_db_is_silent(peak: float, heard: int) -> None:
    assert len(_cut((2 * peak * _noise(13_000)).astype(np.float32), _options())) == heard


def test_a_constant_offset_is_silent_and_a_click_is_not() -> None:
    samples = np.full(13_000, 0.3, np.float32)
    assert not _cut(samples, _options())
    samples[6_000] = 0.4
    assert _times(_cut(samples, _options())) == [(4, 9)]


def _pieces(blocks: list[Block], rate: int, position: int = 0) -> NDArray[np.float32]:
    pieces = at_rate(blocks, rate, position)
    return np.concatenate([np.zeros(one, np.float32) if isinstance(one, int) else one for one in pieces])


def test_a_late_beginning_and_a_hole_become_silence() -> None:
    one = np.ones(1_000, np.float32)
    laid = _pieces([Block(0.5, 1_000, one), Block(1.5, 1_000, one), Block(4.0, 1_000, one)], 1_000)
    assert len(laid) == 5_000
    assert (
        not laid[:500].any() and laid[500:2_500].all() and not laid[2_500:4_000].any() and laid[4_000:].all()
    )


def test_time_stamps_that_fall_back_are_cut_or_continued() -> None:
    one = np.ones(1_000, np.float32)
    assert len(_pieces([Block(0.0, 1_000, one), Block(0.7, 1_000, one)], 1_000)) == 1_700
    joined = [Block(0.0, 1_000, one), Block(1.0, 1_000, one), Block(0.0, 1_000, one), Block(1.0, 1_000, one)]
    assert len(_pieces(joined, 1_000)) == 4_000


def test_a_clock_that_drifts_is_followed() -> None:
    one = np.ones(1_000, np.float32)
    blocks = [Block(n * 1.01, 1_000, one) for n in range(100)]
    assert len(_pieces(blocks, 1_000)) == pytest.approx(100_000 + 990, abs=110)
    blocks = [Block(n * 0.99, 1_000, one) for n in range(100)]
    assert len(_pieces(blocks, 1_000)) == pytest.approx(100_000 - 990, abs=110)


def test_what_lies_before_the_beginning_is_left_out() -> None:
    ramp = np.arange(1_000, dtype=np.float32)
    assert np.array_equal(_pieces([Block(-0.3, 1_000, ramp)], 1_000), ramp[300:])


def test_a_rate_that_changes_in_the_middle_is_heard_on() -> None:
    blocks = [Block(0.0, 8_000, np.ones(8_000, np.float32)), Block(1.0, 48_000, np.ones(48_000, np.float32))]
    laid = _pieces(blocks, 16_000)
    assert len(laid) == pytest.approx(32_000, abs=2)
    assert np.abs(laid[4_000:12_000] - 1).max() < 1e-3 and np.abs(laid[20_000:28_000] - 1).max() < 1e-3


@pytest.mark.parametrize("source", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_conversion_keeps_a_tone_and_does_not_mind_the_blocks(source: int) -> None:
    time = np.arange(3 * source + 777) / source
    samples = (0.5 * np.sin(2 * np.pi * 700 * time)).astype(np.float32)
    laid = _pieces(
        [Block(at / source, source, samples[at : at + 9_999]) for at in range(0, len(samples), 9_999)], 16_000
    )
    assert len(laid) == pytest.approx(len(samples) * 16_000 / source, abs=1)
    exact = 0.5 * np.sin(2 * np.pi * 700 * np.arange(len(laid)) / 16_000)
    assert np.abs(laid - exact)[800:-800].max() < 1e-5


def test_what_is_above_the_new_rate_is_gone_not_folded_down() -> None:
    samples = np.sin(2 * np.pi * 9_500 * np.arange(88_200) / 44_100).astype(np.float32)
    assert np.abs(_pieces([Block(0.0, 44_100, samples)], 16_000)[800:-800]).max() < 1e-3


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.array([[-32_768, 16_384]], np.int16), [-1, 0.5]),
        (np.array([[-(2**31), 2**30]], np.int32), [-1, 0.5]),
        (np.array([[0, 192]], np.uint8), [-1, 0.5]),
        (np.array([[1.5, -3.0]], np.float64), [1.5, -3.0]),
        (np.array([[100, 0], [300, -400]], np.int16), [200 / 32_768, -200 / 32_768]),
    ],
)
def test_every_type_of_sample_comes_to_one_scale_and_channels_to_their_mean(
    stored: NDArray[np.generic], expected: list[float]
) -> None:
    mono, strange = mixed(stored)
    assert mono.tolist() == pytest.approx(expected) and strange == 0 and mono.dtype == np.float32


def test_samples_that_are_no_numbers_are_zero_and_counted() -> None:
    stored = np.array([[np.nan, 0.5, np.inf, 1e30, -0.25], [0, 0.5, -np.inf, 0, -0.25]], np.float32)
    mono, strange = mixed(stored)
    assert mono.tolist() == [0, 0.5, 0, 0, -0.25] and strange == 3
