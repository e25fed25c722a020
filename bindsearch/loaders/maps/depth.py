"""Stored numbers to metres: scale, unit or packing by rule, else what the numbers and their kind tell.

* Integers are millimetres, as depth cameras, NYU, ScanNet and most data sets write them, unless their
  numbers betray SUN RGB-D's or TUM's packing. 0 is a hole, and so is 65535 where it stands alone on top.
* Floats are metres. A map with a median beyond 200 m, or that ends at exactly 1, has another unit: it is
  asked about.
* 8-bit levels have no unit: they need a rule.
* Holes are NaN: zero, below zero, infinite, not a number, or beyond 10 km (what renderers write for the sky).

SUN RGB-D's distances are cut at 8 m, as its own toolbox and the recipe that reaches ImageBind's published
figures do (facebookresearch/ImageBind, issue 134). Disparity d (pixels) becomes focal_length * baseline / d.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bindsearch.errors import DamagedFile, MediaError
from bindsearch.loaders.base import LoadOptions
from bindsearch.loaders.files import read_head
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.maps.stored import Numbers, Stored, doubt, factor_for, reduced_by_median
from bindsearch.loaders.maps.which import RULE_DEPTH, TUM_FACTOR, packing, unrotated
from bindsearch.media import DepthMap, Floats

SMALLEST_SIDE = 480  # a map of a sensor's usual size stays whole: its disparities are in its own pixels
_SUN_FARTHEST = 8.0  # metres
_FARTHEST = 10_000.0
_IMPLAUSIBLE = 200.0
_UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_INTRINSICS_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Sensor:
    """What is known of a depth camera: focal length in pixels of the stored map, baseline in metres."""

    focal_length: float | None = None
    baseline: float | None = None


def depth_map(stored: Stored, hint: Hint, path: Path, options: LoadOptions) -> tuple[DepthMap, str]:
    """The map in metres and a sentence on its unit.

    It comes smaller where ``options.picture_side`` allows it, by a whole factor and never below 480 points
    on the shorter side; ``focal_length`` is then that of the smaller map. Raises UnsupportedFile when the
    unit is in doubt and DamagedFile when there is nothing but holes.
    """
    sensor = _sensor(hint, stored.facts.width)
    with np.errstate(all="ignore"):
        metres, note = _metres(stored, hint, sensor, path)
        metres = np.where((metres > 0) & (metres <= _FARTHEST), metres, np.float32(np.nan))
    if not np.isfinite(metres).any():
        raise DamagedFile("no depth in it", subject=os.fspath(path))
    side = max(options.picture_side, SMALLEST_SIDE) if options.picture_side else None
    factor = factor_for(metres.shape, side)
    metres = np.ascontiguousarray(reduced_by_median(metres, factor))
    focal_length = sensor.focal_length / factor if sensor.focal_length else None
    return DepthMap(metres, focal_length, sensor.baseline), note


def _metres(stored: Stored, hint: Hint, sensor: Sensor, path: Path) -> tuple[Floats, str]:
    known = _without_holes(stored)
    if hint.unit == "disparity":
        return _from_disparity(_scaled(known, hint), sensor, path)
    if hint.scale is not None or hint.offset is not None:
        return _scaled(known, hint), f"one step is {_scale(hint):g} m, as the rule says"
    if hint.layout is not None:
        return _unpacked(stored.values, known, hint.layout), f"packed as {hint.layout}, as the rule says"
    if hint.unit is not None:
        return known * np.float32(_UNITS[hint.unit]), f"in {hint.unit}, as the rule says"
    if stored.whole:
        return _from_integers(stored, known, path)
    return _from_floats(stored, known, path)


def _without_holes(stored: Stored) -> Floats:
    """The stored numbers as floats, NaN where an integer says that nothing was measured."""
    values = stored.values
    numbers = values.astype(np.float32)
    if stored.whole:
        numbers[values == 0] = np.nan
        if stored.of_16_bits and _stands_alone_on_top(values):
            numbers[values == 65535] = np.nan
    return numbers


def _stands_alone_on_top(values: Numbers) -> bool:
    """Whether 65535 occurs with nothing in the tenth of the range below it."""
    top = values == 65535
    return bool(top.any() and not ((values > 58_981) & ~top).any())


def _scale(hint: Hint) -> float:
    return 1.0 if hint.scale is None else hint.scale


def _scaled(numbers: Floats, hint: Hint) -> Floats:
    return numbers * np.float32(_scale(hint)) + np.float32(hint.offset or 0.0)


def _from_disparity(pixels: Floats, sensor: Sensor, path: Path) -> tuple[Floats, str]:
    if sensor.focal_length is None or sensor.baseline is None:
        rule = 'modality = "depth", unit = "disparity", focal_length = 721.5, baseline = 0.54'
        raise doubt(path, "disparity without the camera's focal length and baseline", rule)
    reach = sensor.focal_length * sensor.baseline
    pixels = np.where(pixels > 0, pixels, np.float32(np.nan))
    return np.float32(reach) / pixels, f"disparity in pixels, {reach:g} / disparity metres"


def _unpacked(values: Numbers, known: Floats, layout: str) -> Floats:
    if layout == "tum":
        return known / np.float32(TUM_FACTOR)
    metres = unrotated(values).astype(np.float32) / np.float32(1000)
    return np.where(np.isnan(known), known, metres.clip(max=_SUN_FARTHEST))


def _from_integers(stored: Stored, known: Floats, path: Path) -> tuple[Floats, str]:
    if stored.grey8:
        rule = 'modality = "depth", scale = 0.039'
        raise doubt(path, "an 8-bit depth map, whose levels are in no unit", rule)
    packed = packing(stored)
    if packed is not None:
        return _unpacked(stored.values, known, packed), f"packed as {packed}, by the steps of its values"
    return known * np.float32(_UNITS["mm"]), "in mm, as 16-bit depth maps usually are"


def _from_floats(stored: Stored, known: Floats, path: Path) -> tuple[Floats, str]:
    seen = stored.known[stored.known <= _FARTHEST]
    if seen.size and (median := float(np.median(seen))) > _IMPLAUSIBLE:
        raise doubt(path, f"a depth map of floats with the median {median:,.0f}: in mm?", RULE_DEPTH)
    if seen.size and seen.max() == 1.0 and stored.sample.min() >= 0:
        rule = 'modality = "depth", scale = 10'
        raise doubt(path, "a depth map that ends at 1: metres, or parts of a range?", rule)
    return known, "in m, as depth maps of floats usually are"


def _sensor(hint: Hint, width: int | None) -> Sensor:
    """The depth camera by rule, else by the file of intrinsics beside the map."""
    neighbour = hint.neighbour("intrinsics")
    beside = _read_intrinsics(Path(neighbour.path), width) if neighbour else Sensor()
    return Sensor(hint.focal_length or beside.focal_length, hint.baseline or beside.baseline)


def _read_intrinsics(path: Path, width: int | None) -> Sensor:
    """The sensor in a file of intrinsics; what cannot be understood in it is left out."""
    try:
        text = read_head(path, _INTRINSICS_BYTES).decode("utf-8", "replace")
    except MediaError:
        return Sensor()
    if text.lstrip().startswith(("{", "[")):
        return _from_json(text, width)
    numbers = re.split(r"[\s,;]+", text.strip())
    if len(numbers) not in (9, 12, 16):  # a matrix of 3 x 3, 3 x 4 or 4 x 4, row by row
        return Sensor()
    return Sensor(_positive(numbers[0], 1e5))


def _from_json(text: str, width: int | None) -> Sensor:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return Sensor()
    for key in ("depth", "depth_intrinsics", "intrinsics"):
        if isinstance(table, dict) and isinstance(table.get(key), dict):
            table = {**table, **table[key]}
    if not isinstance(table, dict):
        return Sensor(_first(table))
    names = ("fx", "focal_length", "K", "k", "camera_matrix", "intrinsic_matrix", "cam_K")
    focal_length = next((found for name in names if (found := _first(table.get(name)))), None)
    its_width = _positive(table.get("width"), 1e6)
    if focal_length and its_width and width:
        focal_length *= width / its_width
    return Sensor(focal_length, _positive(table.get("baseline"), 10.0))


def _first(value: Any) -> float | None:
    """The number, or the first one of a matrix in rows."""
    while isinstance(value, list) and value:
        value = value[0]
    return _positive(value, 1e5)


def _positive(value: Any, most: float) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and 0 < number <= most else None
