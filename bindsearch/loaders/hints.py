"""What a file's place says of it beside its bytes: a rule of the user, a habit of names, its neighbours.

Two files with the same bytes may have to be read differently (a grey picture in a folder named ``depth``),
so a hint is part of what a content is: its ``key`` is kept with every location, and a file whose hint has
changed is read again although its bytes have not. Most files have the empty hint, whose key is "".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A file beside another that is read together with it, as a caption or the other half of a sensor log.

    ``role`` is one of caption, xmp, json, intrinsics, acceleration, gyroscope, gravity; ``path``
    is absolute. ``size`` (bytes) and ``mtime_ns`` tell whether it has changed.
    """

    role: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Hint:
    """How to read a file, as far as its place tells; None everywhere is the empty hint.

    ``modality`` is what the file is said to hold. Where ``ruled`` is true a rule of the user says so, which
    outranks the content; else a habit of names says so, which only decides what the content leaves open. The
    rest comes from rules alone:

    * ``unit`` of a map's values: m, cm, mm, disparity (pixels) for depth; celsius, kelvin, fahrenheit,
      centikelvin, decikelvin, grey for heat. ``scale`` and ``offset`` instead turn a stored value into metres
      or degrees Celsius: value * scale + offset. ``layout`` names a way of packing, such as sunrgbd or tum.
    * ``focal_length`` in pixels of the map as stored, ``baseline`` in metres: the depth sensor's.
    * ``acceleration`` (g, m/s^2, mg) and ``rotation`` (rad/s, deg/s) are the units of a motion log, ``time``
      (s, ms, us, ns) that of its clock; ``rate`` (readings a second) takes the place of a clock that is
      missing. ``columns`` pairs the standard names (t, ax, ay, az, gx, gy, gz) with the log's own.
    * Of another sensor's log ``time`` and ``rate`` say the same; ``columns`` pairs t, and "channel" as often
      as there are channels, in their order, with the log's own names; ``window`` is how many seconds are
      embedded together.
    """

    modality: Modality | None = None
    ruled: bool = False
    unit: str | None = None
    scale: float | None = None
    offset: float | None = None
    layout: str | None = None
    focal_length: float | None = None
    baseline: float | None = None
    acceleration: str | None = None
    rotation: str | None = None
    time: str | None = None
    rate: float | None = None
    window: float | None = None
    columns: tuple[tuple[str, str], ...] = ()
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def key(self) -> str:
        """A text, equal for equal hints; a neighbour counts by its role, size and time, not its name."""
        said: dict[str, Any] = {name: value for name in _FIELDS if (value := getattr(self, name))}
        if self.neighbours:
            said["neighbours"] = [[n.role, n.size, n.mtime_ns] for n in self.neighbours]
        return json.dumps(said, sort_keys=True, separators=(",", ":")) if said else ""

    def wishes(self, modality: Modality) -> bool:
        """Whether a rule says that the file holds ``modality``."""
        return self.ruled and self.modality is modality

    def neighbour(self, role: str) -> Neighbour | None:
        """The neighbour of that role."""
        return next((one for one in self.neighbours if one.role == role), None)


_FIELDS = tuple(field.name for field in fields(Hint))
NO_HINT = Hint()
RULE_FIELDS = tuple(name for name in _FIELDS if name not in ("ruled", "neighbours"))
