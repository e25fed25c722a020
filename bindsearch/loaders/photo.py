"""Still pictures: one upright sRGB Picture per file, read with Pillow (HEIC with pillow-heif).

The picture classes are used directly, past ``Image.open``: its bomb limit is a setting of the whole
process and its warnings are too, while here the limit is ``LoadOptions.max_pixels``, compared with the
header before a pixel is decoded. Pillow's ``LOAD_TRUNCATED_IMAGES`` and ``MAX_IMAGE_PIXELS`` are neither
set nor needed. An animation (GIF, WebP, APNG, AVIF) is the picture of its first frame that shows
something; of a file with several pages (TIFF, MPO, PSD) the first is read.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.exif import ExifFacts, read_exif
from bindsearch.loaders.files import open_regular, refusal
from bindsearch.media import Picture, Pixels
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# Format: module and the callable that opens it. EPS is not here on purpose: Pillow hands it to Ghostscript.
_READERS = {
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "BLP": ("PIL.BlpImagePlugin", "BlpImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "CUR": ("PIL.CurImagePlugin", "CurImageFile"),
    "DCX": ("PIL.DcxImagePlugin", "DcxImageFile"),
    "DDS": ("PIL.DdsImagePlugin", "DdsImageFile"),
    "FLI": ("PIL.FliImagePlugin", "FliImageFile"),
    "FTEX": ("PIL.FtexImagePlugin", "FtexImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "HEIF": ("pillow_heif", "HeifImageFile"),
    "ICNS": ("PIL.IcnsImagePlugin", "IcnsImageFile"),
    "ICO": ("PIL.IcoImagePlugin", "IcoImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "jpeg_factory"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "MSP": ("PIL.MspImagePlugin", "MspImageFile"),
    "PCD": ("PIL.PcdImagePlugin", "PcdImageFile"),
    "PCX": ("PIL.PcxImagePlugin", "PcxImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "PSD": ("PIL.PsdImagePlugin", "PsdImageFile"),
    "QOI": ("PIL.QoiImagePlugin", "QoiImageFile"),
    "SGI": ("PIL.SgiImagePlugin", "SgiImageFile"),
    "SUN": ("PIL.SunImagePlugin", "SunImageFile"),
    "TGA": ("PIL.TgaImagePlugin", "TgaImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
_ANIMATED = {"GIF", "WEBP", "PNG", "AVIF"}
_DRAFTED = {"JPEG", "MPO", "HEIF"}
MEASURED_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's modes whose numbers are measurements rather than colours."""

_REDUCIBLE_MODES = {"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "RGBX"}

_FRAMES_TRIED = 16
_BLANK_SPREAD = 8  # levels of 256 between the darkest and the brightest point
_MAX_PROFILE_BYTES = 4_000_000

# All that readers of pictures are known to raise on crafted bytes; they promise no common base class.
FAULTS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError,
    EOFError, MemoryError, RuntimeError, BufferError, struct.error, zlib.error, Warning,
)  # fmt: skip


