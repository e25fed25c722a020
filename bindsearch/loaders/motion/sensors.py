"""The sensors in the tables of a log: finding them, choosing between them, and their values in SI units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bindsearch.errors import UnclearFile, UnsupportedFile
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.motion.clock import Clock
from bindsearch.loaders.motion.columns import Quantity, is_uncalibrated, plain_name, preference
from bindsearch.loaders.motion.tables import Table
from bindsearch.loaders.motion.units import (
    ACCELERATION,
    ROTATION,
    Reals,
    Unit,
    guessed_acceleration,
    guessed_rotation,
    said,
)

COLUMNS_HINT = (
    'if it is a motion log, write a rule for it with modality = "imu" and '
    'columns = { t = "...", ax = "...", ay = "...", az = "...", gx = "...", gy = "...", gz = "..." }; '
    'if it is another sensor\'s, with modality = "sensor"'
)
_BESIDE_THE_PHONE = ("watch", "wrist", "headphone", "airpod")


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """Three axes of one table: ``values`` (n, 3) as the log has them, ``unit`` where their names say it.

    ``documented`` is the unit that the app is known to write, and by what the app is known.
    """

    quantity: Quantity
    group: str
    table: Table
    values: Reals
    unit: str | None
    documented: tuple[str, str] | None = None

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The lowest of a quantity is taken: the phone's, corrected, by the better known name."""
        apart = any(word in self.table.name.lower() for word in _BESIDE_THE_PHONE)
        return apart, is_uncalibrated(self.group), preference(self.group)


@dataclass(frozen=True, slots=True)
class Choice:
    """The sensors that a log is made of."""

    acceleration: Sensor
    gravity: Sensor | None
    rotation: Sensor | None


def choose(tables: Iterable[Table], subject: str) -> Choice:
    """The accelerometer, gravity and gyroscope in ``tables``.

    Raises UnsupportedFile when there is no accelerometer, or several of the same right.
    """
    found = [sensor for table in tables for sensor in sensors_of(table)]
    by = {
        quantity: sorted((one for one in found if one.quantity is quantity), key=lambda one: one.rank)
        for quantity in Quantity
    }
    rotation = _best(by[Quantity.ROTATION], subject)
    gravity = _best(by[Quantity.GRAVITY], subject)
    linear = _best(by[Quantity.LINEAR], subject)
    total = _best(by[Quantity.ACCELERATION], subject)
    if total and linear and gravity and total.rank[:2] > linear.rank[:2]:
        total = None
    if chosen := total or linear:
        return Choice(chosen, gravity, rotation)
    if rotation is not None:
        raise UnsupportedFile(
            "a gyroscope without an accelerometer is not read", subject=subject, hint=COLUMNS_HINT
        )
    raise UnsupportedFile(
        "a table without accelerometer and gyroscope columns is not read", subject=subject, hint=COLUMNS_HINT
    )


def sensors_of(table: Table) -> list[Sensor]:
    """All triples of axes in a table that hold a reading."""
    groups: dict[tuple[Quantity, str], dict[str, str]] = {}
    for name, sense in table.meanings.items():
        if sense.quantity is not Quantity.TIME:
            groups.setdefault((sense.quantity, sense.group), {}).setdefault(sense.axis, name)
    found = []
    for (quantity, group), axes in groups.items():
        if len(axes) == 3:
            values = np.stack([table.columns[axes[axis]] for axis in "xyz"], axis=1)
            if np.isfinite(values).all(axis=1).any():
                units = {table.meanings[name].unit for name in axes.values()}
                found.append(
                    _sensor(quantity, group, table, values, units.pop() if len(units) == 1 else None)
                )
    return found


