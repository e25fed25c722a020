"""What indexing would make of one file, told without a library: how it is recognised, and what is in it.

Nothing is encoded and nothing is written. Of a long film or recording only the first minute is looked at
unless all is asked for; everything else is read whole, as indexing would.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.loaders import FileFacts, Hint, LoadedFile, LoadOptions, Surroundings, readable_kind
from bindsearch.loaders.habits import LEVELS, habit
from bindsearch.loaders.rules import RULES_FILE, Rules
from bindsearch.loaders.signatures import Family
from bindsearch.media import (
    Clip,
    DepthMap,
    Floats,
    HeatMap,
    Media,
    MotionLog,
    Passage,
    Picture,
    Readings,
    Sound,
)
from bindsearch.modality import Modality

FIRST_SECONDS = 60.0
SPANS_TOLD = 4

Range = tuple[float, float]
Load = Callable[[Path, LoadOptions, Hint], LoadedFile]
See = Callable[[Media], None]
_FLOOR = 1e-10  # mean square of samples; -100 dB, quieter than 16 bits


@dataclass(slots=True)
class Group:
    """All media of one modality in a file.

    ``constants`` is what they share: ``shape``, ``rate`` (Hz), ``unit``, ``focal_length``, ``baseline``,
    ``channels``, how many.
    ``ranges`` are the least and the greatest of: ``characters``; ``metres``, ``holes`` (share of points
    without a value); ``celsius`` or ``relative``; ``level`` and ``peak`` (dB, 0 is full scale);
    ``accelerometer_hz``, ``accelerometer_longest_gap`` (s), those of ``gyroscope`` and of ``sensor``; its
    ``readings``, how many. ``spans`` are the first few's seconds, or lines of a text.
    """

    modality: Modality
    segments: int = 0
    constants: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    spans: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a file. ``complete`` is false where only its first minute was looked at.

    ``origin`` says where its hint comes from.
    """

    path: Path
    facts: FileFacts
    notes: tuple[str, ...]
    hint: Hint
    origin: str | None
    groups: list[Group]
    complete: bool


def inspect(
    path: Path, load: Load, options: LoadOptions, *, whole: bool = False, see: See | None = None
) -> Inspection:
    """Look at the file at ``path`` with ``load``; each of its media is shown to ``see``.

    Raises MediaError as loaders do, SettingsError for a file of rules that cannot be used.
    """
    hint = Surroundings().hint(path)
    complete = whole or readable_kind(path, hint).family not in (Family.FILM, Family.SOUND)
    if not complete:
        loaded = load(path, replace(options, part=(0.0, FIRST_SECONDS)), hint)
        complete = (loaded.facts.duration or np.inf) <= FIRST_SECONDS
    if complete:  # read as indexing would, which also refuses what is wrong with the whole
        loaded = load(path, options, hint)
    groups: dict[Modality, Group] = {}
    for media in loaded.media:
        _count(groups.setdefault(media.modality, Group(media.modality)), media)
        if see is not None:
            see(media)
    found = list(groups.values())
    return Inspection(path, loaded.facts, loaded.notes, hint, origin(path, hint), found, complete)


def origin(path: Path, hint: Hint) -> str | None:
    """Which rule, or which name, makes ``hint`` say what the file holds; None where nothing does."""
    if hint.modality is None:
        return None
    return _ruling(path) if hint.ruled else _naming(path)


def _ruling(path: Path) -> str | None:
    place = Path(os.path.abspath(path))  # noqa: PTH100 - links stay
    for folder in place.parents:
        if (folder / RULES_FILE).is_file():
            rules = Rules.read(folder / RULES_FILE).rules
            matches = (
                n for n, (spec, _) in enumerate(rules, 1) if spec.match_file(place.relative_to(folder))
            )
            number = next(matches, None)
            return None if number is None else f"rule {number} of {folder / RULES_FILE}"
    return None


