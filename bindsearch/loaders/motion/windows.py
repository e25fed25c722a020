"""A joined log, and the windows it is cut into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bindsearch.loaders.motion.units import Reals
from bindsearch.media import MotionLog

SHORTEST_WINDOW = 1.0  # seconds; a shorter rest belongs to the window before it


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log: ``times`` (n,) in s from its beginning, rising; m/s^2 and rad/s (n, 3), NaN if missing."""

    times: Reals
    acceleration: Reals
    rotation: Reals

    @property
    def duration(self) -> float:
        """Seconds from the first reading to the last."""
        return float(self.times[-1])


def windows(log: Log, seconds: float) -> Iterator[MotionLog]:
    """``log`` in windows of ``seconds``; those without a reading of acceleration are left out.

    The last ends with the log; a rest shorter than a second is part of the window before it.
    """
    last = max(0, int(log.duration // seconds))
    if last and log.duration - last * seconds < SHORTEST_WINDOW:
        last -= 1
    numbers = np.minimum(log.times // seconds, last).astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for first, stop in zip(starts, [*starts[1:], len(numbers)], strict=True):
        number = int(numbers[first])
        if not np.isfinite(log.acceleration[first:stop]).any():
            continue
        yield MotionLog(
            times=log.times[first:stop].copy(),
            acceleration=log.acceleration[first:stop].astype(np.float32),
            rotation=log.rotation[first:stop].astype(np.float32),
            start=number * seconds,
            end=log.duration if number == last else (number + 1) * seconds,
        )