def load_photo(path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    """The picture at ``path``, whose bytes are of the format ``kind``.

    Its facts come from the header; ``width`` and ``height`` are those of the whole picture, upright. The
    pixels come smaller when ``options.picture_side`` allows it: reduced by a whole factor, so that the
    shorter side lies between once and twice that many pixels, and never enlarged. Raises DamagedFile, and
    UnsupportedFile for pictures that hold measurements (16-bit grey, float) rather than colours.
    """
    with opened_picture(path, kind, options) as (image, file):
        _refuse_measurements(image, path)
        facts = facts_of(image, exif_of(image, file), kind)
    return LoadedFile(path, facts, pictures(path, kind, options))


def pictures(path: Path, kind: str, options: LoadOptions) -> Iterator[Picture]:
    """The one Picture of a file that holds colours, as ``load_photo`` gives it."""
    with opened_picture(path, kind, options) as (image, file):
        _refuse_measurements(image, path)
        orientation = exif_of(image, file).orientation
        pixels = _pixels(image, kind, options, orientation)
    yield Picture(pixels)


@contextmanager
def opened_picture(path: Path, kind: str, options: LoadOptions) -> Iterator[tuple[ImageFile, BinaryIO]]:
    """The picture with its header read and its size accepted; every fault inside becomes a MediaError."""
    from PIL.Image import DecompressionBombError

    module, name = _READERS[kind]
    open_picture = getattr(import_module(module), name)
    with open_regular(path) as file:
        hush_pillow()
        try:
            image: ImageFile = open_picture(file)
            check_size(*image.size, path, options)
            yield image, file
        except DecompressionBombError as fault:
            raise DamagedFile("declares more pixels than a picture has", subject=os.fspath(path)) from fault
        except FAULTS as fault:
            raise explained(path, fault) from fault


def hush_pillow() -> None:
    """Keep Pillow's remarks on odd files from being printed among the results.

    They can only be switched off for the whole process; changing the filters back and forth would race
    with other threads, so one entry, for Pillow's own modules alone, is left in place.
    """
    if not any(entry[0] == "ignore" and _is_pillow_filter(entry[3]) for entry in warnings.filters):
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _is_pillow_filter(module: Any) -> bool:
    return bool(getattr(module, "pattern", module) == r"PIL\.")


def check_size(width: int, height: int, path: Path, options: LoadOptions) -> None:
    """Raises DamagedFile for a picture without pixels or with more than ``options.max_pixels``."""
    if width < 1 or height < 1:
        raise DamagedFile(f"a picture of {width} x {height} pixels", subject=os.fspath(path))
    if width * height > options.max_pixels:
        reason = f"too many pixels: {width} x {height}, the limit is {options.max_pixels:,}"
        raise DamagedFile(reason, subject=os.fspath(path))


def _refuse_measurements(image: ImageFile, path: Path) -> None:
    if image.mode in MEASURED_MODES:
        reason = f"a {image.format} of the mode {image.mode}, such as a depth map, is not read"
        raise UnsupportedFile(reason, subject=os.fspath(path))


def explained(path: Path, fault: BaseException) -> DamagedFile:
    """One of FAULTS in words that a person understands."""
    if isinstance(fault, OSError) and fault.errno is not None:
        return refusal(path, fault)
    if isinstance(fault, MemoryError):
        return DamagedFile("needs more memory than there is", subject=os.fspath(path))
    detail = " ".join(str(fault).split())[:200]
    lowered = detail.lower()
    if isinstance(fault, (EOFError, struct.error)) or "truncated" in lowered or "end of file" in lowered:
        return DamagedFile("truncated: the file ends before its picture does", subject=os.fspath(path))
    if "<" in detail or "driver" in detail:  # a memory address, or talk among programmers
        detail = ""
    reason = f"not a picture that can be read: {detail}" if detail else "not a picture that can be read"
    return DamagedFile(reason, subject=os.fspath(path))


def exif_of(image: ImageFile, file: BinaryIO) -> ExifFacts:
    """What an opened picture says of itself; its orientation is the turn that is still to be made."""
    if image.format != "TIFF":
        block = image.info.get("exif")
        return read_exif(block) if isinstance(block, bytes) else ExifFacts()
    position = file.tell()  # a TIFF file is laid out like an EXIF block
    try:
        return replace(read_exif(file), orientation=1)  # of TIFF alone, Pillow turns the pixels itself
    finally:
        file.seek(position)


def facts_of(image: ImageFile, exif: ExifFacts, kind: str) -> FileFacts:
    """The facts of an opened picture, as those of a photo."""
    width, height = image.size if exif.orientation < 5 else image.size[::-1]
    return FileFacts(
        modality=Modality.IMAGE,
        format=kind,
        taken_at=exif.taken_at,
        latitude=exif.latitude,
        longitude=exif.longitude,
        width=width,
        height=height,
        camera=exif.camera,
    )


def _pixels(image: ImageFile, kind: str, options: LoadOptions, orientation: int) -> Pixels:
    side = options.picture_side
    if side and image.format in _DRAFTED:
        image.draft(image.mode, (side, side))
    shown = _finished(image, side)
    for frame in range(1, _frames_to_try(image, kind, options)):
        if not _blank(shown):
            break
        try:
            image.seek(frame)
        except EOFError:
            break
        later = _finished(image, side)
        shown = shown if _blank(later) else later
    return np.array(_upright(shown, orientation), dtype=np.uint8, order="C")


def _frames_to_try(image: ImageFile, kind: str, options: LoadOptions) -> int:
    if kind not in _ANIMATED:
        return 1
    width, height = image.size
    return min(_FRAMES_TRIED, options.max_pixels // (width * height))


def _blank(image: Image) -> bool:
    return all(high - low < _BLANK_SPREAD for low, high in image.getextrema())  # type: ignore[misc]


def _finished(image: ImageFile, side: int | None) -> Image:
    """The current frame in 8-bit sRGB without transparency, reduced as far as ``side`` allows."""
    image.load()
    profile = image.info.get("icc_profile")
    return _srgb(_opaque(_reduced(_direct(image), side)), profile)


def _direct(image: Image) -> Image:
    """``image`` in a mode whose numbers are intensities, so that neighbours can be averaged."""
    if image.mode in ("P", "PA") or (image.mode in ("1", "L", "RGB") and "transparency" in image.info):
        seen_through = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if seen_through else "RGB")
    if image.mode in _REDUCIBLE_MODES:
        return image
    return image.convert("RGBA" if image.mode in ("RGBa", "La") else "L" if image.mode == "1" else "RGB")


def _reduced(image: Image, side: int | None) -> Image:
    factor = min(image.size) // side if side else 1
    return image.reduce(factor) if factor > 1 else image


def _opaque(image: Image) -> Image:
    """Transparent parts laid on white, as viewers show them on paper."""
    from PIL.Image import new

    if image.mode not in ("RGBA", "LA"):
        return image
    base = new("RGBA", image.size, (255, 255, 255, 255))
    base.alpha_composite(image.convert("RGBA"))
    return base.convert("RGB")


def _srgb(image: Image, profile: Any) -> Image:
    """``image`` as sRGB; a colour profile that is broken or of another colour model is passed over."""
    from PIL import ImageCms

    if not isinstance(profile, bytes) or not 128 <= len(profile) <= _MAX_PROFILE_BYTES:
        return image.convert("RGB")
    model = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}.get(image.mode)
    if profile[16:20] != model or _says_srgb(profile):
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _says_srgb(profile: bytes) -> bool:
    return b"sRGB" in profile[:4096] or "sRGB".encode("utf-16-be") in profile[:4096]


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    turn = turns.get(orientation)
    return image.transpose(turn) if turn is not None else image
