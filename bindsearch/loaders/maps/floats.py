"""Maps of floats: OpenEXR (with the OpenEXR library) and PFM (read here).

Of an OpenEXR file the first part is read: its channel Z (also "depth", or a layer's, as in "View.Depth.Z"),
whose meaning OpenEXR itself defines as depth; else its only channel; else R, where R, G and B are equal, as
renderers write their passes. PFM: one channel, rows from the bottom up, the sign of the scale gives the byte
order; its amount is not applied, as no known writer means it.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadOptions
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.maps.stored import Numbers, Stored, read_exactly
from bindsearch.loaders.photo import FAULTS, check_size, explained
from bindsearch.modality import Modality

_DEPTH_CHANNELS = ("z", "depth", "distance")
_COLOURS = ("R", "G", "B")
_MOST_CHANNELS = 64
_PFM_HEADER = re.compile(rb"P([fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+0-9.eE]{1,40})[ \t]*\r?\n?")


def read_pfm(path: Path, options: LoadOptions) -> Stored:
    """The numbers of a PFM, the top row first."""
    with open_regular(path) as file:
        found = _PFM_HEADER.match(file.read(256))
        if found is None:
            raise DamagedFile("not a float map that can be read", subject=os.fspath(path))
        if found[1] == b"F":
            raise UnsupportedFile("a float map of colours is not read", subject=os.fspath(path))
        width, height = int(found[2]), int(found[3])
        check_size(width, height, path, options)
        order = "<" if _scale(found[4], path) < 0 else ">"
        file.seek(found.end())
        raw = read_exactly(file, width * height * 4, path)
    values = np.frombuffer(raw, f"{order}f4").reshape(height, width)[::-1].astype(np.float32)
    return Stored(values, FileFacts(Modality.DEPTH, "PFM", width=width, height=height), "PFM")


def _scale(word: bytes, path: Path) -> float:
    try:
        scale = float(word)
    except ValueError:
        scale = 0.0
    if not scale or not math.isfinite(scale):
        raise DamagedFile("not a float map that can be read", subject=os.fspath(path))
    return scale


def read_exr(path: Path, options: LoadOptions) -> Stored:
    """The numbers of the one channel of an OpenEXR file that is a map."""
    with open_regular(path):
        pass  # the library opens by name: only what may be opened at all
    try:
        _check_header(path, options)
    except FAULTS as fault:
        raise explained(path, fault) from fault
    try:
        values, said, by = _chosen(_channels(path), path)
    except FAULTS as fault:  # the library's words are of its own making here
        raise DamagedFile(
            "truncated or damaged: its values cannot be read", subject=os.fspath(path)
        ) from fault
    height, width = values.shape
    facts = FileFacts(Modality.DEPTH, "EXR", width=width, height=height)
    return Stored(values, facts, f"{values.dtype.itemsize * 8}-bit EXR", said, by)


def _check_header(path: Path, options: LoadOptions) -> None:
    import OpenEXR

    with OpenEXR.File(os.fspath(path), header_only=True) as file:
        header = dict(file.header())  # it is emptied when the file is closed
    (left, top), (right, bottom) = (corner.tolist() for corner in header["dataWindow"])
    check_size(right - left + 1, bottom - top + 1, path, options)
    channels = len(header["channels"])
    if channels > _MOST_CHANNELS:
        raise UnsupportedFile(f"an EXR of {channels} channels is not read", subject=os.fspath(path))
    if any(channel.xSampling != 1 or channel.ySampling != 1 for channel in header["channels"]):
        raise UnsupportedFile("an EXR whose channels differ in size is not read", subject=os.fspath(path))
    if "deep" in str(header["type"]):
        raise UnsupportedFile("a deep EXR is not read", subject=os.fspath(path))
    # All channels are decoded at once, so that together they must keep to the limit of a picture's three.
    check_size((right - left + 1) * math.ceil(channels / 4), bottom - top + 1, path, options)


def _channels(path: Path) -> dict[str, Numbers]:
    import OpenEXR

    with OpenEXR.File(os.fspath(path), separate_channels=True) as file:
        return {name: np.array(channel.pixels) for name, channel in file.channels().items()}


def _chosen(channels: dict[str, Numbers], path: Path) -> tuple[Numbers, Modality | None, str]:
    flat: dict[str, Any] = {name: values for name, values in channels.items() if values.ndim == 2}
    depths = [name for name in flat if name.rpartition(".")[2].lower() in _DEPTH_CHANNELS]
    if depths:
        name = min(depths, key=len)
        return flat[name], Modality.DEPTH, f"its channel {name}"
    if len(flat) == 1:
        return next(iter(flat.values())), None, ""
    if all(name in flat for name in _COLOURS) and all(
        np.array_equal(flat["R"], flat[name], equal_nan=True) for name in ("G", "B")
    ):
        return flat["R"], None, ""
    named = ", ".join(sorted(channels)[:8])
    raise UnsupportedFile(f"an EXR of the channels {named} is no map", subject=os.fspath(path))
