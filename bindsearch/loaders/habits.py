"""What the names of a file and of its folders say by habit: ``depth/0001.png``, ``thermal_12.jpg``, ``rgb``.

The name itself and the three folders above it are looked at, the nearest first; the first that tells
anything decides. Only the name of a heat camera (``FLIR1234.jpg``, ``IR_0001.jpg``) gives way to a folder
that says colour (``rgb/road_FLIR_05697.jpg``), since such cameras take photos too. A habit only decides what
the content leaves open: a colour photo in a folder named ``depth`` stays one.
"""

from __future__ import annotations

import re
from functools import lru_cache

from bindsearch.loaders.signatures import PICTURE_SUFFIXES, known_suffix
from bindsearch.modality import Modality

LEVELS = 4  # the name and three folders

_DEPTH = frozenset({"depth", "depths", "depthmap", "depthmaps"})
_HEAT = frozenset({
    "thermal", "thermals", "thermo", "thermogram", "thermograms", "thermography", "infrared", "lwir",
})  # fmt: skip
_HEAT_CAMERAS = frozenset({"flir", "ir"})
_COLOUR = frozenset({"rgb", "color", "colour", "colors", "colours", "visible", "vis"})
_PHOTOS = frozenset({"image", "images", "photo", "photos", "dcim"})
_MAP_SUFFIXES = frozenset({".npy", ".npz", ".pfm", ".exr"})


def habit(parts: tuple[str, ...], suffix: str) -> Modality | None:
    """The modality that ``parts`` (folders from the top down, then the name without its suffix) tell of.

    Only pictures and maps can be one thing or another; None for files of other suffixes.
    """
    if known_suffix(suffix) not in PICTURE_SUFFIXES | _MAP_SUFFIXES:
        return None
    told = [words for part in reversed(parts[-LEVELS:]) if (words := _told(part)) is not None]
    if not told or (told[0] is _HEAT_CAMERAS and _COLOUR in told):
        return None
    return _MODALITIES.get(told[0])


_MODALITIES = {_DEPTH: Modality.DEPTH, _HEAT: Modality.THERMAL, _HEAT_CAMERAS: Modality.THERMAL}


@lru_cache(maxsize=4096)
def _told(name: str) -> frozenset[str] | None:
    """Which of the sets of words a name tells with; one of depth and heat at once tells nothing."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).lower()
    words = set(re.findall(r"[a-z]+", apart))
    told = [known for known in (_DEPTH, _HEAT, _HEAT_CAMERAS, _COLOUR, _PHOTOS) if words & known]
    measured = {_MODALITIES[known] for known in told if known in _MODALITIES}
    return told[0] if told and len(measured) < 2 else None
