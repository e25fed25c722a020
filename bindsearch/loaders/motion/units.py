"""Units of motion logs: how they are spelt, what they are worth, and when they may be taken from the numbers.

A unit is, in this order, what a rule says, what the log itself says, or what the numbers leave no doubt
about. A log in which gravity was measured has a median acceleration near 1 g, most of which points one way
for seconds on end; the same holds in m/s^2 and in thousandths of g, and these three never come near each
other. Without gravity there is no such mark, so the unit has to be said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STANDARD_GRAVITY = 9.80665  # m/s^2, by definition (3rd General Conference on Weights and Measures, 1901)

ACCELERATION = {"m/s^2": 1.0, "g": STANDARD_GRAVITY, "mg": STANDARD_GRAVITY / 1000}
ROTATION = {"rad/s": 1.0, "deg/s": float(np.pi) / 180}
TIME = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

# Of 4,900 windows of waists, wrists and thighs, walking, falling and throwing, all have their median in here.
MEDIAN_OF_GRAVITY = (0.7, 1.5)  # times g
LEAST_PULL = 0.5  # of the median: how much of the acceleration points one way
PULL_SECONDS = 2.0

FASTEST_TURN = 40.0  # rad/s; common sensors end at 2000 deg/s = 34.9 rad/s

_SPELLINGS = {
    "m/s^2": "m/s2 m/s/s ms2 ms-2 mps2 mpss mpersec2 m/sec2 m/secs2 meterpersecondsquared m/s\ufffd "
    "metrespersecondsquared meterspersecondsquared",
    "g": "g gs gforce standardgravity gn",
    "mg": "mg millig",
    "rad/s": "rad/s rads rads-1 radps rad/sec radians/s radian/s radianspersecond radians/second",
    "deg/s": "deg/s degs degs-1 degps dps deg/sec degrees/s degree/s degreespersecond degrees/second °/s º/s "
    "\ufffd/s °/sec",
    "s": "s sec secs second seconds",
    "ms": "ms msec msecs millis millisecond milliseconds",
    "us": "us usec usecs µs μs micros microsecond microseconds",
    "ns": "ns nsec nsecs nanos nanosecond nanoseconds",
}
_UNITS = {spelling: unit for unit, text in _SPELLINGS.items() for spelling in text.split()}
_NO_SIGN = re.compile(r"[\s*·⋅^_]|[âÂ](?=[²°])")
_HIGH = str.maketrans({"²": "2", "⁻": "-", "¹": "1"})

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is known: what one of it is in m/s^2, rad/s or s, and the sentence that says how."""

    name: str
    factor: float
    note: str


def spelt(text: str) -> str | None:
    """The standard name of the unit that ``text`` spells, as "m/s^2" for "m s⁻²"."""
    plain = _NO_SIGN.sub("", text).translate(_HIGH).lower()
    return _UNITS.get(plain)


def said(quantity: str, name: str, by: str) -> Unit:
    """The unit ``name`` of a quantity (acceleration, rotation), known from ``by``."""
    factor = {**ACCELERATION, **ROTATION}[name]
    return Unit(name, factor, f"{quantity} in {name}, by {by}")


def guessed_acceleration(values: Reals, times: Reals) -> Unit | None:
    """The unit of ``values`` (n, 3) at ``times`` (s), if gravity shows in them; else None."""
    size = np.linalg.norm(values, axis=1)
    known = np.isfinite(size)
    if not known.any():
        return None
    middle = float(np.median(size[known]))
    if pull(values[known], times[known]) < LEAST_PULL * middle:
        return None
    low, high = MEDIAN_OF_GRAVITY
    for name, factor in ACCELERATION.items():
        if low <= middle * factor / STANDARD_GRAVITY <= high:
            return Unit(name, factor, f"acceleration in {name}, as its median of {middle:.4g} shows gravity")
    return None


def pull(values: Reals, times: Reals) -> float:
    """The size of what points one way: the median over parts of 2 s of the length of the mean of (n, 3)."""
    part = ((times - times[0]) // PULL_SECONDS).astype(np.int64)
    starts = np.flatnonzero(np.diff(part, prepend=part[0] - 1))
    counts = np.diff(starts, append=len(part))
    means = np.add.reduceat(values, starts, axis=0) / counts[:, None]
    return float(np.median(np.linalg.norm(means, axis=1)))


def shows_gravity(values: Reals, times: Reals) -> bool:
    """Whether accelerations in m/s^2 have gravity in them."""
    unit = guessed_acceleration(values, times)
    return unit is not None and unit.name == "m/s^2"


def guessed_rotation(values: Reals) -> Unit:
    """The unit of rotations (n, 3): rad/s, unless no telephone turns that fast."""
    sizes = np.abs(values[np.isfinite(values)])
    fast = float(np.percentile(sizes, 99.9)) if len(sizes) else 0.0
    if fast > FASTEST_TURN:
        note = f"rotation in deg/s, as {fast:.4g} rad/s is faster than sensors can tell"
        return Unit("deg/s", ROTATION["deg/s"], note)
    return Unit("rad/s", 1.0, "rotation in rad/s, as nothing says otherwise")
