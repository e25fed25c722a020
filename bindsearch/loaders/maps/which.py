"""What a map holds: depth, heat or a grey picture. A rule decides, then the content, then habit.

Numbers alone rarely tell. Four signs in them are used, each only as far as it can be trusted; how often they
are wrong is counted in ``tests/loaders/maps/test_which.py`` on Kinect depth in six units:

* Kelvin x 100 of an everyday scene, nowhere a zero, not in steps of 5 or 8: heat, without any habit.
* Kelvin x 100 or x 10 in a wider range: chooses the unit of what is known to be heat.
* SUN RGB-D's rotated bits (turned back, all lie within 12 m) and TUM's factor 5000 (all in steps of 5):
  choose the packing of what is known to be depth and would end beyond 10 m in millimetres. That 32 values
  fit one of them by the chance of their lowest digits has a probability below 5 ** -31.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from bindsearch.loaders.hints import Hint
from bindsearch.loaders.maps.stored import Numbers, Stored, doubt
from bindsearch.modality import Modality

KELVIN_RANGE = (223.15, 423.15)  # -50 to 150 degrees Celsius, what thermal cameras are made for
_EVERYDAY = (243.15, 373.15)  # -30 to 100
_EVERYDAY_SPREAD = 60.0  # between the coldest and the warmest hundredth
_DECIKELVIN_MEDIAN = (253.15, 323.15)  # -20 to 50: narrower, as 12-bit camera counts lie near

_FEWEST_VALUES = 32
_FARTHEST_INDOORS = 10_000  # millimetres; no indoor sensor sees farther
_SUN_FARTHEST = 12_000
_SUN_STEP, _TUM_STEP, TUM_FACTOR = 8, 5, 5000

_HEAT_CAMERAS = re.compile(
    r"\b(flir|optris|seek|testo|fluke|hikmicro|infiray|workswell|infratec|jenoptik|micro-epsilon|topdon|xenics"
    r"|guide|dji)\b",
    re.IGNORECASE,
)
_DEPTH_CAMERAS = re.compile(r"\b(realsense|kinect|orbbec|stereolabs|primesense|asus xtion)\b", re.IGNORECASE)

RULE_DEPTH = 'modality = "depth", unit = "mm"'
RULE_DEPTH_FLOAT = 'modality = "depth", unit = "m"'
RULE_HEAT = 'modality = "thermal", unit = "centikelvin"'
RULE_HEAT_FLOAT = 'modality = "thermal", unit = "celsius"'


def told(stored: Stored, hint: Hint, path: Path) -> tuple[Modality, str]:
    """The modality of a map of measured values, and a sentence on what told it.

    IMAGE only by a rule. Raises UnsupportedFile when nothing tells, or when habit and content disagree.
    """
    if hint.ruled and hint.modality in (Modality.DEPTH, Modality.THERMAL, Modality.IMAGE):
        return hint.modality, f"{hint.modality} by a rule"
    if stored.said is not None:
        return stored.said, f"{stored.said} by {stored.by}"
    made = _by_camera(stored.facts.camera)
    if made is not None:
        return made, f"{made} by its camera, {stored.facts.camera}"
    everyday = _is_everyday_heat(stored)
    if hint.modality is Modality.DEPTH and everyday:
        raise doubt(path, f"named as depth, but {stored.described()}, as Kelvin x 100", *_rules(stored))
    if hint.modality in (Modality.DEPTH, Modality.THERMAL):
        return hint.modality, f"{hint.modality} by the names of file and folders"
    if everyday:
        return Modality.THERMAL, "thermal by its values, which are everyday temperatures in Kelvin x 100"
    raise doubt(path, f"{stored.described()}: a depth map or heat?", *_rules(stored))


def heat_steps(stored: Stored) -> int | None:
    """How many steps of an integer heat map are one Kelvin, 100 or 10; None where its values are neither."""
    for steps, (low, high) in ((100, KELVIN_RANGE), (10, _DECIKELVIN_MEDIAN)):
        if not stored.known.size:
            break
        inside = (stored.known >= KELVIN_RANGE[0] * steps) & (stored.known <= KELVIN_RANGE[1] * steps)
        if inside.mean() >= 0.99 and low * steps <= np.median(stored.known) <= high * steps:
            return steps
    return None


def packing(stored: Stored) -> str | None:
    """The packing of a depth map of 16 bits that its numbers betray: sunrgbd, tum or none."""
    if not stored.of_16_bits or not stored.known.size:
        return None
    if (stored.known > _FARTHEST_INDOORS).mean() < 0.01:
        return None
    values = np.unique(stored.known).astype(np.int64)
    if len(values) < _FEWEST_VALUES:
        return None
    if (unrotated(values) <= _SUN_FARTHEST).all():
        return "sunrgbd"
    if np.gcd.reduce(values) == _TUM_STEP and values[-1] <= 10 * TUM_FACTOR:
        return "tum"
    return None


def unrotated(values: Numbers) -> Numbers:
    """SUN RGB-D's 16-bit values as millimetres: the bits rotated right by three, as its toolbox does."""
    bits = values.astype(np.uint16)
    return (bits >> 3) | (bits << 13)


def _by_camera(camera: str | None) -> Modality | None:
    if camera and _HEAT_CAMERAS.search(camera):
        return Modality.THERMAL
    return Modality.DEPTH if camera and _DEPTH_CAMERAS.search(camera) else None


def is_heat_camera(camera: str | None) -> bool:
    """Whether a camera of this name sees heat in whatever it stores as grey."""
    return _by_camera(camera) is Modality.THERMAL


def _is_everyday_heat(stored: Stored) -> bool:
    sample = stored.sample
    if not stored.of_16_bits:
        return False
    low, high = (degree * 100 for degree in _EVERYDAY)
    if sample.min() < low or sample.max() > high:
        return False
    cold, warm = np.percentile(sample, (1, 99))
    values = np.unique(sample).astype(np.int64)
    step = int(np.gcd.reduce(values))
    stepped = step % _SUN_STEP == 0 or step % _TUM_STEP == 0
    return bool(warm - cold <= _EVERYDAY_SPREAD * 100 and len(values) >= _FEWEST_VALUES and not stepped)


def _rules(stored: Stored) -> tuple[str, str]:
    return (RULE_DEPTH, RULE_HEAT) if stored.whole else (RULE_DEPTH_FLOAT, RULE_HEAT_FLOAT)
