"""Depth that telephones keep beside a photo: auxiliary pictures in HEIC, Google's GDepth in JPEG.

A DepthMap comes of it only where the file tells distances in physical units: a nearest and a farthest
distance, for HEIC in HEVC's SEI message ``depth_representation_info``, for GDepth together with its unit.
What Apple's portrait mode writes is disparity without a scale, and so is GDepth without a unit: of such a
file only the photo is read. Source of GDepth: Google's Depthmap Metadata specification.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bindsearch.errors import DamagedFile
from bindsearch.loaders.base import LoadOptions
from bindsearch.loaders.maps.depth import SMALLEST_SIDE
from bindsearch.loaders.maps.stored import Numbers, factor_for, reduced_by_median, turned
from bindsearch.loaders.photo import check_size, exif_of, opened_picture
from bindsearch.media import DepthMap, Floats

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

NOTE_DEPTH = "with the depth that its camera measured, in m"
NOTE_RELATIVE = "its portrait-mode depth is relative, without a unit, and is not read"

_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_HEADER = len(_EXTENSION) + 32 + 8  # a digest, the whole length, the offset of this part
_EXTENSION_BYTES = 64_000_000
_UNITS = {b"m": 1.0, b"mm": 0.001}
_INVERSE, _DISPARITY, _LINEAR = 0, 1, 2  # depth_representation_type of the SEI message


@dataclass(frozen=True, slots=True)
class _Range:
    """How levels from 0 to 1 become metres: 0 is ``first``, 1 is ``last``; evenly in 1 / distance or not."""

    first: float
    last: float
    inverse: bool

    def metres(self, parts: Floats) -> Floats:
        if self.inverse:
            inverses = parts * np.float32(1 / self.last) + (1 - parts) * np.float32(1 / self.first)
            return np.reciprocal(inverses)
        return parts * np.float32(self.last - self.first) + np.float32(self.first)


def portrait_note(image: ImageFile) -> str | None:
    """What is to be said of the depth beside a photo; NOTE_DEPTH where ``portrait_depth`` reads it."""
    if image.format == "HEIF":
        depths = image.info.get("depth_images") or ()
        return None if not depths else NOTE_DEPTH if _heif_range(depths[0]) else NOTE_RELATIVE
    if b"GDepth:" not in _xmp(image):
        return None
    return NOTE_DEPTH if _google_range(_xmp(image)) else NOTE_RELATIVE


def portrait_depth(path: Path, kind: str, options: LoadOptions) -> Iterator[DepthMap]:
    """The depth beside the photo at ``path``, of which ``portrait_note`` said NOTE_DEPTH.

    Depth that turns out to be broken is left out: it must not cost the photo.
    """
    with suppress(DamagedFile):
        yield from _metres_beside(path, kind, options)


def _metres_beside(path: Path, kind: str, options: LoadOptions) -> Iterator[DepthMap]:
    with opened_picture(path, kind, options) as (image, file):
        orientation = exif_of(image, file).orientation
        if image.format == "HEIF":
            depth = image.info["depth_images"][0]
            span, levels = _heif_range(depth), _levels(depth.to_pillow(), path, options)
        else:
            span, levels = _google_range(_xmp(image)), _levels(_google_picture(image), path, options)
        if span is None:
            return
        parts = levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)
        metres = turned(span.metres(parts), orientation)
    side = max(options.picture_side, SMALLEST_SIDE) if options.picture_side else None
    yield DepthMap(np.ascontiguousarray(reduced_by_median(metres, factor_for(metres.shape, side))))


def _levels(picture: Image, path: Path, options: LoadOptions) -> Numbers:
    check_size(*picture.size, path, options)
    picture = picture if picture.mode.startswith("I;16") else picture.convert("L")
    levels: Numbers = np.asarray(picture)
    return levels.astype(levels.dtype.newbyteorder("="), copy=False)


def _heif_range(depth: Any) -> _Range | None:
    """The largest level is nearest in disparity and in inverse distance, farthest in plain distance."""
    told = depth.info.get("metadata") or {}
    near, far = told.get("z_near"), told.get("z_far")
    kind = told.get("representation_type")
    if near is None or far is None or kind is None or int(kind) not in (_INVERSE, _DISPARITY, _LINEAR):
        return None
    if int(kind) == _LINEAR:
        return _range(float(near), float(far), False)
    return _range(float(far), float(near), True)


def _google_range(xmp: bytes) -> _Range | None:
    """GDepth counts from near (0) to far (the largest level), evenly in distance or in its inverse."""
    form, unit = _attribute(xmp, b"Format"), _UNITS.get(_attribute(xmp, b"Units"))
    try:
        near, far = float(_attribute(xmp, b"Near")), float(_attribute(xmp, b"Far"))
    except ValueError:
        return None
    if unit is None or form not in (b"RangeInverse", b"RangeLinear"):
        return None
    return _range(near * unit, far * unit, form == b"RangeInverse")


def _range(first: float, last: float, inverse: bool) -> _Range | None:
    near, far = sorted((first, last))
    good = math.isfinite(near) and math.isfinite(far) and 0 < near < far <= 10_000
    return _Range(first, last, inverse) if good else None


def _xmp(image: ImageFile) -> bytes:
    xmp = image.info.get("xmp", b"")
    return xmp if isinstance(xmp, bytes) else b""


def _attribute(xmp: bytes, name: bytes) -> bytes:
    found = re.search(rb"GDepth:%b(?:\s*=\s*[\"']|>)\s*([^\"'<]*)" % name, xmp)
    return found[1].strip() if found else b""


def _google_picture(image: ImageFile) -> Image:
    """The depth picture in the extended XMP, which is cut into segments of 64 KB. Raises ValueError."""
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile

    parts: dict[int, bytes] = {}
    for name, content in getattr(image, "applist", ()):
        if name == "APP1" and content.startswith(_EXTENSION):
            parts[int.from_bytes(content[_EXTENSION_HEADER - 4 : _EXTENSION_HEADER])] = content[
                _EXTENSION_HEADER:
            ]
    extended = b"".join(parts[offset] for offset in sorted(parts))[:_EXTENSION_BYTES]
    content = base64.b64decode(_attribute(_xmp(image), b"Data") or _attribute(extended, b"Data"))
    opener = PngImageFile if content.startswith(b"\x89PNG") else JpegImageFile
    return opener(BytesIO(content))
