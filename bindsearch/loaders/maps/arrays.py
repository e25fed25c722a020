"""Maps in NumPy's own formats: NPY, and the arrays of an NPZ.

Nothing is unpickled. What the header claims is compared with ``LoadOptions.max_pixels`` and with the bytes
that are there before anything is allocated. A map is an array of two dimensions (further ones of length 1
are dropped) whose sides are both at least 16; anything flatter is a table, as of a motion log.
Source of the formats: NumPy enhancement proposal 1.
"""

from __future__ import annotations

import ast
import math
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadOptions
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.maps.stored import Numbers, Stored, doubt
from bindsearch.loaders.photo import FAULTS, check_size, explained
from bindsearch.modality import Modality

SHORTEST_SIDE = 16

_NAMES = {
    Modality.DEPTH: ("depth", "depth_map", "depths", "distance", "metres", "meters"),
    Modality.THERMAL: ("thermal", "temperature", "temperatures", "heat", "celsius", "kelvin"),
}
_MOST_MEMBERS = 256
_HEADER_BYTES = 10_000
_ZIP_FAULTS = (*FAULTS, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype[Any]

    @property
    def sides(self) -> tuple[int, ...]:
        return tuple(side for side in self.shape if side != 1)

    @property
    def is_map(self) -> bool:
        return self.dtype.kind != "O" and len(self.sides) == 2 and min(self.sides) >= SHORTEST_SIDE

    @property
    def says(self) -> Modality | None:
        return next((one for one, names in _NAMES.items() if self.name.lower() in names), None)


def read_npy(path: Path, options: LoadOptions) -> Stored:
    """The map in an NPY file; UnsupportedFile if its array is none."""
    with open_regular(path) as file:
        try:
            header = _header(file, "")
            if not header.is_map:
                raise _no_map(path, f"an array of {_shape(header)}")
            left = os.fstat(file.fileno()).st_size - file.tell()
            return _stored(_values(file, header, left, path, options), header, "NPY")
        except FAULTS as fault:
            raise explained(path, fault) from fault


def read_npz(path: Path, options: LoadOptions, wanted: Modality | None) -> Stored:
    """The map in an NPZ file: that of a telling name, else the only one; UnsupportedFile without one.

    ``wanted`` chooses where depth and heat lie in one file.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                headers = {info: header for info, header in _headers(archive) if header.is_map}
                chosen = _chosen(list(headers.values()), wanted, path)
                info = next(info for info, header in headers.items() if header is chosen)
                with archive.open(info) as member:
                    _header(member, "")
                    return _stored(_values(member, chosen, info.file_size, path, options), chosen, "NPZ")
        except _ZIP_FAULTS as fault:
            raise explained(path, fault) from fault


def _headers(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, _Header]]:
    for info in archive.infolist()[:_MOST_MEMBERS]:
        if info.filename.endswith(".npy"):
            with archive.open(info) as member:
                yield info, _header(member, info.filename.removesuffix(".npy"))


def _chosen(maps: list[_Header], wanted: Modality | None, path: Path) -> _Header:
    telling = [header for header in maps if header.says is not None]
    fitting = [header for header in telling if header.says is wanted] or telling or maps
    if not fitting:
        raise _no_map(path, "an archive of arrays")
    if len({header.says for header in fitting}) > 1:
        raise doubt(path, "both a depth map and heat", 'modality = "depth"', 'modality = "thermal"')
    if len(fitting) > 1:
        names = ", ".join(header.name for header in fitting[:8])
        raise UnsupportedFile(f"several maps in one file ({names}) are not read", subject=os.fspath(path))
    return fitting[0]


def _header(file: IO[bytes], name: str) -> _Header:
    """Read the header of an array, leaving ``file`` where its values begin; ValueError if it is none."""
    magic = file.read(8)
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3):
        raise ValueError("no array")
    length = int.from_bytes(file.read(2 if magic[6] == 1 else 4), "little")
    if length > _HEADER_BYTES:
        raise ValueError("an array with too long a header")
    text = file.read(length).decode("utf-8" if magic[6] == 3 else "latin-1")
    fields = ast.literal_eval(re.sub(r"(\d)L\b", r"\1", text).strip())  # Python 2 wrote 480L
    kind, shape = fields["descr"], fields["shape"]
    if not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("an array without a shape")
    plain = isinstance(kind, str) and re.fullmatch(r"[<>|=]?[iuf][1248]", kind)
    return _Header(name, shape, bool(fields["fortran_order"]), np.dtype(kind if plain else object))


def _values(file: IO[bytes], header: _Header, left: int, path: Path, options: LoadOptions) -> Numbers:
    """The values that come next in ``file``, of which at most ``left`` bytes are still to come."""
    check_size(header.sides[1], header.sides[0], path, options)
    size = math.prod(header.sides) * header.dtype.itemsize
    if size > left:
        raise DamagedFile("truncated: the file ends before its array does", subject=os.fspath(path))
    raw = file.read(size)
    if len(raw) < size:
        raise DamagedFile("truncated: the file ends before its array does", subject=os.fspath(path))
    order = "F" if header.columns_first else "C"
    values: Numbers = np.frombuffer(raw, header.dtype).reshape(header.sides, order=order)  # type: ignore[call-overload]
    return values.astype(header.dtype.newbyteorder("="), copy=False)


def _stored(values: Numbers, header: _Header, kind: str) -> Stored:
    height, width = values.shape
    sort = "floats" if values.dtype.kind == "f" else "integers"
    what = f"{kind} of {values.dtype.itemsize * 8}-bit {sort}"
    facts = FileFacts(Modality.DEPTH, kind, width=width, height=height)
    return Stored(values, facts, what, header.says, f"the name {header.name}" if header.says else "")


def _no_map(path: Path, what: str) -> UnsupportedFile:
    return UnsupportedFile(f"{what} holds no map", subject=os.fspath(path))


def _shape(header: _Header) -> str:
    return " x ".join(map(str, header.shape)) or "one value"
