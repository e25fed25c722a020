"""Clocks: how it is noticed that the machine has slept.

While it sleeps the steady clock stands still, and the one since boot goes on; where there is no such clock,
the wall clock must do. That one is also set by hand: set forward it looks like sleep and costs a walk, set
back it means nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SLEEP_SECONDS = 20.0  # a shorter sleep, or step of the wall clock, has no meaning


def asleep_seconds() -> float:
    """For how long the machine has slept since some moment, as far as its clocks tell."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    if boot is None:
        return time.time() - time.monotonic()
    return time.clock_gettime(boot) - time.monotonic()


class Alarm:
    """Tells of each sleep once."""

    def __init__(self, asleep: Callable[[], float] = asleep_seconds) -> None:
        self._asleep = asleep
        self._known = asleep()

    def rang(self) -> bool:
        """Whether the machine has slept since this was asked last."""
        before, self._known = self._known, self._asleep()
        return self._known - before >= SLEEP_SECONDS
