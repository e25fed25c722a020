"""Exact numbers out of pictures: PNG, TIFF, PGM, JPEG 2000 ...

Pillow keeps 16-bit grey, 32-bit integers and floats as they are, with two exceptions that are read here:

* a PGM whose largest value is not 65535 comes out of Pillow stretched to it;
* half floats, doubles and 64-bit integers in TIFF are not known to it (tifffile reads them).

The size in the header is compared with ``LoadOptions.max_pixels`` before anything is decoded.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadOptions
from bindsearch.loaders.exif import read_exif
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.maps.stored import Numbers, Stored, read_exactly, turned
from bindsearch.loaders.photo import FAULTS, check_size, exif_of, explained, facts_of
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_HEADER_BYTES = 4096
_LONGEST_WORD = 8  # bytes of a number and the space around it in a plain PGM
_SAMPLE_FORMAT = 339  # TIFF
_UNSIGNED = 1
_LUMINANCE = ("1", "L", "LA", "La")


def measured(image: ImageFile, file: BinaryIO, path: Path, kind: str) -> Stored:
    """The numbers of an opened picture of one of the measured modes."""
    exif = exif_of(image, file)
    facts = facts_of(image, exif, kind)
    values = _portable_grey(file, path) if kind == "PPM" else _decoded(image)
    return Stored(turned(values, exif.orientation), facts, _name(values, kind))


def grey_levels(image: ImageFile, file: BinaryIO, kind: str) -> Stored:
    """The luminance (0 to 255) of an opened picture of colours; of equal channels it is their level."""
    exif = exif_of(image, file)
    facts = facts_of(image, exif, kind)
    shown = image if image.mode in _LUMINANCE else image.convert("RGB")
    values = np.asarray(shown.convert("L"))
    return Stored(turned(values, exif.orientation), facts, _name(values, kind))


def tiff_of_other_numbers(path: Path, options: LoadOptions) -> Stored | None:
    """The first page of a TIFF whose numbers Pillow does not know, or None if it is no single channel."""
    with _tifffile_page(path) as (page, file):
        if page.dtype is None or len(page.shape) != 2 or page.dtype.kind not in "iuf":
            return None
        check_size(page.shape[1], page.shape[0], path, options)
        values = page.asarray(maxworkers=1)
        exif = read_exif(file)
    upright = turned(values, exif.orientation)
    height, width = upright.shape
    facts = FileFacts(
        Modality.IMAGE,
        "TIFF",
        exif.taken_at,
        exif.latitude,
        exif.longitude,
        width,
        height,
        camera=exif.camera,
    )
    return Stored(upright, facts, _name(upright, "TIFF"))


@contextmanager
def _tifffile_page(path: Path) -> Iterator[tuple[Any, BinaryIO]]:
    from tifffile import TiffFile

    _hush_tifffile()
    with open_regular(path) as file:
        try:
            with TiffFile(file, name=path.name) as tiff:
                yield tiff.pages.first, file
        except FAULTS as fault:
            raise explained(path, fault) from fault


def _hush_tifffile() -> None:
    """Without any handler, logging would print tifffile's remarks on odd files among the results."""
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _decoded(image: ImageFile) -> Numbers:
    image.load()
    values: Numbers = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    tags = getattr(image, "tag_v2", {})
    if values.dtype == np.int32 and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED and len(tags):
        return values.view(np.uint32)  # Pillow has no unsigned 32-bit mode, the bits are the same
    return values


def _portable_grey(file: BinaryIO, path: Path) -> Numbers:
    """A PGM of more than 256 levels (netpbm's ``pgm(5)``): P5 in two bytes, most significant first, or P2."""
    file.seek(0)
    header = _pgm_header(file.read(_HEADER_BYTES))
    if header is None:
        raise UnsupportedFile("a portable map that is not grey", subject=os.fspath(path))
    plain, width, height, start = header
    count = width * height
    file.seek(start)
    if plain:
        words = file.read(count * _LONGEST_WORD).split(maxsplit=count)[:count]
        values = np.array([int(word) for word in words], np.int64)
    else:
        values = np.frombuffer(read_exactly(file, count * 2, path), ">u2")
    if values.size < count:
        raise DamagedFile("truncated: the file ends before its picture does", subject=os.fspath(path))
    if not 0 <= values.min() <= values.max() < 65536:
        raise DamagedFile("not a picture that can be read", subject=os.fspath(path))
    return values.reshape(height, width).astype(np.uint16)


def _pgm_header(content: bytes) -> tuple[bool, int, int, int] | None:
    """Whether it is plain text, the width, the height, and where the values begin."""
    space = rb"(?:\s+|\s*#[^\n]*\n)+"
    pattern = rb"P([25])" + space + rb"(\d{1,9})" + space + rb"(\d{1,9})" + space + rb"(\d{1,5})\s"
    found = re.match(pattern, content)
    return (found[1] == b"2", int(found[2]), int(found[3]), found.end()) if found else None


def _name(values: Numbers, kind: str) -> str:
    bits = values.dtype.itemsize * 8
    sort = "float" if values.dtype.kind == "f" else "grey"
    return f"{bits}-bit {sort} {kind}"
