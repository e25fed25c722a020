"""Motion logs in the compact space: what the IMU tower is shown of logs of any rate, length and holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.encoders.compact.motions import CHANNELS, SAMPLES, motion_channels
from bindsearch.media import MotionLog


def walk(rate: float = 100.0, seconds: float = 5.0, start: float = 0.0) -> MotionLog:
    """Steps twice a second by somebody who wears the sensor upright, and sways a little."""
    times = start + np.arange(int(rate * seconds)) / rate
    beat = np.sin(2 * np.pi * 2 * (times - start))
    acceleration = np.stack([0.5 * beat, 9.81 + 2 * beat, 0 * beat], axis=1).astype(np.float32)
    rotation = np.stack([0 * beat, 0.3 * beat, 0.1 * beat], axis=1).astype(np.float32)
    return MotionLog(times, acceleration, rotation, start, start + seconds)


def turned(log: MotionLog, turn: NDArray[np.floating]) -> MotionLog:
    acceleration, rotation = (np.float32(readings @ turn) for readings in (log.acceleration, log.rotation))
    return MotionLog(log.times, acceleration, rotation, log.start, log.end)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.floats(1, 1000), st.integers(0, 2**32 - 1))
def test_any_log_becomes_channels_of_one_shape(count: int, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    readings = rng.normal(0, 30, (count, 6)).astype(np.float32)
    readings[rng.random(readings.shape) < 0.2] = np.nan
    times = np.sort(rng.random(count)) * count / rate
    channels = motion_channels(MotionLog(times, readings[:, :3], readings[:, 3:], 0.0, count / rate))
    assert channels.shape == (SAMPLES, CHANNELS)
    assert np.isfinite(channels).all()


def test_the_rate_and_the_start_of_a_log_do_not_matter() -> None:
    once, again = motion_channels(walk(100.0)), motion_channels(walk(400.0, start=60.0))
    assert np.abs(once - again)[:-5].max() < 0.02


def test_gravity_is_one() -> None:
    assert motion_channels(walk())[:, 1].mean() == pytest.approx(1.0, abs=0.01)


def test_half_of_the_channels_do_not_know_how_the_sensor_was_worn() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    plain, other = motion_channels(walk()), motion_channels(turned(walk(), turn * np.linalg.det(turn)))
    assert np.abs(plain - other)[:, 6:].max() < 1e-4
    assert np.abs(plain - other)[:, :6].max() > 0.1


def test_a_log_without_a_gyroscope_has_no_rotation() -> None:
    log = walk()
    silent = MotionLog(log.times, log.acceleration, np.full_like(log.rotation, np.nan), 0.0, 5.0)
    channels = motion_channels(silent)
    assert not channels[:, [3, 4, 5, 8, 9, 11]].any()
    assert np.array_equal(channels[:, :3], motion_channels(log)[:, :3])


def test_the_last_reading_of_a_short_log_is_held() -> None:
    channels = motion_channels(walk(seconds=2.0))
    assert (channels[110:, :6] == channels[-1, :6]).all()
