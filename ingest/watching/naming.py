"""What a name implies: which changes concern a walk at all, and which files besides the changed one.

A file of rules or of ignore patterns concerns the folder that it lies in, with all below. Other hidden names
and clutter concern nothing, as the walk leaves them out. A caption, an XMP file, a table of a sensor belongs
to another file, which is to be looked at again when it changes, and the other way round: what was a text of
its own becomes a caption when a photo of that name arrives. ``kin`` errs on the side of too many, since a
look at an unchanged file costs one stat.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from bindsearch.ingest.walk import CLUTTER, CLUTTER_PREFIX, IGNORE_FILE
from bindsearch.loaders.rules import RULES_FILE

CAMERA_FILES = frozenset({"intrinsics.txt", "intrinsics.json", "camera_intrinsics.json", "camera_info.json"})

_SIDES = (".txt", ".caption", ".xmp", ".json")
_TABLES = (".csv", ".tsv")
_SENSOR = re.compile(r"acc|gyr|gravity", re.IGNORECASE)
_SECOND = re.compile(r"\(\d+\)|-edited")
_SHORTEST_CUT = 39  # characters that every program keeps of a name that it cuts short


def is_left_out(name: str) -> bool:
    """Whether a walk leaves out what has this name, and all inside it."""
    return name.startswith((".", CLUTTER_PREFIX)) or name.lower() in CLUTTER


def concerned(path: str, root: str) -> str | None:
    """What is to be looked at when ``path``, at or below ``root``, changes; None for nothing."""
    if path == root:
        return path
    names = path[len(root.rstrip(os.sep)) + 1 :].split(os.sep)  # noqa: PTH206 - of a path that is a string
    if names[-1] in (RULES_FILE, IGNORE_FILE):
        path = os.path.dirname(path)  # noqa: PTH120
        names.pop()
    return None if any(map(is_left_out, names)) else path


def has_kin(name: str) -> bool:
    """Whether other files could belong to one of this name, or it to them; folders have dots seldom."""
    return "." in name.lstrip(".")


def kin(name: str, names: Iterable[str]) -> set[str]:
    """Those of ``names``, of one folder, that may belong to ``name`` or have it belong to them."""
    lower = name.lower()
    if lower.endswith(_TABLES) and _SENSOR.search(lower):
        return {other for other in names if other.lower().endswith(_TABLES) and _SENSOR.search(other)}
    family = _family(lower)
    is_side = lower.endswith(_SIDES)
    return {
        other
        for other in names
        if (is_side or other.lower().endswith(_SIDES))
        and (_family(other.lower()) == family or other.lower() in CAMERA_FILES)
    } - {name}


def _family(lower: str) -> str:
    """What the names of a photo and of all that is said of it have in common."""
    return _SECOND.sub("", lower.split(".", 1)[0])[:_SHORTEST_CUT]
