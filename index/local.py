"""Local time of many moments at once, with every change of the clocks, and what recurs in it."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from bindsearch.periods import DAY_SECONDS, Hours, Weekdays, Yearly

Seconds = NDArray[np.float64]

_THURSDAY = 3  # the weekday of 1970-01-01, counted from Monday


def local_seconds(moments: Seconds) -> Seconds:
    """What the machine's clocks show at ``moments`` (seconds since 1970 UTC), as seconds since 1970 local.

    NaN where no calendar reaches. A zone's offset is asked for at the ends of each day that occurs; only on
    days on which it changes is it asked for every moment.
    """
    days = np.floor(moments / DAY_SECONDS)
    unique, places = np.unique(days, return_inverse=True)
    begins = np.array([_offset(day * DAY_SECONDS) for day in unique.tolist()], dtype=np.float64)
    ends = np.array([_offset((day + 1) * DAY_SECONDS) for day in unique.tolist()], dtype=np.float64)
    offsets = begins[places]
    for place in np.flatnonzero((begins != ends)[places]).tolist():
        offsets[place] = _offset(float(moments[place]))
    return moments + offsets


def recurs(part: Yearly | Hours | Weekdays, local: Seconds) -> NDArray[np.bool_]:
    """Which of some local times lie in a part of every year, day or week."""
    whole_days = np.floor(local / DAY_SECONDS)
    match part:
        case Hours(start, stop):
            return _between(local - whole_days * DAY_SECONDS, start, stop)
        case Weekdays(days):
            return np.isin((whole_days + _THURSDAY) % 7, list(days))
        case Yearly(first, last):
            dates = whole_days.astype(np.int64).astype("datetime64[D]")
            months = dates.astype("datetime64[M]")
            month = months.astype(np.int64) % 12 + 1
            day = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
            return _between(month * 100 + day, first[0] * 100 + first[1], last[0] * 100 + last[1] + 1)


def _between(values: NDArray[np.float64] | NDArray[np.int64], start: float, stop: float) -> NDArray[np.bool_]:
    """From ``start`` up to, without, ``stop``; around the end of the circle where that is less."""
    after, before = values >= start, values < stop
    return after & before if start <= stop else after | before


def _offset(moment: float) -> float:
    """Seconds that local time is ahead of UTC; NaN where the calendar has no such moment."""
    try:
        return float(time.localtime(moment).tm_gmtoff)
    except (ValueError, OverflowError, OSError):
        return float("nan")
