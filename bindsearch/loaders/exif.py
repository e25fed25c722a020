"""The few facts that are wanted from EXIF, read without Pillow.

Pillow's reader reports every oddity through ``warnings``, whose filters belong to the whole process and
are not safe to change from threads. Here an oddity in one field costs that field, and the work is bounded:
at most three directories of at most 512 entries, values of at most 64 bytes to 1 KiB.
Source: Exif 2.32 (CIPA DC-008), sections 4.6.2 to 4.6.6; TIFF 6.0, section 2.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from typing import BinaryIO

_MAKE, _MODEL, _ORIENTATION, _DATE_TIME = 0x010F, 0x0110, 0x0112, 0x0132
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_DATE_ORIGINAL, _DATE_DIGITIZED = 0x9003, 0x9004
_OFFSET, _OFFSET_ORIGINAL, _OFFSET_DIGITIZED = 0x9010, 0x9011, 0x9012
_SUBSEC, _SUBSEC_ORIGINAL, _SUBSEC_DIGITIZED = 0x9290, 0x9291, 0x9292
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4

_MAX_ENTRIES = 512
_MAX_VALUE_BYTES = 1024
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 13: 4}
_CODES = {3: "H", 4: "I", 9: "i", 13: "I"}

_Value = str | tuple[float, ...]
_Fields = dict[int, _Value]


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """``orientation`` is 1 to 8; ``taken_at`` seconds since 1970 UTC; the place in degrees."""

    orientation: int = 1
    taken_at: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None


def read_exif(source: bytes | BinaryIO) -> ExifFacts:
    """The facts in an EXIF block or a TIFF file; whatever is missing or damaged is left out."""
    if isinstance(source, bytes):
        source = BytesIO(source.removeprefix(b"Exif\0\0"))
    try:
        return _read(_Directories(source))
    except (struct.error, OSError, ValueError):
        return ExifFacts()


def _read(directories: _Directories) -> ExifFacts:
    main = directories.first()
    details = directories.at(main.get(_EXIF_IFD))
    latitude, longitude = _place(directories.at(main.get(_GPS_IFD)))
    orientation = _whole(main.get(_ORIENTATION))
    return ExifFacts(
        orientation=orientation if orientation in range(1, 9) else 1,
        taken_at=_moment(main, details),
        latitude=latitude,
        longitude=longitude,
        camera=camera_name(_text(main.get(_MAKE)), _text(main.get(_MODEL))),
    )


class _Directories:
    """Reads image file directories of the classic (32-bit) TIFF structure."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        header = self._bytes(0, 8)
        self._order = {b"II": "<", b"MM": ">"}.get(header[:2], "")
        if not self._order or self._unpack("H", header[2:4])[0] != 42:
            raise ValueError("no EXIF header")
        self._first = int(self._unpack("I", header[4:8])[0])

    def first(self) -> _Fields:
        return self._fields(self._first)

    def at(self, pointer: _Value | None) -> _Fields:
        offset = _whole(pointer)
        try:
            return self._fields(offset) if offset else {}
        except (struct.error, OSError, ValueError):
            return {}

    def _fields(self, offset: int) -> _Fields:
        (count,) = self._unpack("H", self._bytes(offset, 2))
        count = min(int(count), _MAX_ENTRIES)
        table = self._bytes(offset + 2, 12 * count, whole=False)
        fields: _Fields = {}
        for at in range(0, len(table) - 11, 12):
            tag, value = self._field(table[at : at + 12])
            if value is not None:
                fields.setdefault(tag, value)
        return fields

    def _field(self, entry: bytes) -> tuple[int, _Value | None]:
        tag, kind, count = self._unpack("HHI", entry[:8])
        size = _SIZES.get(int(kind), 0) * int(count)
        if not 0 < size <= _MAX_VALUE_BYTES:
            return int(tag), None
        try:
            raw = entry[8 : 8 + size] if size <= 4 else self._bytes(self._unpack("I", entry[8:12])[0], size)
            return int(tag), self._value(int(kind), int(count), raw)
        except (struct.error, OSError, ValueError):
            return int(tag), None

    def _value(self, kind: int, count: int, raw: bytes) -> _Value:
        if kind in (2, 7):
            return raw.split(b"\0")[0].decode("utf-8", "replace").strip()
        if kind == 1:
            return tuple(float(byte) for byte in raw)
        if kind in _CODES:
            return self._unpack(f"{count}{_CODES[kind]}", raw)
        pairs = self._unpack(f"{2 * count}{'I' if kind == 5 else 'i'}", raw)
        return tuple(a / b if b else math.nan for a, b in zip(pairs[::2], pairs[1::2], strict=True))

    def _unpack(self, codes: str, raw: bytes) -> tuple[float, ...]:
        return struct.unpack(self._order + codes, raw)

    def _bytes(self, offset: float, size: int, whole: bool = True) -> bytes:
        self._file.seek(int(offset))
        raw = self._file.read(size)
        if whole and len(raw) < size:
            raise ValueError("the value lies outside the file")
        return raw