def _sensor(quantity: Quantity, group: str, table: Table, values: Reals, unit: str | None) -> Sensor:
    """A sensor, with what is known of the app that wrote the table."""
    names = {plain_name(name) for name in table.columns}
    groups = {sense.group for sense in table.meanings.values()}
    documented = None
    if not group and "secondselapsed" in names:
        group = plain_name(table.name)
        if group == "accelerometer":
            quantity = Quantity.LINEAR
        if quantity is Quantity.ROTATION:
            documented = ("rad/s", "the layout of Sensor Logger")
        elif not is_uncalibrated(group):
            documented = ("m/s^2", "the layout of Sensor Logger")
    elif group == "gf":
        documented = ("g", "the name gF of Physics Toolbox")
    elif group == "w":
        documented = ("rad/s", "the name w of Physics Toolbox")
    elif group == "a" and "gf" in groups:
        quantity, documented = Quantity.LINEAR, ("m/s^2", "the layout of Physics Toolbox")
    return Sensor(quantity, group or plain_name(table.name), table, values, unit, documented)


def _best(ranked: list[Sensor], subject: str) -> Sensor | None:
    if len(ranked) > 1 and ranked[0].rank == ranked[1].rank:
        names = " and ".join(sorted({one.table.name or one.group for one in ranked[:2]}))
        raise UnclearFile(
            f"several sensors measure {ranked[0].quantity.value}: {names}", subject=subject, hint=COLUMNS_HINT
        )
    return ranked[0] if ranked else None


def acceleration_unit(sensor: Sensor, clock: Clock, hint: Hint, subject: str) -> Unit:
    """The unit of an accelerometer. Raises UnclearFile where nothing tells it."""
    known = _stated(sensor, hint.acceleration, ACCELERATION, "acceleration")
    if known is not None:
        return known
    timed = np.isfinite(clock.times)
    if (guessed := guessed_acceleration(sensor.values[timed], clock.times[timed])) is not None:
        return guessed
    if sensor.group == "a" and any(sense.group == "w" for sense in sensor.table.meanings.values()):
        return said("acceleration", "m/s^2", "the names a and w of Physics Toolbox")
    raise UnclearFile(
        "the unit of its acceleration is in doubt",
        subject=subject,
        hint='write a rule for it with acceleration = "m/s^2", or g, mg',
    )


def check_order(choice: Choice, clock: Clock, hint: Hint, subject: str) -> None:
    """Raises UnclearFile when nameless columns may not stand in the order of their usual names.

    They do if a rule says so, or if gravity shows in the first three axes and not in the others.
    """
    if hint.ruled or not choice.acceleration.table.positional or choice.rotation is None:
        return
    timed = np.isfinite(clock.times)
    shown = [
        guessed_acceleration(sensor.values[timed], clock.times[timed]) is not None
        for sensor in (choice.acceleration, choice.rotation)
    ]
    if shown != [True, False]:
        raise UnclearFile(
            "columns without names, whose order is in doubt",
            subject=subject,
            hint='if they are ax, ay, az, gx, gy, gz, write a rule for it with modality = "imu"',
        )


def gravity_factor(sensor: Sensor, values: Reals, clock: Clock, otherwise: float) -> float:
    """One unit of gravity in m/s^2, ``otherwise`` if nothing tells; ``values`` are at the clock's times."""
    if (known := _stated(sensor, None, ACCELERATION, "gravity")) is not None:
        return known.factor
    timed = np.isfinite(clock.times)
    guessed = guessed_acceleration(values[timed], clock.times[timed])
    return guessed.factor if guessed else otherwise


def rotation_unit(sensor: Sensor, hint: Hint) -> Unit:
    """The unit of a gyroscope."""
    return _stated(sensor, hint.rotation, ROTATION, "rotation") or guessed_rotation(sensor.values)


def _stated(sensor: Sensor, ruled: str | None, units: dict[str, float], quantity: str) -> Unit | None:
    if ruled in units:
        return said(quantity, str(ruled), "a rule")
    if sensor.unit is not None:
        return said(quantity, sensor.unit, "the columns' names")
    if sensor.documented is not None:
        return said(quantity, *sensor.documented)
    return None
