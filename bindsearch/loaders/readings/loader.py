"""Readings of a sensor of which nothing is known but what a rule says; see ``Hint`` for what that may be.

The clock is the column that the rule names, else the finest whose name tells the time. Numbers in it are in
the rule's unit, else in the one that stands in its name, else whichever of s, ms, us, ns makes dates between
2001 and 2100 of them, else seconds. With a clock, or a rate, a log is cut into windows as motion logs are;
without either the whole file is one. All other columns of numbers are channels, unless the rule names
which. Nothing is resampled, and no unit is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.files import open_regular, refusal
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.motion.clock import EPOCH, Clock, clock_of
from bindsearch.loaders.motion.columns import Meaning, Quantity, meaning, plain_name
from bindsearch.loaders.motion.join import tidy
from bindsearch.loaders.motion.tables import Style, Table
from bindsearch.loaders.motion.units import TIME, Reals
from bindsearch.loaders.motion.windows import spans
from bindsearch.loaders.readings.tables import Columns, is_clock, read_arrays, read_rows, read_text
from bindsearch.media import Readings
from bindsearch.modality import Modality

LONGEST_LOG = 1e10  # seconds, 317 years
MOST_WINDOWS = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """A whole log: ``times`` (n,) from its beginning, in s if it is ``timed``; ``values`` (n, channels)."""

    times: Reals
    values: Reals
    channels: tuple[str, ...]
    timed: bool
    taken_at: float | None
    notes: tuple[str, ...]


def load_readings(path: Path, kind: str, options: LoadOptions, hint: Hint = NO_HINT) -> LoadedFile:
    """The sensor's log at ``path``, in windows of the rule's ``window`` or else ``motion_seconds``.

    ``kind`` is CSV (any delimited text), NPY or NPZ. Raises UnsupportedFile for any other, for a log without
    a column of numbers or without one that the rule names, and for one of several recordings;
    DamagedFile for what is broken or too large.
    """
    log = _assembled(_read(path, kind, options.max_table_bytes, hint), hint, os.fspath(path))
    duration = float(log.times[-1]) if log.timed else None
    facts = FileFacts(Modality.SENSOR, kind, taken_at=log.taken_at, duration=duration)
    return LoadedFile(path, facts, _windows(log, hint.window or options.motion_seconds), log.notes)


def _read(path: Path, kind: str, limit: int, hint: Hint) -> Columns:
    subject = os.fspath(path)
    if kind not in ("CSV", "NPY", "NPZ"):
        raise UnsupportedFile(
            f"{kind} is not read as a sensor's log", subject=subject, hint="CSV, NPY and NPZ are"
        )
    with open_regular(path) as file:
        try:
            if os.fstat(file.fileno()).st_size > limit:
                raise DamagedFile(f"too large for a table: the limit is {limit:,} bytes", subject=subject)
            return _columns(file, kind, limit, dict(hint.columns).get("t"), subject)
        except OSError as fault:
            raise refusal(path, fault) from fault


def _columns(file: BinaryIO, kind: str, limit: int, clock: str | None, subject: str) -> Columns:
    if kind == "CSV":
        return read_text(file, clock, limit, subject)
    return read_rows(file.read(limit), limit, subject) if kind == "NPY" else read_arrays(file, limit, subject)


def _assembled(columns: Columns, hint: Hint, subject: str) -> _Log:
    ruled = dict(hint.columns).get("t")
    named = None if ruled is None else _own_name(ruled, columns, subject)
    clocks = [name for name in columns.values if is_clock(name)] if named is None else [named]
    names = _channels(columns, clocks, hint, subject)
    stacked = np.stack([columns.values[name] for name in names], axis=1)
    clock = _clock(columns, clocks, hint, subject)
    notes = (_counted(names), clock.note if clock else "no clock: all of it is one segment")
    if clock is None:
        return _Log(np.arange(len(stacked), dtype=np.float64), stacked, names, False, None, notes)
    track = tidy(clock.times, stacked, subject)
    if not len(track.times):
        raise DamagedFile("no readings in it that have a time", subject=subject)
    times = track.times - track.times[0]
    if times[-1] > LONGEST_LOG:
        raise DamagedFile(f"its clock says that it lasts {times[-1] / 86_400:,.0f} days", subject=subject)
    return _Log(times, track.values, names, True, clock.taken_at, notes)


def _channels(columns: Columns, clocks: list[str], hint: Hint, subject: str) -> tuple[str, ...]:
    """The names of the channels. One that is silent stays where it was asked for or can be no words."""
    ruled = [_own_name(name, columns, subject) for role, name in hint.columns if role == "channel"]
    found = ruled or [name for name in columns.values if name not in clocks]
    known = [name for name in found if np.isfinite(columns.values[name]).any()]
    if not known:
        raise UnsupportedFile("holds no column of numbers beside its clock", subject=subject)
    return tuple(found if ruled or columns.typed else known)


def _clock(columns: Columns, clocks: list[str], hint: Hint, subject: str) -> Clock | None:
    """The finest of ``clocks``, else a steady one at the rate that is known; None without either."""
    usable = [name for name in clocks if len(np.unique(_finite(columns.values[name]))) > 1]
    rate = hint.rate or columns.rate
    if usable:
        values = {name: columns.values[name] for name in usable}
        styles = {name: columns.styles.get(name, Style.NUMBER) for name in usable}
        units = {name: _unit(name, values[name], hint) for name in usable}
        senses = {name: Meaning(Quantity.TIME, "", unit, "") for name, (unit, _) in units.items()}
        clock = clock_of(Table("", values, senses, styles), hint, subject)
        dated = styles[clock.column] is not Style.NUMBER
        return clock if dated else replace(clock, note="time in {}, {}".format(*units[clock.column]))
    if rate is None:
        return None
    count = len(next(iter(columns.values.values())))
    with np.errstate(over="ignore"):
        times = np.arange(count) / rate
    by = "a rule" if hint.rate else "the log"
    return Clock(times, "", False, None, f"{rate:g} readings a second, by {by}")


def _unit(name: str, values: Reals, hint: Hint) -> tuple[str, str]:
    """The unit of the numbers in a clock, and by what it is known."""
    told = meaning(name)
    if hint.time is not None:
        return hint.time, "by a rule"
    if told is not None and told.quantity is Quantity.TIME and told.unit is not None:
        return told.unit, f"by the name {name!r}"
    middle = float(np.median(_finite(values)))
    for unit, size in TIME.items():
        if EPOCH[0] <= middle * size <= EPOCH[1]:
            return unit, "by its size"
    return "s", "as nothing says otherwise"


def _finite(values: Reals) -> Reals:
    return values[np.isfinite(values)]


def _own_name(wanted: str, columns: Columns, subject: str) -> str:
    """The name in the file of a column that a rule names; UnsupportedFile if there is none."""
    if wanted in columns.values:
        return wanted
    alike = (name for name in columns.values if plain_name(name) and plain_name(name) == plain_name(wanted))
    if (found := next(alike, None)) is not None:
        return found
    shown = ", ".join([*columns.values][:12])
    raise UnsupportedFile(f"has no column {wanted!r} of numbers", subject=subject, hint=f"it has {shown}")


def _counted(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"one channel ({shown})" if len(names) == 1 else f"{len(names)} channels ({shown})"


def _windows(log: _Log, seconds: float) -> Iterator[Readings]:
    """``log`` in windows; those without any reading are left out."""
    if not log.timed:
        yield Readings(log.times, log.values.astype(np.float32), channels=log.channels)
        return
    # A window of next to nothing would be counted in numbers that no integer holds.
    for part, start, end in spans(log.times, max(seconds, float(log.times[-1]) / MOST_WINDOWS)):
        values = log.values[part].astype(np.float32)
        yield Readings(log.times[part].copy(), values, start, end, log.channels)
