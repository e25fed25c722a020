"""The clock of a table: which column it is, its unit, and when on the calendar it began.

Of several, the finest is taken, numbers before dates. The unit of numbers is what a rule or the name says,
else the only one of s, ms, us, ns that gives between 1 and 10,000 readings a second; numbers that are
moments between 2001 and 2100 settle it first. Where one unit gives 2 to 10 readings a second and the
next one thousands, the first is taken, as no telephone reads so fast; what is still open is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bindsearch.errors import DamagedFile, UnclearFile
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.motion.columns import Quantity
from bindsearch.loaders.motion.tables import Style, Table, local_to_utc
from bindsearch.loaders.motion.units import TIME, Reals

SLOWEST, FASTEST = 0.95, 10_500.0  # readings a second
SLOW_BUT_USUAL = (1.9, 10.5)  # readings a second: an app's slowest setting, and not that of its fastest
EPOCH = (978_307_200.0, 4_102_444_800.0)  # 2001 and 2100, in seconds since 1970
LATEST = 1e11  # seconds; what is beyond is no time
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Clock:
    """``times`` is (n,), seconds, as the log has them, NaN where missing; ``column`` is their name.

    ``absolute`` means that they count from 1970 UTC; ``taken_at`` is that of the first reading, where known.
    """

    times: Reals
    column: str
    absolute: bool
    taken_at: float | None
    note: str


def clock_of(table: Table, hint: Hint, subject: str) -> Clock:
    """The clock of ``table``. Raises UnclearFile where there is none or its unit is open."""
    chosen = _chosen(table)
    rate = hint.rate or table.rate
    if chosen is None:
        return _steady(table, rate, bool(hint.rate), subject)
    values, style = table.columns[chosen], table.styles.get(chosen, Style.NUMBER)
    if style is not Style.NUMBER:
        return _dated(values, chosen, style, table)
    unit, note = _unit(table, chosen, hint)
    if unit is None and rate is not None:
        return _steady(table, rate, bool(hint.rate), subject)
    if unit is None:
        step = typical_step(values)
        raise UnclearFile(
            f"the unit of the clock {chosen!r}, which goes on by {step:.4g}, is in doubt",
            subject=subject,
            hint='write a rule for it with time = "ms", or s, us, ns',
        )
    seconds = values * TIME[unit]
    seconds = np.where(np.abs(seconds) < LATEST, seconds, np.nan)
    if not np.isfinite(seconds).any():
        raise DamagedFile("its times cannot be times", subject=subject)
    absolute = _is_moment(seconds)
    taken_at = float(np.nanmin(seconds)) if absolute else _calendar(table)
    return Clock(seconds, chosen, absolute, taken_at, f"time in {unit}, by {note}")


def typical_step(times: Reals) -> float:
    """The median of the steps forward between readings."""
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.0


def _chosen(table: Table) -> str | None:
    """The finest clock; of equals numbers before dates, then the first."""
    names = [name for name, sense in table.meanings.items() if sense.quantity is Quantity.TIME]
    distinct = {name: len(np.unique(_finite(table.columns[name]))) for name in names}
    most = max(distinct.values(), default=0)
    if most < 2:
        return None
    fine = [name for name in names if 2 * distinct[name] >= most]
    return min(fine, key=lambda name: table.styles.get(name, Style.NUMBER) is not Style.NUMBER)


def _finite(values: Reals) -> Reals:
    return values[np.isfinite(values)]


def _steady(table: Table, rate: float | None, by_rule: bool, subject: str) -> Clock:
    if rate is None:
        raise UnclearFile(
            "a motion log without a clock",
            subject=subject,
            hint="write a rule for it with rate = 50 (readings a second)",
        )
    if not SLOWEST <= rate <= FASTEST:
        raise DamagedFile(f"a rate of {rate:.4g} readings a second cannot be", subject=subject)
    count = max((len(column) for column in table.columns.values()), default=0)
    by = "a rule" if by_rule else "the log"
    note = f"{rate:g} readings a second, by {by}"
    return Clock(np.arange(count) / rate, "", False, _calendar(table), note)


def _dated(values: Reals, name: str, style: Style, table: Table) -> Clock:
    if style is Style.TIME_OF_DAY:
        known = np.isfinite(values)
        midnights = np.cumsum(np.diff(values[known], prepend=values[known][0]) < -DAY / 2)
        values = values.copy()
        values[known] += DAY * midnights
        return Clock(values, name, False, _calendar(table), f"time of day in {name!r}")
    return Clock(values, name, True, _calendar(table), f"time by the dates in {name!r}")


def _unit(table: Table, name: str, hint: Hint) -> tuple[str | None, str]:
    if hint.time in TIME:
        return hint.time, "a rule"
    if (unit := table.meanings[name].unit) is not None:
        return unit, f"the name {name!r}"
    values = table.columns[name]
    step = typical_step(values)
    fitting = [unit for unit, factor in TIME.items() if step and SLOWEST <= 1 / (step * factor) <= FASTEST]
    moments = [unit for unit in fitting if _is_moment(values * TIME[unit])]
    if moments:
        return moments[0], "its size"
    if len(fitting) == 2:
        rate = 1 / (step * TIME[fitting[0]])
        fitting = fitting[:1] if SLOW_BUT_USUAL[0] <= rate <= SLOW_BUT_USUAL[1] else []
    return (fitting[0], "its steps") if fitting else (None, "")


def _is_moment(seconds: Reals) -> bool:
    middle = float(np.nanmedian(seconds))
    return EPOCH[0] <= middle <= EPOCH[1]


def _calendar(table: Table) -> float | None:
    """The first moment that any column tells."""
    for name, sense in table.meanings.items():
        if sense.quantity is not Quantity.TIME or not len(values := _finite(table.columns[name])):
            continue
        style = table.styles.get(name, Style.NUMBER)
        if style is Style.DATE:
            return float(values.min())
        if style is Style.LOCAL_DATE:
            return local_to_utc(float(values.min()))
        if style is Style.NUMBER and sense.unit and _is_moment(values * TIME[sense.unit]):
            return float(values.min()) * TIME[sense.unit]
    return None
