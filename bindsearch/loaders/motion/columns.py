"""What the columns of a motion log mean, from their names: quantity, axis, unit.

Names are compared without case, spaces and signs, so that ``acc_x``, ``AccX`` and ``Acc X (g)`` are one. A
unit stands in brackets, after "in", or at the end behind an underscore. A bare x, y or z is what its unit
says, else what its table is called: ``Gyroscope.csv``, or the sensor of a JSON record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from bindsearch.loaders.motion.units import ACCELERATION, ROTATION, TIME, spelt


class Quantity(Enum):
    """What a column measures; LINEAR is acceleration without gravity."""

    TIME = "time"
    ACCELERATION = "acceleration"
    LINEAR = "linear acceleration"
    GRAVITY = "gravity"
    ROTATION = "rotation"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A column's meaning: ``axis`` is x, y or z, "" for times; ``group`` is what its three axes share."""

    quantity: Quantity
    axis: str
    unit: str | None
    group: str


_STEMS = {
    Quantity.ACCELERATION: """a acc accel accelero accelerometer acceleration accelerations totalacceleration
        accelerationtotal totalacc acctotal gf gforce accwithg accelerationwithg accelerationincludinggravity
        accelerometeracceleration accelerometeruncalibrated uncalibratedaccelerometer accuncalibrated
        accelerometerraw""",
    Quantity.LINEAR: """linearacceleration linearaccelerometer linearaccelerometersensor linearaccel linearacc
        linearaccelerationsensor linacc linaccel lacc useracceleration useraccel useracc accelerationuser
        accelerationlinear accelerationwithoutg accwithoutg bodyacc bodyacceleration""",
    Quantity.GRAVITY: "gravity grav gravityacceleration accelerationgravity gravitysensor",
    Quantity.ROTATION: """g gyr gyro gyros gyroscope w omega angularvelocity angularvel angvel angularrate
        angularspeed rotationrate rotrate rotationspeed gyrorotation gyroscoperotation gyrorotationrate
        gyroscoperotationrate gyroscopeuncalibrated uncalibratedgyroscope gyrouncalibrated gyroscoperaw""",
}
_QUANTITIES = {stem: quantity for quantity, text in _STEMS.items() for stem in text.split()}
_LONG_STEMS = tuple(sorted((stem for stem in _QUANTITIES if len(stem) >= 5), key=len, reverse=True))
_SHORT_STEMS = tuple(stem for stem in _QUANTITIES if 3 <= len(stem) < 5)
_WORD = re.compile(r"[A-Za-z]+")

LONGEST_NAME = 200  # characters; the expressions below are slow on endless ones

_TIME_NAMES: dict[str | None, str] = {
    None: """t time times timestamp timestamps ts sensortime sensortimestamp elapsed elapsedtime timeelapsed
        relativetime timesincestart timefromstart timesinceboot epoch epochtime unixtime unixtimestamp unix
        date datetime dateandtime localtime utctime utc clock systemtime isotime loggingtime recordedat
        recordingtime sampletime timestampsincereboot timestampsince1970 accelerometertimestampsincereboot
        motiontimestampsincereboot yyyymoddhhmisssss""",
    "s": """second seconds sec secs secondselapsed elapsedseconds timesec timesecs timeseconds timeinseconds
        secondssincestart""",
    "ms": "millis millisecond milliseconds timemillis timestampmillis",
    "us": "micros microsecond microseconds timemicros timestampmicros",
    "ns": "nanos nanosecond nanoseconds timenanos timestampnanos",
}
_TIMES = {name: unit for unit, text in _TIME_NAMES.items() for name in text.split()}

