"""Logs of accelerometers and gyroscopes: tables of any format become windows in m/s^2 and rad/s.

Names, units and clocks are understood by ``columns``, ``units`` and ``clock``; what stays in doubt is refused
with the rule to write, and every note says how a unit was known. Readings are not resampled, but a gyroscope
on a clock of its own is brought to the accelerometer's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bindsearch.errors import DamagedFile, UnclearFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.files import open_regular, refusal
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.motion.archives import Export, read_export, read_named_arrays
from bindsearch.loaders.motion.arrays import read_array, table_of_array
from bindsearch.loaders.motion.clock import FASTEST, SLOWEST, Clock, clock_of, typical_step
from bindsearch.loaders.motion.columns import Quantity, sensor
from bindsearch.loaders.motion.delimited import Nameless, read_delimited
from bindsearch.loaders.motion.join import Track, at, tidy
from bindsearch.loaders.motion.parquet import read_parquet
from bindsearch.loaders.motion.records import read_json, read_ndjson
from bindsearch.loaders.motion.sensors import (
    Choice,
    Sensor,
    acceleration_unit,
    check_order,
    choose,
    gravity_factor,
    rotation_unit,
)
from bindsearch.loaders.motion.tables import Scheme
from bindsearch.loaders.motion.units import STANDARD_GRAVITY, Reals, shows_gravity
from bindsearch.loaders.motion.windows import Log, windows
from bindsearch.modality import Modality

LONGEST_LOG = 10_000_000.0  # seconds, 115 days
_OTHER_SENSORS = ("gyroscope", "gravity")


def load_motion(path: Path, kind: str, options: LoadOptions, hint: Hint = NO_HINT) -> LoadedFile:
    """The motion log at ``path`` in windows of ``motion_seconds``.

    ``kind`` is CSV (any delimited text), JSON, NDJSON, PARQUET, NPY, NPZ or ZIP. The other files of a log
    in several are the neighbours ``gyroscope`` and ``gravity`` of ``hint``. Raises UnsupportedFile for a
    table that is no motion log, or whose columns, units or clock are in doubt; DamagedFile for what is
    broken or too large.
    """
    export = _read(path, kind, options.max_table_bytes, hint)
    for role in _OTHER_SENSORS:
        if (neighbour := hint.neighbour(role)) is not None:
            other = Path(neighbour.path)
            name = other.stem if sensor(other.stem) is sensor(role) else role
            export.tables += _read(other, "CSV", options.max_table_bytes, NO_HINT, name).tables
    log, taken_at = _assembled(export, hint, os.fspath(path))
    facts = FileFacts(Modality.IMU, kind, taken_at=taken_at, duration=log.duration, camera=export.device)
    return LoadedFile(path, facts, windows(log, options.motion_seconds), tuple(export.notes))


def _read(path: Path, kind: str, limit: int, hint: Hint, name: str | None = None) -> Export:
    subject = os.fspath(path)
    with open_regular(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise DamagedFile(f"too large for a table: the limit is {limit:,} bytes", subject=subject)
            return _tables(file, path, kind, limit, hint, path.stem if name is None else name)
        except OSError as fault:
            raise refusal(path, fault) from fault


def _tables(file: BinaryIO, path: Path, kind: str, limit: int, hint: Hint, name: str) -> Export:
    subject, scheme = os.fspath(path), Scheme.of(hint)
    if kind == "CSV":
        nameless = Nameless.IN_ORDER if hint.wishes(Modality.IMU) else Nameless.REFUSED
        return Export([read_delimited(file, name, scheme, subject, nameless)])
    if kind == "ZIP":
        return read_export(file, scheme, limit, subject)
    if kind == "NPZ":
        return Export(read_named_arrays(file, scheme, limit, subject))
    if kind == "PARQUET":
        return Export([read_parquet(path, name, scheme, limit, subject)])
    raw = file.read(limit + 1)
    if kind == "NPY":
        return Export([table_of_array(read_array(raw, subject), scheme, name)])
    if kind in ("JSON", "NDJSON"):
        tables, device = (read_json if kind == "JSON" else read_ndjson)(raw, scheme, subject)
        return Export(tables, device)
    raise UnsupportedFile(f"{kind} is not read as a motion log", subject=subject)


@dataclass(frozen=True, slots=True)
class _Case:
    """One log on its way: the sensors chosen, the accelerometer's clock, and what is said of it."""

    choice: Choice
    clock: Clock
    hint: Hint
    subject: str
    notes: list[str]

    def brought(self, sensor: Sensor, values: Reals, times: Reals) -> Reals:
        """``values`` of a sensor that has a clock of its own, at ``times`` on the accelerometer's."""
        own = clock_of(sensor.table, self.hint, self.subject)
        if own.absolute != self.clock.absolute:
            raise UnsupportedFile("the clocks of its sensors do not begin together", subject=self.subject)
        return at(tidy(own.times, values, self.subject), times)


