"""The modalities: the kinds of segment that can be embedded and found."""

from __future__ import annotations

from enum import StrEnum


class Modality(StrEnum):
    """What a segment is. ImageBind's vision tower serves both ``IMAGE`` and ``VIDEO``.

    ``SENSOR`` is readings of any other sensor, that somebody has bound to a space.
    """

    IMAGE = "image"
    VIDEO = "video"
    TEXT = "text"
    AUDIO = "audio"
    DEPTH = "depth"
    THERMAL = "thermal"
    IMU = "imu"
    SENSOR = "sensor"
