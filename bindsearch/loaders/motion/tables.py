"""Tables of a motion log: columns of numbers under the log's own names, wherever they were read from.

Only columns that mean something are kept. A cell that is no number is NaN; a date or a time of day becomes
seconds. A table is as large as its columns, 8 bytes a cell.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

import numpy as np

from bindsearch.loaders.hints import Hint
from bindsearch.loaders.motion.columns import Meaning, Quantity, meaning, plain_name
from bindsearch.loaders.motion.units import Reals

STANDARD_NAMES = ("t", "ax", "ay", "az", "gx", "gy", "gz")
MAX_COLUMNS = 2_000
_LONGEST_DATE = 64  # characters
LARGEST = 1e30  # nanoseconds since 1970 are 1.8e18

_DATE = re.compile(
    r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+|[-_])(\d{1,2})[:.\-](\d{2})(?:[:.\-](\d{2}))?"
    r"(?:[.,:_](\d{1,9}))?\s*(Z|(?:UTC|GMT)?\s*(?:[+-]\d{2}:?\d{2})?)\s*",
    re.ASCII | re.IGNORECASE,
)
_TIME_OF_DAY = re.compile(r"\s*(\d{1,2}):(\d{2}):(\d{2})(?:[.,:](\d{1,9}))?\s*", re.ASCII)


class Style(Enum):
    """What the cells of a column were: numbers, or dates and times as text."""

    NUMBER = "number"
    DATE = "date with its zone"
    LOCAL_DATE = "date"
    TIME_OF_DAY = "time of day"


@dataclass(slots=True)
class Table:
    """Columns of equal length (n,), float64, by their names in the log; ``name`` is the file's or sensor's.

    Dates are seconds since 1970 UTC; those without a zone as if they were UTC. ``meanings`` has the same
    keys. ``rate`` is readings a second, if the log says so. ``positional`` means that the names are guesses
    from the order of columns.
    """

    name: str
    columns: dict[str, Reals]
    meanings: dict[str, Meaning]
    styles: dict[str, Style] = field(default_factory=dict)
    rate: float | None = None
    positional: bool = False

    @property
    def has_sensors(self) -> bool:
        """Whether any column is more than a time."""
        return any(sense.quantity is not Quantity.TIME for sense in self.meanings.values())


@dataclass(frozen=True, slots=True)
class Scheme:
    """How names become meanings: by the columns of a rule first, then by themselves."""

    ruled: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, hint: Hint) -> Scheme:
        """The scheme of a hint."""
        return cls(hint.columns)

    def meaning(self, name: str, table: str) -> Meaning | None:
        """A column's meaning. Of time, acceleration, rotation, a rule that names one axis names them all."""
        found = meaning(name, table)
        if not self.ruled:
            return found
        for standard, own in self.ruled:
            if own == name or (plain_name(own) and plain_name(own) == plain_name(name)):
                return _ruled_meaning(standard, found)
        taken = {_kind(_ruled_meaning(standard, None)) for standard, _ in self.ruled}
        return None if found is None or _kind(found) in taken else found

    def chosen(self, names: Sequence[str], table: str) -> dict[int, Meaning]:
        """The columns that mean something, by their place; of equal names the first."""
        seen: set[str] = set()
        found: dict[int, Meaning] = {}
        for place, name in enumerate(names[:MAX_COLUMNS]):
            if name not in seen and (sense := self.meaning(name, table)):
                found[place] = sense
            seen.add(name)
        return found

    @property
    def numbered(self) -> bool:
        """Whether the rule names columns by their number, from 1."""
        return bool(self.ruled) and all(own.isdecimal() for _, own in self.ruled)


def _ruled_meaning(standard: str, own: Meaning | None) -> Meaning:
    if standard == "t":
        is_time = own is not None and own.quantity is Quantity.TIME
        return Meaning(Quantity.TIME, "", own.unit if own and is_time else None, "rule")
    quantity = Quantity.ACCELERATION if standard.startswith("a") else Quantity.ROTATION
    unit = own.unit if own and _kind(own) == quantity.value else None
    return Meaning(quantity, standard[1], unit, "rule")


def _kind(sense: Meaning) -> str:
    linear = sense.quantity in (Quantity.LINEAR, Quantity.GRAVITY)
    return Quantity.ACCELERATION.value if linear else sense.quantity.value


class Cells:
    """A column while it is read; ``times`` says that its cells may be dates."""

    __slots__ = ("style", "times", "values")

    def __init__(self, times: bool) -> None:
        self.times = times
        self.style = Style.NUMBER
        self.values = array("d")

    def extend(self, cells: Iterable[str]) -> None:
        """Add cells of text."""
        cells = list(cells)
        try:
            self.values.extend(list(map(float, cells)))
        except ValueError:
            for cell in cells:
                self.add(cell)

    def add(self, cell: object) -> None:
        """Add a cell of any type."""
        self.values.append(self._number(cell))

    def fill(self, length: int) -> None:
        """Lengthen the column with missing cells to ``length``."""
        if (missing := length - len(self.values)) > 0:
            self.values.extend([np.nan] * missing)

    def array(self) -> Reals:
        """The column, without what no sensor reads."""
        return sane(np.array(self.values, np.float64))

    def _number(self, cell: object) -> float:
        if isinstance(cell, (int, float)):
            return float(cell) if abs(cell) < 1e300 else np.nan
        if not isinstance(cell, str):
            return np.nan
        try:
            return float(cell)
        except ValueError:
            pass
        try:
            return float(cell.strip().replace(",", ".", 1))
        except ValueError:
            return self._moment(cell) if self.times else np.nan

    def _moment(self, cell: str) -> float:
        if len(cell) > _LONGEST_DATE:
            return np.nan
        if (found := date(cell)) is not None:
            seconds, has_zone = found
            self.style = Style.DATE if has_zone else Style.LOCAL_DATE
            return seconds
        if match := _TIME_OF_DAY.fullmatch(cell):
            self.style = Style.TIME_OF_DAY
            hours, minutes, seconds = (int(part) for part in match.groups()[:3])
            return hours * 3600 + minutes * 60 + seconds + float(f"0.{match[4] or 0}")
        return np.nan


def sane(values: Reals) -> Reals:
    """``values`` with NaN for infinite ones and those too large to be worked with."""
    kept: Reals = np.where(np.abs(values) < LARGEST, values, np.nan)
    return kept


def date(text: str) -> tuple[float, bool] | None:
    """Seconds since 1970 of a date and time, and whether it has a zone; without one it is read as UTC."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(part) for part in match.groups()[:5])
    try:
        moment = datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=_zone(match[8]))
        return moment.timestamp() + float(f"0.{match[7] or 0}"), bool(match[8])
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> timezone:
    digits = re.sub(r"\D", "", text)
    if not digits:
        return UTC
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if "-" in text else shift)


def local_to_utc(seconds: float) -> float:
    """A date that was read as UTC, read as the local time of this machine instead."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).timestamp()
    except (ValueError, OverflowError, OSError):
        return seconds