def _moment(main: _Fields, details: _Fields) -> float | None:
    for fields, date, offset, subsec in (
        (details, _DATE_ORIGINAL, _OFFSET_ORIGINAL, _SUBSEC_ORIGINAL),
        (details, _DATE_DIGITIZED, _OFFSET_DIGITIZED, _SUBSEC_DIGITIZED),
        (main, _DATE_TIME, _OFFSET, _SUBSEC),
    ):
        moment = timestamp(_text(fields.get(date)), _text(details.get(offset)), _text(details.get(subsec)))
        if moment is not None:
            return moment
    return None


def timestamp(date: str, offset: str = "", subsec: str = "") -> float | None:
    """Seconds since 1970 UTC of "2024:05:31 18:20:07" with "+02:00" and "25" (hundredths, by its length).

    Without an offset the camera's clock is read as local time. None when it is no date.
    """
    found = re.match(r"(\d{4})[:\-/.](\d\d)[:\-/.](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?", date)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=_zone(offset)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return moment + (float(f"0.{subsec}") if re.fullmatch(r"[0-9]{1,9}", subsec) else 0.0)


def _zone(offset: str) -> timezone | None:
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", offset)
    if not found:
        return UTC if offset == "Z" else None
    minutes = int(found[2]) * 60 + int(found[3])
    return timezone(timedelta(minutes=minutes if found[1] == "+" else -minutes))


def _place(gps: _Fields) -> tuple[float | None, float | None]:
    latitude = _degrees(gps.get(_LATITUDE), _text(gps.get(_LATITUDE_REF)), "S")
    longitude = _degrees(gps.get(_LONGITUDE), _text(gps.get(_LONGITUDE_REF)), "W")
    return checked_place(latitude, longitude)


def checked_place(latitude: float, longitude: float) -> tuple[float | None, float | None]:
    """The place, or (None, None) for one outside the globe and for the 0, 0 of a receiver without a fix."""
    on_globe = abs(latitude) <= 90 and abs(longitude) <= 180
    return (latitude, longitude) if on_globe and (latitude or longitude) else (None, None)


def _degrees(value: _Value | None, reference: str, negative: str) -> float:
    if not isinstance(value, tuple) or not 1 <= len(value) <= 3 or math.isnan(value[0]):
        return math.nan
    parts: Sequence[float] = [0.0 if math.isnan(part) else part for part in value]
    degrees = math.fsum(part / (1, 60, 3600)[power] for power, part in enumerate(parts))
    return -degrees if reference[:1].upper() == negative else degrees


def camera_name(make: str, model: str) -> str | None:
    """The camera in one phrase: "Canon EOS 5D" rather than "Canon Canon EOS 5D"; None when unnamed."""
    repeated = bool(make) and model.lower().startswith(make.split(maxsplit=1)[0].lower())
    name = model if repeated else f"{make} {model}"
    name = "".join(sign for sign in name if sign.isprintable())
    return " ".join(name.split())[:100] or None


def _text(value: _Value | None) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: _Value | None) -> int:
    return int(value[0]) if isinstance(value, tuple) and value and math.isfinite(value[0]) else 0