_DEVICES = re.compile(
    r"^(?:imu|raw|sensors?|device|phone|watch|smartphone|motion|data|values?|android|ios)\d?(?=..)"
)
_BRACKETS = re.compile(r"[(\[{]([^)\]}]*)[)\]}]")
_IN_UNIT = re.compile(r"\bin\s+([a-zµμ]+)\s*$", re.IGNORECASE)
_END_UNIT = re.compile(
    r"(?<=[A-Za-z0-9])[ _.\-/]+(m[ _./]?s(?:ec)?[ _]?\^?-?[2²]|m/s/s|mps2|rad[ _./]?s(?:ec)?|radps|rads"
    r"|rad_per_s(?:ec)?|deg[ _./]?s(?:ec)?|deg_per_s(?:ec)?|degps|dps|°/s|mg|gs?|s|secs?|seconds|ms|msec"
    r"|millis|milliseconds|us|usec|µs|microseconds|ns|nsec|nanoseconds)\s*$",
    re.IGNORECASE,
)
_WITHOUT_GRAVITY = re.compile(r"without\s*g|excluding\s*g|no\s*gravity", re.IGNORECASE)
_SIGNS = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def meaning(name: str, table: str = "") -> Meaning | None:
    """What the column ``name`` of the table (or sensor) ``table`` means, or None."""
    if len(name) > LONGEST_NAME:
        return None
    text, unit = _without_brackets(name.strip())
    linear = bool(_WITHOUT_GRAVITY.search(name))
    if unit is None and (end := _END_UNIT.search(text)):
        at_end = spelt(end[1].replace("per", "/"))
        if at_end and (found := _meaning(text[: end.start()], at_end, table, linear)):
            return found
    return _meaning(text, unit, table, linear)


def sensor(name: str) -> Quantity | None:
    """What a table or a sensor of this name measures, as ``Gyroscope`` or ``my_accelerometer_2``."""
    plain = _plain(name)
    if plain in _QUANTITIES:
        return _QUANTITIES[plain]
    words = [word.lower() for word in _WORD.findall(name)]
    stem = next((stem for stem in _LONG_STEMS if stem in plain), None)
    stem = stem or next((stem for stem in _SHORT_STEMS if stem in words), None)
    return _QUANTITIES[stem] if stem else None


def is_uncalibrated(group: str) -> bool:
    """Whether a group is a sensor's values before the system has corrected them."""
    return "uncal" in group or "raw" in group


def preference(group: str) -> int:
    """The place of a group's stem among the known ones: of two groups the earlier is the better."""
    return list(_QUANTITIES).index(group) if group in _QUANTITIES else len(_QUANTITIES)


def plain_name(name: str) -> str:
    """``name`` without case, spaces and signs."""
    return _plain(name)


def _plain(text: str) -> str:
    return _SIGNS.sub("", text.lower())


def _without_brackets(name: str) -> tuple[str, str | None]:
    units = [unit for text in _BRACKETS.findall(name) if (unit := spelt(text))]
    text = _BRACKETS.sub(" ", name)
    if not units and (match := _IN_UNIT.search(text)) and (unit := spelt(match[1])):
        return text[: match.start()], unit
    return text, units[0] if units else None


def _meaning(text: str, unit: str | None, table: str, linear: bool) -> Meaning | None:
    plain = _plain(text)
    stripped = _DEVICES.sub("", plain)
    for candidate in (plain, stripped):
        if candidate in _TIMES:
            return _time(candidate, unit)
    for candidate in (plain, stripped):
        if found := _reading(candidate, unit, table, linear):
            return found
    return None


def _time(plain: str, unit: str | None) -> Meaning | None:
    if unit is not None and unit not in TIME:
        return None
    return Meaning(Quantity.TIME, "", unit or _TIMES[plain], plain)


def _reading(plain: str, unit: str | None, table: str, linear: bool) -> Meaning | None:
    for axis, stem in _axes(plain):
        quantity = _QUANTITIES.get(stem) if stem else _bare(unit, table)
        if quantity is None:
            continue
        if linear and quantity is Quantity.ACCELERATION:
            quantity = Quantity.LINEAR
        units = ROTATION if quantity is Quantity.ROTATION else ACCELERATION
        return Meaning(quantity, axis, unit, stem) if unit is None or unit in units else None
    return None


def _axes(plain: str) -> list[tuple[str, str]]:
    """The ways to part a name into an axis and the rest: the axis is its last or its first letter."""
    plain = plain.removesuffix("axis").replace("axis", "", 1) if len(plain) > 4 else plain
    parts = []
    if plain[-1:] in ("x", "y", "z"):
        parts.append((plain[-1], plain[:-1]))
    if plain[:1] in ("x", "y", "z") and len(plain) > 1:
        parts.append((plain[0], plain[1:]))
    return parts


def _bare(unit: str | None, table: str) -> Quantity | None:
    by_name = sensor(table) if table else None
    if unit is None:
        return by_name
    if unit in ROTATION:
        return Quantity.ROTATION
    if unit not in ACCELERATION:
        return None
    return by_name if by_name in (Quantity.LINEAR, Quantity.GRAVITY) else Quantity.ACCELERATION