def _assembled(export: Export, hint: Hint, subject: str) -> tuple[Log, float | None]:
    """The log in an export's tables, and when it was taken; the notes are added to those of the export."""
    choice = choose(export.tables, subject)
    clock = clock_of(choice.acceleration.table, hint, subject)
    check_order(choice, clock, hint, subject)
    case = _Case(choice, clock, hint, subject, export.notes)
    track, rotation = _in_order(_acceleration(case), case)
    if not np.isfinite(track.values).any():
        raise DamagedFile("no readings of acceleration in it", subject=subject)
    _check_pace(track.times, clock, subject)
    taken_at = clock.taken_at
    if taken_at is None and export.started is not None:
        taken_at = export.started + float(track.times[0])
    return Log(track.times - track.times[0], track.values, rotation), taken_at


def _acceleration(case: _Case) -> Reals:
    """The acceleration in m/s^2, with gravity if it was measured apart and is not in it already."""
    sensor, times = case.choice.acceleration, case.clock.times
    unit = acceleration_unit(sensor, case.clock, case.hint, case.subject)
    case.notes.extend([case.clock.note, unit.note])
    acceleration = sensor.values * unit.factor
    timed = np.isfinite(times)
    if shows_gravity(acceleration[timed], times[timed]):
        return acceleration
    if case.choice.gravity is not None:
        return _with_gravity(acceleration, unit.factor, case.choice.gravity, case)
    sizes = np.linalg.norm(acceleration, axis=1)
    if sensor.quantity is Quantity.LINEAR or np.nanmedian(sizes) < STANDARD_GRAVITY / 2:
        case.notes.append("without gravity, which was not measured")
    return acceleration


def _with_gravity(acceleration: Reals, factor: float, sensor: Sensor, case: _Case) -> Reals:
    """The sum of acceleration and gravity, unless the one is seen in the other already."""
    times = case.clock.times
    if sensor.table is case.choice.acceleration.table:
        gravity = sensor.values
    else:
        gravity = case.brought(sensor, sensor.values, np.where(np.isfinite(times), times, -np.inf))
    gravity = gravity * gravity_factor(sensor, gravity, case.clock, factor)
    both = np.isfinite(acceleration).all(axis=1) & np.isfinite(gravity).all(axis=1)
    if (acceleration[both] * gravity[both]).sum() > 0.5 * np.square(gravity[both]).sum():
        return acceleration
    case.notes.append("gravity, which was measured apart, is added to the acceleration")
    return acceleration + gravity


def _in_order(acceleration: Reals, case: _Case) -> tuple[Track, Reals]:
    """Acceleration in order of time and the rotation that goes with it, both (n, 3) in SI units."""
    sensor, times = case.choice.rotation, case.clock.times
    if sensor is None:
        track = tidy(times, acceleration, case.subject)
        case.notes.append("no gyroscope: the rotation is unknown")
        return track, np.full_like(track.values, np.nan)
    unit = rotation_unit(sensor, case.hint)
    case.notes.append(unit.note)
    rotation = sensor.values * unit.factor
    if sensor.table is case.choice.acceleration.table and _share_rows(acceleration, rotation):
        track = tidy(times, np.hstack([acceleration, rotation]), case.subject)
        return Track(track.times, track.values[:, :3]), track.values[:, 3:]
    track = tidy(times, acceleration, case.subject)
    joined = case.brought(sensor, rotation, track.times)
    known = bool(np.isfinite(joined).any())
    case.notes.append(
        "rotation brought to the times of the acceleration"
        if known
        else "the gyroscope ran at other times: the rotation is unknown"
    )
    return track, joined


def _share_rows(acceleration: Reals, rotation: Reals) -> bool:
    """Whether the readings of both mostly stand in the same rows, not in turns."""
    first, second = np.isfinite(acceleration).any(axis=1), np.isfinite(rotation).any(axis=1)
    return bool(2 * (first & second).sum() >= min(first.sum(), second.sum()))


def _check_pace(times: Reals, clock: Clock, subject: str) -> None:
    """Raises for a log that is no movement: too short, too slow, too fast or too long."""
    if len(times) < 2 or times[-1] <= times[0]:
        raise DamagedFile("fewer than two readings in it", subject=subject)
    if times[-1] - times[0] > LONGEST_LOG:
        days = (times[-1] - times[0]) / 86_400
        raise DamagedFile(f"its clock says that it lasts {days:,.0f} days", subject=subject)
    step = typical_step(times)
    if not SLOWEST <= 1 / step <= FASTEST:
        raise UnclearFile(
            f"{step:.3g} s between readings is not a motion log's ({clock.note})",
            subject=subject,
            hint='if its clock has another unit, write a rule for it with time = "ms", or s, us, ns',
        )
