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
    for part, start, end in spans(log.times, seconds):
        if not np.isfinite(log.acceleration[part]).any():
            continue
        yield MotionLog(
            times=log.times[part].copy(),
            acceleration=log.acceleration[part].astype(np.float32),
            rotation=log.rotation[part].astype(np.float32),
            start=start,
            end=end,
        )


def spans(times: Reals, seconds: float) -> Iterator[tuple[slice, float, float]]:
    """The readings of each window that has any, with its start and its end; ``times`` (n,) rise from 0."""
    duration = float(times[-1])
    last = max(0, int(duration // seconds))
    if last and duration - last * seconds < SHORTEST_WINDOW:
        last -= 1
    numbers = np.minimum(times // seconds, last).astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for first, stop in zip(starts, [*starts[1:], len(numbers)], strict=True):
        number = int(numbers[first])
        end = duration if number == last else (number + 1) * seconds
        yield slice(int(first), int(stop)), number * seconds, end