def _naming(path: Path) -> str | None:
    place = Path(os.path.abspath(path))  # noqa: PTH100
    for name in ((place.stem,), *((part,) for part in reversed(place.parts[-LEVELS:-1]))):
        if habit(name, place.suffix) is not None:
            sort = "name" if name == (place.stem,) else "folder"
            return f"the {sort} {name[0]}"
    return None


def _count(group: Group, media: Media) -> None:
    group.segments += 1
    for name, value in _constants(media).items():
        group.constants.setdefault(name, value)
    for name, (low, high) in _ranges(media).items():
        known = group.ranges.get(name, (low, high))
        group.ranges[name] = min(known[0], low), max(known[1], high)
    span = _span(media)
    if span is not None and len(group.spans) < SPANS_TOLD:
        group.spans.append(span)


def _span(media: Media) -> tuple[float, float] | None:
    if isinstance(media, (Clip, Sound, MotionLog)):
        return round(media.start, 3), round(media.end, 3)
    if isinstance(media, Readings) and media.start is not None and media.end is not None:
        return round(media.start, 3), round(media.end, 3)
    if isinstance(media, Passage) and media.first_line is not None and media.last_line is not None:
        return media.first_line, media.last_line
    return None


def _constants(media: Media) -> dict[str, Any]:
    match media:
        case Picture(pixels):
            return {"shape": list(pixels.shape)}
        case Clip(frames):
            return {"shape": list(frames.shape)}
        case Sound(rate=rate):
            return {"rate": rate}
        case DepthMap(metres, focal_length, baseline):
            sensor = {"focal_length": focal_length, "baseline": baseline}
            return {"shape": list(metres.shape)} | {k: v for k, v in sensor.items() if v is not None}
        case HeatMap(heat, celsius):
            return {"shape": list(heat.shape), "unit": "celsius" if celsius else "relative"}
        case Readings(values=values):
            return {"channels": values.shape[1]}
    return {}


def _ranges(media: Media) -> dict[str, Range]:
    match media:
        case Passage(text):
            return {"characters": (len(text), len(text))}
        case Sound(samples):
            return _levels(samples)
        case DepthMap(metres):
            return _values("metres", metres) | {"holes": _twice(1 - np.isfinite(metres).mean())}
        case HeatMap(heat, celsius):
            return _values("celsius" if celsius else "relative", heat)
        case MotionLog(times, acceleration, rotation):
            return _pace("accelerometer", times, acceleration) | _pace("gyroscope", times, rotation)
        case Readings(times, values, start):
            count = {"readings": _twice(len(times))}
            return count if start is None else count | _pace("sensor", times, values[:, :1] * 0)
    return {}


def _pace(sensor: str, times: NDArray[np.float64], values: Floats) -> dict[str, Range]:
    """The rate of a sensor's readings, and the longest time between two."""
    told = ("hz", _rate(times, values)), ("longest_gap", _longest_gap(times, values))
    return {f"{sensor}_{unit}": _twice(value) for unit, value in told}


def _values(name: str, values: Floats) -> dict[str, Range]:
    known = values[np.isfinite(values)]
    return {name: (float(known.min()), float(known.max()))} if known.size else {}


def _levels(samples: Floats) -> dict[str, Range]:
    """The level (root mean square) and the peak in decibels below full scale."""
    mean = float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
    peak = float(np.abs(samples).max(initial=0.0)) ** 2
    return {
        name: _twice(10 * np.log10(max(power, _FLOOR))) for name, power in (("level", mean), ("peak", peak))
    }


def _rate(times: NDArray[np.float64], values: Floats) -> float:
    """Readings a second by the usual step between them; 0 where there are none."""
    steps = np.diff(times[np.isfinite(values).all(axis=1)])
    usual = float(np.median(steps)) if len(steps) else 0.0
    return 1 / usual if usual > 0 else 0.0


def _longest_gap(times: NDArray[np.float64], values: Floats) -> float:
    """The longest time, in seconds, between two readings."""
    return float(np.diff(times[np.isfinite(values).all(axis=1)]).max(initial=0.0))


def _twice(value: float | np.floating[Any]) -> Range:
    return float(value), float(value)
