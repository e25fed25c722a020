"""From a motion log to what the compact IMU tower takes: twelve channels of 250 samples, (250, 12), float32.

The log is brought to 50 samples a second by linear interpolation, five seconds of it from its start; the last
reading of a shorter one is held to the end. Missing readings are interpolated too, and a sensor that is
absent altogether is 0. The channels:

* 0 to 2, acceleration in units of standard gravity, gravity included, and 3 to 5, rotation in rad/s, in the
  sensor's own axes;
* 6 to 11, what does not depend on how the sensor was worn: acceleration along the window's mean
  acceleration (which is mostly gravity's), and across it; rotation about that axis, and across it; the
  sizes of both.

A change here that changes channels is a new ``PREPROCESSING`` version in ``pictures``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Floats, MotionLog

RATE = 50
SAMPLES = 5 * RATE
CHANNELS = 12
STANDARD_GRAVITY = 9.80665


def motion_channels(log: MotionLog) -> Floats:
    """The channels of a log: (250, 12)."""
    times = log.start + np.arange(SAMPLES) / RATE
    acceleration = _sampled(log.times, log.acceleration, times) / STANDARD_GRAVITY
    return with_sizes(np.hstack([acceleration, _sampled(log.times, log.rotation, times)]))


def with_sizes(axes: NDArray[np.floating]) -> Floats:
    """The axes, (samples, 6) in g and rad/s, and what does not depend on them: (samples, 12)."""
    acceleration, rotation = axes[:, :3], axes[:, 3:]
    mean = acceleration.mean(axis=0)
    down = mean / max(float(np.linalg.norm(mean)), 1e-6)
    parts = [axes]
    for readings in (acceleration, rotation):
        along = readings @ down
        across = np.linalg.norm(readings - np.outer(along, down), axis=1)
        parts += [along[:, np.newaxis], across[:, np.newaxis]]
    sizes = [np.linalg.norm(readings, axis=1, keepdims=True) for readings in (acceleration, rotation)]
    return np.hstack([*parts, *sizes]).astype(np.float32)


def _sampled(clock: NDArray[np.float64], readings: Floats, times: NDArray[np.float64]) -> Floats:
    """``readings``, (n, 3), at ``times``; zeros where an axis has no reading at all."""
    sampled = np.zeros((len(times), readings.shape[1]), np.float32)
    for axis, column in enumerate(readings.T):
        known = np.isfinite(column)
        if known.any():
            sampled[:, axis] = np.interp(times, clock[known], column[known])
    return sampled
