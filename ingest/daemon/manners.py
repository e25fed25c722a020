"""Manners: how indexing keeps out of the way of whoever sits at the machine.

The process that indexes makes itself the last in every queue (``be_nice``). The daemon asks ``Manners``
whether now is a time to index at all. Load is looked at by the indexing process itself, which alone knows
what part of it is its own.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bindsearch.errors import SettingsError
from bindsearch.settings import WatchSettings

MINUTES_A_DAY = 24 * 60

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})")
_LOWEST = 19
_OOM_SCORE = "500"  # of 1000: when memory runs out, this process goes before the programs of people


def be_nice() -> None:
    """Make this process yield processor, disk and, when it comes to that, memory to all others.

    Threads take it over from the one that starts them, so it is called before there are any. What this
    system does not offer is left out.
    """
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    _yield_the_disk()


def _yield_the_disk() -> None:
    import psutil

    with suppress(OSError, AttributeError, ValueError, psutil.Error):
        idle = psutil.IOPRIO_VERYLOW if os.name == "nt" else psutil.IOPRIO_CLASS_IDLE
        psutil.Process().ionice(idle)


def is_on_battery() -> bool:
    """Whether the machine has a battery and lives on it; False where nothing is known."""
    import psutil

    try:
        battery = psutil.sensors_battery()
    except (OSError, AttributeError, NotImplementedError, ValueError):
        return False
    return battery is not None and battery.power_plugged is False


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans of the day, each as (first minute, minute of its end) counted from local midnight."""

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str) -> Self:
        """The hours that ``text`` names, such as "22:00-6:00" or "12:00-13:00, 22:00-6:00"; "" is always.

        Raises SettingsError for anything else.
        """
        return cls(tuple(_span(part) for part in text.split(",")) if text.strip() else ())

    def include(self, now: float) -> bool:
        """Whether ``now``, in seconds since 1970 UTC, is within them on the local clock."""
        local = time.localtime(now)
        minute = local.tm_hour * 60 + local.tm_min
        return not self.spans or any(_is_within(minute, *span) for span in self.spans)


class Manners:
    """Whether to index now, as the settings wish.

    Raises SettingsError if the hours cannot be understood.
    """

    def __init__(self, settings: WatchSettings, on_battery: Callable[[], bool] = is_on_battery) -> None:
        self._hours = Hours.of(settings.hours)
        self._told_hours = settings.hours.strip()
        self._stops_on_battery = not settings.on_battery
        self._on_battery = on_battery

    def reason_to_wait(self, now: float) -> str | None:
        """Why not to index at ``now``, in seconds since 1970 UTC; None if there is no reason."""
        if not self._hours.include(now):
            return f"outside of the hours {self._told_hours}"
        if self._stops_on_battery and self._on_battery():
            return "on battery"
        return None


def _span(text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text.strip())
    if found:
        hour, minute, end_hour, end_minute = map(int, found.groups())
        start, end = hour * 60 + minute, end_hour * 60 + end_minute
        if max(minute, end_minute) < 60 and start < MINUTES_A_DAY and end <= MINUTES_A_DAY:
            return start, end
    raise SettingsError(f"not hours of a day: {text.strip()!r}", hint="write them as 22:00-6:00")


def _is_within(minute: int, start: int, end: int) -> bool:
    """Whether it is in the span, which may run over midnight, and is a whole day if it ends as it starts."""
    return start <= minute < end if start < end else minute >= start or minute < end
