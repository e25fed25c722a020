"""Temperatures inside the JPEG pictures of FLIR cameras.

Such a file carries, in APP1 segments that begin with "FLIR", a small container (FFF): a header, a directory
of records, and among them the raw counts of the sensor and the camera's calibration. The container is walked
here, within bounds; what the counts mean in Kelvin (Planck's law with emissivity and the air in between) is
the business of flyr, which the extra ``flir`` installs.
Source of the layout: the tables of ExifTool's FLIR module.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.loaders.maps.stored import Numbers
from bindsearch.loaders.photo import FAULTS, hush_pillow

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SIGNATURE = b"FLIR\0"

_CHUNK_HEADER = 8  # "FLIR", 0, 1, the number of this chunk, the number of the last
_RAW_DATA, _CAMERA_INFO = 1, 32  # kinds of records
_ENTRY = 32  # bytes of one in the directory
_MOST_ENTRIES = 256
_RAW_HEADER = 32
_PNG = b"\x89PNG\r\n\x1a\n"
_PLAUSIBLE = (-150.0, 2500.0)  # degrees Celsius that the median of a picture may have


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    length: int


def is_flir(image: ImageFile) -> bool:
    """Whether an opened JPEG carries FLIR's segments."""
    return bool(_segments(image))


def can_read_flir() -> bool:
    """Whether flyr is installed."""
    return find_spec("flyr") is not None


def celsius(image: ImageFile, max_pixels: int) -> NDArray[np.float64] | None:
    """Degrees Celsius, (height, width) as the sensor lies; None where they cannot be read. Needs flyr."""
    hush_pillow()
    try:
        return _celsius(_container(image), max_pixels)
    except (*FAULTS, zlib.error):
        return None


def _segments(image: ImageFile) -> list[bytes]:
    found = getattr(image, "applist", ())
    return [content for name, content in found if name == "APP1" and content.startswith(SIGNATURE)]


def _container(image: ImageFile) -> bytes:
    """The chunks joined in the order of their numbers."""
    chunks = {content[6]: content[_CHUNK_HEADER:] for content in _segments(image) if len(content) > 8}
    if sorted(chunks) != list(range(len(chunks))):
        raise ValueError("a chunk is missing")
    return b"".join(chunks[number] for number in range(len(chunks)))


def _celsius(container: bytes, max_pixels: int) -> NDArray[np.float64]:
    records = _records(container)
    raw, camera = records[_RAW_DATA], records[_CAMERA_INFO]
    _check_raw(container, raw, max_pixels)
    thermal: Any = import_module("flyr.thermal")
    thermogram: Any = import_module("flyr.thermogram")
    counts: Numbers = thermal.parse_raw_data(BytesIO(container), (0, _RAW_DATA, raw.offset, raw.length))[2]
    information = thermal.parse_camera_info(
        BytesIO(container), (0, _CAMERA_INFO, camera.offset, camera.length)
    )
    with np.errstate(all="ignore"):
        degrees: NDArray[np.float64] = thermogram.FlyrThermogram(counts, information).celsius
    median = float(np.median(degrees[np.isfinite(degrees)])) if np.isfinite(degrees).any() else np.nan
    if not _PLAUSIBLE[0] <= median <= _PLAUSIBLE[1]:
        raise ValueError("no temperatures")
    return degrees


def _records(container: bytes) -> dict[int, _Record]:
    if container[:4] not in (b"FFF\0", b"AFF\0"):
        raise ValueError("no FLIR container")
    # Cameras write either byte order; the version, 100 to 199, tells which.
    order = ">" if 100 <= struct.unpack_from(">I", container, 0x14)[0] < 200 else "<"
    start, count = struct.unpack_from(f"{order}II", container, 0x18)
    records: dict[int, _Record] = {}
    for number in range(min(count, _MOST_ENTRIES)):
        entry = struct.unpack_from(f"{order}H10xII", container, start + number * _ENTRY)
        kind, offset, length = entry
        if kind and offset + length <= len(container):
            records.setdefault(kind, _Record(offset, length))
    return records


def _check_raw(container: bytes, raw: _Record, max_pixels: int) -> None:
    """ValueError unless the raw record holds what its header claims; flyr would trust it."""
    width, height = struct.unpack_from("<2xHH", container, raw.offset)
    body = container[raw.offset + _RAW_HEADER : raw.offset + raw.length]
    if not 0 < width * height <= max_pixels:
        raise ValueError("a thermal picture of no size, or too large")
    if body.startswith(_PNG):
        if struct.unpack_from(">II", body, 16) != (width, height):
            raise ValueError("a thermal picture of two sizes")
    elif len(body) < width * height * 2:
        raise ValueError("a thermal picture cut short")
