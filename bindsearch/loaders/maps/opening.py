"""The two entry points: pictures, which may be photos, depth or heat, and files that can only be maps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.exif import ExifFacts
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.maps.depth import depth_map
from bindsearch.loaders.maps.flir import can_read_flir, celsius, is_flir
from bindsearch.loaders.maps.portrait import NOTE_DEPTH, portrait_depth, portrait_note
from bindsearch.loaders.maps.raster import grey_levels, measured, tiff_of_other_numbers
from bindsearch.loaders.maps.stored import Stored, factor_for, reduced_by_mean, turned
from bindsearch.loaders.maps.thermal import finished, grey_of, heat_map
from bindsearch.loaders.maps.which import is_heat_camera, told
from bindsearch.loaders.photo import MEASURED_MODES, exif_of, explained, facts_of, opened_picture, pictures
from bindsearch.media import Media, Picture
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_MAPS = (Modality.DEPTH, Modality.THERMAL)
_GREY_MODES = frozenset({"1", "L", "LA", "La"})
_COLOURLESS = 12  # levels between the channels of a point that JPEG may put there
_COLOURED_SHARE = 0.01  # of the points that may show a coloured mark all the same
_CHROMA_POINTS = 400  # looked at along each side


def load_picture(path: Path, kind: str, options: LoadOptions, hint: Hint = NO_HINT) -> LoadedFile:
    """The photo, depth map or thermal picture at ``path``, whose bytes are of Pillow's format ``kind``.

    A photo comes as from ``load_photo``, with its depth as a second medium where it carries any in metres.
    Raises DamagedFile; UnsupportedFile, with the rule to write, for a map whose modality or unit is in doubt.
    """
    try:
        with opened_picture(path, kind, options) as (image, file):
            exif = exif_of(image, file)
            if image.mode in MEASURED_MODES:
                stored = measured(image, file, path, kind)
            else:
                modality, why = _told_of_colours(image, exif.camera, hint)
                if modality is Modality.IMAGE:
                    return _photo(image, exif, path, kind, options)
                if modality is Modality.THERMAL and _may_be_flir(image, hint):
                    return _flir(image, file, path, kind, options)
                return _map(grey_levels(image, file, kind), modality, why, hint, path, options)
    except DamagedFile:
        # Pillow does not know all numbers that a TIFF may hold.
        other = tiff_of_other_numbers(path, options) if kind == "TIFF" else None
        if other is None:
            raise
        stored = other
    return _map(stored, *told(stored, hint, path), hint, path, options)


def load_map(path: Path, kind: str, options: LoadOptions, hint: Hint = NO_HINT) -> LoadedFile:
    """The map at ``path``, of the kind EXR, PFM, NPY or NPZ.

    Raises DamagedFile; UnsupportedFile where the file holds no map, or one whose modality or unit is in
    doubt.
    """
    stored = _read_map(path, kind, options, hint)
    return _map(stored, *told(stored, hint, path), hint, path, options)


def _read_map(path: Path, kind: str, options: LoadOptions, hint: Hint) -> Stored:
    from bindsearch.loaders.maps.arrays import read_npy, read_npz
    from bindsearch.loaders.maps.floats import read_exr, read_pfm

    if kind == "NPZ":
        return read_npz(path, options, hint.modality)
    readers = {"NPY": read_npy, "EXR": read_exr, "PFM": read_pfm}
    if kind not in readers:
        raise UnsupportedFile(f"{kind} is not read as a map", subject=os.fspath(path))
    return readers[kind](path, options)


def _map(
    stored: Stored, modality: Modality, why: str, hint: Hint, path: Path, options: LoadOptions
) -> LoadedFile:
    try:
        medium, unit = _medium(stored, modality, hint, path, options)
    except MemoryError as fault:
        raise explained(path, fault) from fault
    return LoadedFile(path, replace(stored.facts, modality=modality), iter([medium]), (why, unit))


def _medium(
    stored: Stored, modality: Modality, hint: Hint, path: Path, options: LoadOptions
) -> tuple[Media, str]:
    if modality is Modality.DEPTH:
        return depth_map(stored, hint, path, options)
    if modality is Modality.THERMAL:
        return heat_map(stored, hint, path, options)
    return _grey_picture(stored, options), "its values stretched from black to white"


def _told_of_colours(image: ImageFile, camera: str | None, hint: Hint) -> tuple[Modality, str]:
    """The modality of a picture of 8-bit levels. Only its header is looked at, unless habit says more."""
    if hint.ruled and hint.modality in (*_MAPS, Modality.IMAGE):
        return hint.modality, f"{hint.modality} by a rule"
    if is_flir(image):
        return Modality.THERMAL, "thermal by the segments of a FLIR camera"
    if image.mode == "L" and is_heat_camera(camera):
        return Modality.THERMAL, f"thermal by its camera, {camera}"
    if hint.modality in _MAPS and _is_grey(image):
        return hint.modality, f"{hint.modality} by the names of file and folders"
    return Modality.IMAGE, ""


def _is_grey(image: ImageFile) -> bool:
    """Whether next to no point has a colour beyond the noise of JPEG."""
    if image.mode in _GREY_MODES:
        return True
    image.load()
    step = max(1, max(image.size) // _CHROMA_POINTS)
    points = np.asarray(image.convert("RGB"))[::step, ::step].astype(np.int16)
    chroma = points.max(-1) - points.min(-1)
    return bool((chroma > _COLOURLESS).mean() <= _COLOURED_SHARE)


def _photo(image: ImageFile, exif: ExifFacts, path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    note = portrait_note(image)
    media: Iterator[Media] = pictures(path, kind, options)
    if note == NOTE_DEPTH:
        media = chain(media, portrait_depth(path, kind, options))
    return LoadedFile(path, facts_of(image, exif, kind), media, (note,) if note else ())


def _may_be_flir(image: ImageFile, hint: Hint) -> bool:
    """Whether FLIR's temperatures are to be looked for; a rule with a unit of its own outranks them."""
    return is_flir(image) and hint.unit is None and hint.scale is None and hint.offset is None


def _flir(image: ImageFile, file: BinaryIO, path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    why = "thermal by the segments of a FLIR camera"
    degrees = celsius(image, options.max_pixels) if can_read_flir() else None
    if degrees is None:
        missing = "cannot be read" if can_read_flir() else "need the extra flir"
        note = f"relative: the grey of its colours, as its temperatures {missing}"
        medium, _ = heat_map(grey := grey_levels(image, file, kind), NO_HINT, path, options)
        return LoadedFile(path, replace(grey.facts, modality=Modality.THERMAL), iter([medium]), (why, note))
    exif = exif_of(image, file)
    heat = turned(degrees.astype(np.float32), exif.orientation)
    heat = np.where(np.isfinite(heat), heat, np.float32(np.nan))
    facts = replace(
        facts_of(image, exif, kind), modality=Modality.THERMAL, width=heat.shape[1], height=heat.shape[0]
    )
    note = "in Celsius, by the calibration that its camera wrote"
    return LoadedFile(path, facts, iter([finished(heat, True, path, options)]), (why, note))


def _grey_picture(stored: Stored, options: LoadOptions) -> Picture:
    grey = np.nan_to_num(grey_of(stored))
    grey = reduced_by_mean(grey, factor_for(grey.shape, options.picture_side))
    levels = np.round(grey * 255).astype(np.uint8)
    return Picture(np.ascontiguousarray(np.repeat(levels[:, :, np.newaxis], 3, axis=2)))
