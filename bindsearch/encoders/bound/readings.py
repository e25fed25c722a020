"""A sensor's readings as a tower takes them: as many points in time as it was trained on, none missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Floats, Readings


def sampled(readings: Readings, steps: int) -> Floats:
    """The values at ``steps`` moments spread evenly from the first reading to the last: (steps, channels).

    Between readings, and over missing ones, values lie on straight lines; before a channel's first and after
    its last reading they stay as they are. A channel without any is 0. A single reading is repeated. Raises
    ValueError where there are no readings.
    """
    times = readings.times
    if not len(times):
        raise ValueError("no readings")
    moments = np.linspace(times[0], times[-1], steps)
    channels = [_at(moments, times, channel) for channel in readings.values.T]
    return np.ascontiguousarray(np.stack(channels, axis=1), np.float32)


def _at(moments: NDArray[np.float64], times: NDArray[np.float64], values: Floats) -> NDArray[np.float64]:
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(moments))
    found: NDArray[np.float64] = np.interp(moments, times[known], values[known].astype(np.float64))
    return found
