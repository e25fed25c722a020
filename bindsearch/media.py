"""Media: decoded segments in physical terms, the one language that loaders and encoders share.

A loader makes them and knows nothing of any model; an encoder takes them and never opens a file.
Arrays are C-contiguous and are never written to after they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bindsearch.modality import Modality

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A whole still picture: ``pixels`` is (height, width, 3), sRGB, upright."""

    modality: ClassVar[Modality] = Modality.IMAGE
    pixels: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A span of a film.

    ``frames`` is (frames, height, width, 3), sRGB, upright, in time order; ``start`` and ``end`` are
    seconds from the film's beginning.
    """

    modality: ClassVar[Modality] = Modality.VIDEO
    frames: Pixels
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of text; ``first_line`` and ``last_line`` count from 1, both included."""

    modality: ClassVar[Modality] = Modality.TEXT
    text: str
    first_line: int | None = None
    last_line: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A span of a recording, all channels mixed into one.

    ``samples`` is (samples,), float32, full scale from -1 to 1; ``rate`` is samples a second; ``start`` and
    ``end`` are seconds from the recording's beginning.
    """

    modality: ClassVar[Modality] = Modality.AUDIO
    samples: Floats
    rate: int
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """Distances from a camera: ``metres`` is (height, width), float32, upright, NaN where unknown.

    ``focal_length`` in pixels of this map and ``baseline`` in metres are the sensor's, where they are known.
    """

    modality: ClassVar[Modality] = Modality.DEPTH
    metres: Floats
    focal_length: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """A thermal picture: ``heat`` is (height, width), float32, upright, warm is large.

    It is in degrees Celsius when ``celsius`` is true, else a camera's own grey levels from 0 to 1.
    """

    modality: ClassVar[Modality] = Modality.THERMAL
    heat: Floats
    celsius: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MotionLog:
    """A span of an inertial sensor's log.

    ``times`` is (n,), float64, seconds from the log's beginning, rising; ``acceleration`` is (n, 3) in m/s^2
    and ``rotation`` (n, 3) in rad/s, x y z, float32, NaN where a reading is missing. A gap in the log is a
    gap between two times. ``start`` and ``end`` are seconds from the log's beginning.
    """

    modality: ClassVar[Modality] = Modality.IMU
    times: NDArray[np.float64]
    acceleration: Floats
    rotation: Floats
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """A span of the log of any other sensor.

    ``times`` is (n,), float64, seconds from the log's beginning, rising; ``values`` is (n, channels),
    float32, NaN where a reading is missing. ``start`` and ``end`` are seconds from the log's beginning. A log
    without a clock has the numbers of its readings for ``times``, and None for ``start`` and ``end``.
    ``channels`` are the channels' names, none where they have none.
    """

    modality: ClassVar[Modality] = Modality.SENSOR
    times: NDArray[np.float64]
    values: Floats
    start: float | None = None
    end: float | None = None
    channels: tuple[str, ...] = ()


Media = Picture | Clip | Passage | Sound | DepthMap | HeatMap | MotionLog | Readings
