"""Stored numbers to degrees Celsius, or to grey levels from 0 to 1 where their unit is not known.

* Integers are Kelvin x 100 or x 10 where nearly all of them then are temperatures that thermal cameras
  measure (-50 to 150 degrees Celsius); else they are a camera's own counts, of which only the order is kept.
* Floats with a median from 220 to 420 are Kelvin, with one from -40 to 150 Celsius; all within 0 and 1: grey
  levels; anything else is asked about.
* 8-bit levels are grey, unless a rule gives a scale.
* Unknown (NaN) is what is not finite, an integer 0 in Kelvin, below absolute zero, or above 5000 degrees.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bindsearch.errors import DamagedFile
from bindsearch.loaders.base import LoadOptions
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.maps.stored import Stored, doubt, factor_for, reduced_by_mean
from bindsearch.loaders.maps.which import RULE_HEAT_FLOAT, heat_steps
from bindsearch.media import Floats, HeatMap

ABSOLUTE_ZERO = -273.15
_HOTTEST = 5000.0
_KELVIN_MEDIAN = (220.0, 420.0)
_CELSIUS_MEDIAN = (-40.0, 150.0)
_DARK, _BRIGHT = 0.5, 99.5  # percentiles of counts that become black and white

# Unit: degrees Celsius of one step, and of zero.
_UNITS = {
    "celsius": (1.0, 0.0),
    "kelvin": (1.0, ABSOLUTE_ZERO),
    "fahrenheit": (5 / 9, -160 / 9),
    "centikelvin": (0.01, ABSOLUTE_ZERO),
    "decikelvin": (0.1, ABSOLUTE_ZERO),
}
_STEPS = {100: "centikelvin", 10: "decikelvin"}


def heat_map(stored: Stored, hint: Hint, path: Path, options: LoadOptions) -> tuple[HeatMap, str]:
    """The map and a sentence on its unit.

    It comes smaller where ``options.picture_side`` allows it, by a whole factor. Raises UnsupportedFile when
    the unit is in doubt and DamagedFile when there is no reading.
    """
    with np.errstate(all="ignore"):
        unit, note = _unit(stored, hint, path)
        heat = grey_of(stored) if unit is None else _degrees(stored, *unit)
    return finished(heat, unit is not None, path, options), note


def finished(heat: Floats, celsius: bool, path: Path, options: LoadOptions) -> HeatMap:
    """``heat`` as a HeatMap that is no larger than it has to be; DamagedFile if it holds nothing."""
    if not np.isfinite(heat).any():
        raise DamagedFile("no heat in it", subject=os.fspath(path))
    factor = factor_for(heat.shape, options.picture_side)
    return HeatMap(np.ascontiguousarray(reduced_by_mean(heat, factor)), celsius)


def _unit(stored: Stored, hint: Hint, path: Path) -> tuple[tuple[float, float] | None, str]:
    """Degrees of a step and of zero, None for grey levels; and how it is known."""
    if hint.scale is not None or hint.offset is not None:
        scale = 1.0 if hint.scale is None else hint.scale
        return (scale, hint.offset or 0.0), f"one step is {scale:g} degrees Celsius, as the rule says"
    if hint.unit == "grey":
        return None, "relative grey levels, as the rule says"
    if hint.unit is not None:
        return _UNITS[hint.unit], f"in {hint.unit}, as the rule says"
    if stored.grey8:
        return None, "relative: 8-bit grey levels carry no temperatures"
    if stored.whole:
        return _unit_of_integers(stored)
    return _unit_of_floats(stored, path)


def _unit_of_integers(stored: Stored) -> tuple[tuple[float, float] | None, str]:
    steps = heat_steps(stored)
    if steps is None:
        return None, "relative: its values are a camera's counts, in no unit that is known"
    return _UNITS[_STEPS[steps]], f"in Kelvin x {steps}, by the range of its values"


def _unit_of_floats(stored: Stored, path: Path) -> tuple[tuple[float, float] | None, str]:
    sample = stored.sample
    if not sample.size:
        raise DamagedFile("no heat in it", subject=os.fspath(path))
    if sample.min() >= 0 and sample.max() <= 1:
        return None, "relative: floats from 0 to 1"
    median = float(np.median(sample))
    for unit, (low, high) in (("kelvin", _KELVIN_MEDIAN), ("celsius", _CELSIUS_MEDIAN)):
        if low <= median <= high:
            return _UNITS[unit], f"in {unit}, by the median of its values, {median:.1f}"
    question = f"heat in floats with the median {median:,.6g}, which is neither Celsius nor Kelvin"
    raise doubt(path, question, RULE_HEAT_FLOAT, 'modality = "thermal", unit = "grey"')


def _degrees(stored: Stored, scale: float, zero: float) -> Floats:
    degrees = stored.values.astype(np.float64) * scale + zero
    known = (degrees > ABSOLUTE_ZERO) & (degrees <= _HOTTEST)
    return np.where(known, degrees, np.nan).astype(np.float32)


def grey_of(stored: Stored) -> Floats:
    """0 to 1: levels of 8 bits and floats within that range as they are, counts stretched over it."""
    values = stored.values.astype(np.float32)
    if stored.grey8:
        return values / np.float32(255)
    values[~np.isfinite(values)] = np.nan
    if not stored.sample.size or (not stored.whole and stored.sample.min() >= 0 and stored.sample.max() <= 1):
        return values
    dark, bright = np.percentile(stored.sample, (_DARK, _BRIGHT))
    if bright <= dark:
        return np.where(np.isfinite(values), np.float32(0.5), values)
    stretched: Floats = ((values - np.float32(dark)) / np.float32(bright - dark)).clip(0, 1)
    return stretched
