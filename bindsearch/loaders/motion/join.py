"""Putting readings in order, and readings of different clocks together.

Readings are sorted by time; one that repeats another, time and all, is dropped. Readings that share a tick
of a coarse clock are spread evenly until the next tick. A sensor with a clock of its own is brought to
another's by straight lines between its readings, never across more than 0.1 s or three of its usual steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bindsearch.errors import UnsupportedFile
from bindsearch.loaders.motion.clock import typical_step
from bindsearch.loaders.motion.units import Reals

LONGEST_BRIDGE = 0.1  # seconds
BRIDGED_STEPS = 3.0

_RARE = 0.1  # of the readings: more steps back than that are disorder, fewer may be a clock that starts again
_INTERLEAVED = 0.6  # how much shorter steps get when two recordings are sorted into one


@dataclass(frozen=True, slots=True)
class Track:
    """Readings (n, axes) at ``times`` (n,), seconds, rising."""

    times: Reals
    values: Reals


def tidy(times: Reals, values: Reals, subject: str) -> Track:
    """Readings in order, without missing times and repetitions.

    Raises UnsupportedFile when the clock starts again, so that several recordings lie over each other.
    """
    known = np.isfinite(times) & np.isfinite(values).any(axis=1)
    times, values = times[known], values[known]
    unsorted_step, steps_back = typical_step(times), int((np.diff(times) < 0).sum())
    if steps_back:
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    repeats = np.zeros(len(times), bool)
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    repeats[1:] = (np.diff(times) == 0) & same.all(axis=1)
    times, values = times[~repeats], values[~repeats]
    if 0 < steps_back < _RARE * len(times) and np.median(np.diff(times)) < _INTERLEAVED * unsorted_step:
        raise UnsupportedFile(
            f"its clock starts again {steps_back} times, so it holds several recordings",
            subject=subject,
            hint="part it into one file for each",
        )
    return Track(_spread(times), values)


def _spread(times: Reals) -> Reals:
    """Sorted times made to rise: those that are equal are spread until the next, or one usual step."""
    ticks, first, counts = np.unique(times, return_index=True, return_counts=True)
    if len(ticks) == len(times):
        return times
    usual = typical_step(ticks) or 1.0
    lengths = np.minimum(np.diff(ticks, append=ticks[-1] + usual), usual)
    places = np.arange(len(times)) - np.repeat(first, counts)
    spread: Reals = np.repeat(ticks, counts) + places * np.repeat(lengths / counts, counts)
    rises = np.diff(spread, prepend=-np.inf) > 0
    return spread if rises.all() else ticks[0] + np.arange(len(times)) * (usual / max(1.0, counts.mean()))


def at(track: Track, times: Reals) -> Reals:
    """The readings of ``track`` at ``times``, NaN where none are near enough on both sides."""
    whole = np.isfinite(track.values).all(axis=1)
    own, values = track.times[whole], track.values[whole]
    if not len(own):
        return np.full((len(times), values.shape[1]), np.nan)
    bridge = max(LONGEST_BRIDGE, BRIDGED_STEPS * typical_step(own))
    after = np.searchsorted(own, times).clip(0, len(own) - 1)
    before = (np.searchsorted(own, times, side="right") - 1).clip(0)
    near = (times >= own[0]) & (times <= own[-1]) & (own[after] - own[before] <= bridge)
    return np.stack([np.where(near, np.interp(times, own, axis), np.nan) for axis in values.T], axis=1)
