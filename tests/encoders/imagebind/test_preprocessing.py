"""Media to samples: the published loaders' own arrays, and what bindsearch's recipes promise."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from bindsearch.encoders.imagebind.audio import resampled, span_clips
from bindsearch.encoders.imagebind.conformance import arrays_of
from bindsearch.encoders.imagebind.pictures import film_frames, span_views, still
from bindsearch.encoders.imagebind.sensors import (
    DISPARITY_MEAN,
    DISPARITY_STD,
    depth_sample,
    motion_sample,
    thermal_sample,
)
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.encoders.imagebind.times import clip_times
from bindsearch.errors import EncoderError
from bindsearch.media import DepthMap, HeatMap, MotionLog
from tests.encoders.imagebind import golden

Arrays = dict[str, NDArray[Any]]
SILENCE = (np.log(1.1920929e-07) + 4.268) / 9.138


@pytest.fixture(scope="module")
def pairs() -> tuple[Arrays, Arrays]:
    """What is computed here, and what the published loaders computed."""
    folder = golden.folder()
    return arrays_of(folder / "preprocessing.json"), load_file(folder / "preprocessing.safetensors")


def differences(pairs: tuple[Arrays, Arrays], start: str, end: str = "") -> dict[str, NDArray[Any]]:
    got, want = pairs
    names = [name for name in want if name.startswith(start) and name.endswith(end)]
    assert names
    assert all(got[name].shape == want[name].shape and got[name].dtype == want[name].dtype for name in names)
    return {name: np.abs(got[name].astype(np.float64) - want[name]) for name in names}


def test_the_same_arrays_are_made(pairs: tuple[Arrays, Arrays]) -> None:
    assert pairs[0].keys() == pairs[1].keys()


def test_pictures_are_equal_bit_for_bit(pairs: tuple[Arrays, Arrays]) -> None:
    assert {name: d.max() for name, d in differences(pairs, "image.").items() if d.max() > 0} == {}


def test_films_are_equal(pairs: tuple[Arrays, Arrays]) -> None:
    assert {name: d.max() for name, d in differences(pairs, "video.").items() if d.max() > 1e-5} == {}


def test_spectrograms_are_equal(pairs: tuple[Arrays, Arrays]) -> None:
    found = differences(pairs, "audio.")
    clips = {name: d for name, d in found.items() if not name.endswith(".at16k")}
    assert {name for name, d in clips.items() if d.max() > 1e-3 or d.mean() > 1e-5} == set()


def test_resampled_sounds_are_equal(pairs: tuple[Arrays, Arrays]) -> None:
    found = differences(pairs, "audio.", ".at16k")
    assert {name: d.max() for name, d in found.items() if d.max() > 1e-6} == {}


def test_token_ids_are_equal(pairs: tuple[Arrays, Arrays]) -> None:
    assert {name: d.max() for name, d in differences(pairs, "text").items() if d.max() > 0} == {}


def test_the_frames_of_films_are_the_published_ones() -> None:
    content = json.loads(Path(golden.folder() / "preprocessing.json").read_bytes())
    for film in content["videos"]:
        assert film_frames(film["frames"], film["fps"]) == [tuple(pair) for pair in film["frames_used"]]


@given(duration=st.floats(0, 1e5), count=st.integers(1, 9))
def test_clips_lie_evenly_and_end_with_the_recording(duration: float, count: int) -> None:
    times = clip_times(duration, count)
    assert len(times) == count
    assert all(end - start == 2 for start, end in times)
    assert len({later[0] - earlier[0] for earlier, later in pairwise(times)}) <= 1
    assert times[0][0] == 0
    if count > 1 and duration > 2:
        assert float(times[-1][1]) == pytest.approx(duration)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 400), width=st.integers(1, 400))
def test_a_picture_of_any_size_becomes_a_square(height: int, width: int) -> None:
    sample = still(np.full((height, width, 3), 255, np.uint8))
    assert sample.shape == (3, 224, 224)
    assert np.ptp(sample, axis=(1, 2)).max() == 0


def test_a_very_long_strip_costs_no_more_than_its_middle() -> None:
    strip = np.zeros((2, 100_000, 3), np.uint8)
    strip[:, 49_900:50_100] = 255
    assert still(strip).shape == (3, 224, 224)


def test_frames_of_a_span_are_paired_with_the_last_one_doubled() -> None:
    frames = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (0, 100, 200)])
    views = span_views(frames)
    assert views.shape == (2, 3, 2, 224, 224)
    np.testing.assert_array_equal(views[0, :, 1], still(frames[1]))
    np.testing.assert_array_equal(views[1, :, 0], views[1, :, 1])


@pytest.mark.parametrize(("seconds", "clips"), [(0.5, 1), (2.0, 1), (2.1, 2), (9.9, 5)])
def test_a_span_of_sound_is_covered_by_clips(seconds: float, clips: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, round(seconds * 16000)).astype(np.float32)
    assert span_clips(samples, 16000).shape == (clips, 1, 128, 204)


def test_silence_is_the_least_energy_everywhere() -> None:
    clip = span_clips(np.zeros(32000, np.float32), 16000)
    np.testing.assert_allclose(clip[:, :, :, :198], SILENCE, rtol=1e-5)


@pytest.mark.parametrize("rate", [1000, 7919, 44101, 96000, 765_431])
def test_a_tone_survives_resampling_from_any_rate(rate: int) -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(rate) / rate).astype(np.float32)
    wave = resampled(tone[np.newaxis], rate)[0].numpy()
    assert abs(len(wave) - 16000) <= 1
    spectrum = np.abs(np.fft.rfft(wave[:16000]))
    assert spectrum.argmax() == 200


@pytest.mark.parametrize("samples", [0, 1, 399])
def test_a_sound_of_less_than_25_ms_is_refused(samples: int) -> None:
    with pytest.raises(EncoderError, match="25 ms"):
        span_clips(np.zeros(samples, np.float32), 16000)


def test_a_sound_with_nan_is_refused() -> None:
    with pytest.raises(EncoderError, match="not numbers"):
        span_clips(np.full(16000, np.nan, np.float32), 16000)


@pytest.mark.parametrize("rate", [1, 10_000_000])
def test_a_sound_of_an_absurd_rate_is_refused(rate: int) -> None:
    with pytest.raises(EncoderError, match="samples a second"):
        resampled(np.zeros((1, 16000), np.float32), rate)


def test_a_text_of_ten_thousand_words_is_read_as_far_as_it_fits() -> None:
    ids = token_ids(["word " * 10_000])[0]
    assert ids[0] == 49406
    assert ids[-1] == 49407
    np.testing.assert_array_equal(ids, token_ids(["word " * 75])[0])


def test_depth_is_standardised_disparity() -> None:
    metres = np.full((240, 320), 2.0, np.float32)
    sample = depth_sample(DepthMap(metres, focal_length=500.0, baseline=0.1))
    assert sample.shape == (1, 224, 224)
    np.testing.assert_allclose(sample, (0.1 * 500 / 2 - DISPARITY_MEAN) / DISPARITY_STD, rtol=1e-5)


def test_a_depth_map_without_a_camera_is_taken_for_a_kinect() -> None:
    metres = np.random.default_rng(2).uniform(1, 7, (60, 80)).astype(np.float32)
    assumed = depth_sample(DepthMap(metres))
    np.testing.assert_array_equal(assumed, depth_sample(DepthMap(metres, 518.86, 0.075)))


def test_holes_in_depth_are_filled_from_around_them() -> None:
    metres = np.full((240, 320), 3.0, np.float32)
    whole = depth_sample(DepthMap(metres))
    metres[50:150, 100:300] = np.nan
    metres[0:5] = 0
    np.testing.assert_allclose(depth_sample(DepthMap(metres)), whole, rtol=1e-5)


def test_far_depth_counts_as_eight_metres() -> None:
    far, farther = (depth_sample(DepthMap(np.full((8, 8), m, np.float32))) for m in (8.0, 50.0))
    np.testing.assert_array_equal(far, farther)


def test_depth_in_another_unit_is_refused_with_a_hint() -> None:
    with pytest.raises(EncoderError, match="another unit") as caught:
        depth_sample(DepthMap(np.full((8, 8), 2000.0, np.float32)))
    assert caught.value.hint


@pytest.mark.parametrize("value", [np.nan, 0.0, -1.0])
def test_a_depth_map_without_a_reading_is_refused(value: float) -> None:
    with pytest.raises(EncoderError, match="no reading"):
        depth_sample(DepthMap(np.full((8, 8), value, np.float32)))


@pytest.mark.parametrize(("focal_length", "baseline"), [(0.0, 0.1), (500.0, np.nan), (np.inf, 0.1)])
def test_a_camera_that_cannot_be_is_refused(focal_length: float, baseline: float) -> None:
    with pytest.raises(EncoderError, match="focal length"):
        depth_sample(DepthMap(np.ones((8, 8), np.float32), focal_length, baseline))


def test_degrees_are_stretched_and_grey_is_not() -> None:
    ramp = np.linspace(0.2, 0.6, 224 * 224, dtype=np.float32).reshape(224, 224)
    grey = thermal_sample(HeatMap(ramp))
    warm = thermal_sample(HeatMap(20 + 10 * ramp, celsius=True))
    assert grey.shape == warm.shape == (1, 224, 224)
    np.testing.assert_allclose(grey[0], ramp, atol=0.5 / 255 + 1e-6)
    assert (warm.min(), warm.max()) == (0, 1)


def test_a_thermal_picture_of_one_temperature_is_grey() -> None:
    sample = thermal_sample(HeatMap(np.full((4, 4), 36.6, np.float32), celsius=True))
    np.testing.assert_allclose(sample, 0.5, atol=0.003)


def test_a_thermal_picture_without_a_reading_is_refused() -> None:
    with pytest.raises(EncoderError, match="no reading"):
        thermal_sample(HeatMap(np.full((4, 4), np.nan, np.float32)))


def motion(times: NDArray[np.float64], end: float = 5.0) -> MotionLog:
    """A log whose first axis tells the time."""
    acceleration = np.stack([times, np.full_like(times, 9.81), np.ones_like(times)], axis=1)
    rotation = np.full((len(times), 3), 0.5)
    return MotionLog(times, acceleration.astype(np.float32), rotation.astype(np.float32), 0.0, end)


def test_motion_is_resampled_by_time() -> None:
    uneven = np.sort(np.random.default_rng(4).uniform(0, 5, 800))
    uneven[[0, -1]] = 0, 5
    sample = motion_sample(motion(uneven))
    assert sample.shape == (6, 2000)
    np.testing.assert_allclose(sample[0], np.arange(2000) / 400, atol=1e-5)
    np.testing.assert_allclose(sample[3:], 0.5, atol=1e-6)


def test_gaps_in_a_log_are_zero_and_short_ones_a_line() -> None:
    times = np.arange(0, 5, 0.01)
    gappy = np.concatenate([times[times < 1], times[times >= 2]])
    short = np.concatenate([times[times < 1], times[times >= 1.2]])
    sample = motion_sample(motion(gappy))
    grid = np.arange(2000) / 400
    inside = (grid > 0.995) & (grid < 1.995)
    outside = (grid < 0.985) | ((grid > 2.005) & (grid < 4.98))
    assert (sample[:, inside] == 0).all()
    assert (sample[1, outside] != 0).all()
    np.testing.assert_allclose(motion_sample(motion(short))[1, :1900], 9.81, rtol=1e-6)


def test_missing_readings_are_a_gap() -> None:
    log = motion(np.arange(0, 5, 0.01))
    log.rotation[100:300, 1] = np.nan
    sample = motion_sample(log)
    assert (sample[3:, 420:1180] == 0).all()
    assert (sample[1, 420:1180] != 0).all()


def test_a_short_log_is_filled_with_zeros_at_its_end() -> None:
    sample = motion_sample(motion(np.arange(0, 2, 0.01), end=2.0))
    assert (sample[1, :790] > 0).all()
    assert (sample[:, 800:] == 0).all()


def test_a_long_log_gives_its_middle() -> None:
    sample = motion_sample(motion(np.arange(0, 15, 0.01), end=15.0))
    np.testing.assert_allclose(sample[0, [0, -1]], [5.0, 9.9975], atol=1e-4)


@pytest.mark.parametrize("times", [[0.0, 2.0, 1.0], [0.0, 0.0, 1.0], [0.0, np.nan, 1.0]])
def test_a_log_whose_times_do_not_rise_is_refused(times: list[float]) -> None:
    with pytest.raises(EncoderError, match="must rise"):
        motion_sample(motion(np.array(times)))


@pytest.mark.parametrize("times", [[], [100.0, 101.0]])
def test_a_log_without_readings_in_its_span_is_refused(times: list[float]) -> None:
    with pytest.raises(EncoderError, match="no readings"):
        motion_sample(motion(np.array(times, np.float64)))
