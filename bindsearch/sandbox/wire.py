"""What host and worker say to each other, as bytes.

A message is a dataclass. On the pipe it is the length of its header (four bytes, little endian), the header
(JSON in UTF-8: the class's name and its fields) and then the bytes of its arrays one after the other, whose
shapes and number types the header states.

The reader trusts nothing: the class has to be one that is awaited, the fields have to be exactly those of the
class and of their declared types, arrays have to have the shape that their class documents and no more bytes
than are allowed, and numbers that a worker gives are finite. Everything else raises Garbled. Texts that hold
half a surrogate pair, which no database takes, are repaired.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, MediaError, UnclearFile, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadOptions
from bindsearch.loaders.hints import Hint
from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Readings, Sound

MOST_HEADER_BYTES = 64 << 20
_MOST_INTEGER = 2**63
_LENGTH = struct.Struct("<I")
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Fill = Callable[[memoryview], None]
"""Fills all of a buffer from the pipe, or raises."""


class Garbled(ValueError):
    """What came over the pipe is not a message that was awaited."""


@dataclass(frozen=True, slots=True)
class Request:
    """To the worker: load the file at ``path``, which is absolute.

    ``options`` are None where they are those of the request before; most are, and taking them apart costs
    more than sending a small picture. ``hint`` is None where it is empty.
    """

    path: str
    options: LoadOptions | None
    hint: Hint | None


@dataclass(frozen=True, slots=True)
class Stop:
    """To the worker: the media still to come are not wanted; end with ``Ended``."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has started; ``package`` is the file that it imported bindsearch from."""

    package: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The file could be opened; its media follow."""

    facts: FileFacts
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """All media of the file have been given. A worker that is ``spent`` takes no other file."""

    spent: bool


# A MediaError by the name that it goes by on the wire; what is special comes before what is general.
_SORTS: dict[str, type[MediaError]] = {
    "unclear": UnclearFile,
    "unsupported": UnsupportedFile,
    "damaged": DamagedFile,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """The file raised a MediaError; media given before are void. ``subject`` is None for the file itself."""

    sort: str
    message: str
    subject: str | None
    hint: str | None
    spent: bool

    @classmethod
    def of(cls, error: MediaError, path: str, spent: bool) -> Refused:
        """What there is to say of ``error``, which came of the file at ``path``."""
        subject = None if error.subject == path else error.subject
        sort = next((name for name, kind in _SORTS.items() if isinstance(error, kind)), "damaged")
        return cls(sort, error.message, subject, error.hint, spent)

    def error(self, path: str) -> MediaError:
        """The error again, about ``path`` as the host calls the file."""
        kind = _SORTS.get(self.sort, DamagedFile)
        return kind(self.message, subject=self.subject or path, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Broke:
    """The loader raised what a loader must not raise; the worker ends."""

    reason: str


Message = Request | Stop | Ready | Opened | Ended | Refused | Broke | Media
MEDIA: tuple[type, ...] = get_args(Media)

# What media.py documents of each array; a name stands for any number, the same wherever it recurs.
SHAPES: dict[tuple[type, str], tuple[int | str, ...]] = {
    (Picture, "pixels"): ("height", "width", 3),
    (Clip, "frames"): ("frames", "height", "width", 3),
    (Sound, "samples"): ("samples",),
    (DepthMap, "metres"): ("height", "width"),
    (HeatMap, "heat"): ("height", "width"),
    (MotionLog, "times"): ("n",),
    (MotionLog, "acceleration"): ("n", 3),
    (MotionLog, "rotation"): ("n", 3),
    (Readings, "times"): ("n",),
    (Readings, "values"): ("n", "channels"),
}
_WITHOUT_ARRAYS = (Passage, Request, Stop, Ready, Opened, Ended, Refused, Broke)
_CLASSES: dict[str, type] = {
    kind.__name__: kind for kind in (*_WITHOUT_ARRAYS, *(kind for kind, _ in SHAPES))
}


def pack(message: Message) -> list[memoryview]:
    """The buffers to write, in order; large arrays are not copied if they are C-contiguous."""
    arrays: list[NDArray[Any]] = []
    header = {"is": type(message).__name__, **_plain_fields(message, arrays)}
    text = _as_json(header).encode("utf-8", "surrogatepass")
    return [
        memoryview(_LENGTH.pack(len(text)) + text),
        *(_bytes_of(array) for array in arrays if array.size),
    ]


def unpack(fill: Fill, awaited: tuple[type, ...], most_bytes: int) -> Any:
    """The next message, which must be one of the classes ``awaited``; its arrays are new and C-contiguous.

    Raises Garbled, also for arrays of more than ``most_bytes`` bytes together, and what ``fill`` raises.
    """
    header = _header(fill)
    kind = _CLASSES.get(str(header.pop("is", None)))
    if kind is None or kind not in awaited:
        raise Garbled("a message of a kind that is not awaited")
    build = _Build(most_bytes, finite=kind is not Request)
    message = _class(kind)(header, build)
    for array in build.arrays:
        if array.size:
            fill(_bytes_of(array))
    return message


def _header(fill: Fill) -> dict[str, object]:
    length = bytearray(_LENGTH.size)
    fill(memoryview(length))
    (size,) = _LENGTH.unpack(length)
    if size > MOST_HEADER_BYTES:
        raise Garbled(f"a header of {size:,} bytes")
    text = bytearray(size)
    fill(memoryview(text))
    try:
        header = json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as fault:
        raise Garbled("a header that is not JSON") from fault
    if not isinstance(header, dict):
        raise Garbled("a header that is not an object")
    return header


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8).data)


def _plain_fields(holder: Any, arrays: list[NDArray[Any]]) -> dict[str, object]:
    names: tuple[str, ...] = _names(holder.__class__)
    return {name: _plain(getattr(holder, name), arrays) for name in names}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _plain(value: Any, arrays: list[NDArray[Any]]) -> object:
    """``value`` in terms of JSON; its arrays are put aside into ``arrays``."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {"shape": value.shape, "type": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value):
        return _plain_fields(value, arrays)
    if isinstance(value, tuple):
        return [_plain(one, arrays) for one in value]
    return value


class _Build:
    """The state of building one message: arrays that are still to be filled, and what room is left."""

    def __init__(self, room: int, finite: bool) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.room = room
        self.finite = finite
        self.sizes: dict[str, int] = {}


Check = Callable[[Any, _Build], Any]
"""Turns a value out of JSON into what it stands for, or raises Garbled."""


@cache
def _class(kind: type) -> Check:
    """For objects of the dataclass ``kind``; made once, because types are slow to look into."""
    types = get_type_hints(kind)
    checks = {field.name: _field(kind, field.name, types[field.name]) for field in fields(kind)}

    def check(raw: Any, build: _Build) -> Any:
        if type(raw) is not dict or raw.keys() != checks.keys():
            raise Garbled(f"{kind.__name__} with other fields than it has")
        return kind(*[check(raw[name], build) for name, check in checks.items()])

    return check


def _field(kind: type, name: str, declared: Any) -> Check:
    if get_origin(declared) is np.ndarray:
        dtype = np.dtype(get_args(get_args(declared)[1])[0])
        return _array(dtype, SHAPES[kind, name])
    return _value(declared)


def _value(declared: Any) -> Check:
    """For values of a type out of an annotation."""
    if get_origin(declared) in (Union, UnionType):
        (kind,) = (choice for choice in get_args(declared) if choice is not NoneType)
        check = _value(kind)
        return lambda raw, build: None if raw is None else check(raw, build)
    if get_origin(declared) is tuple:
        return _tuple(get_args(declared))
    if is_dataclass(declared):
        return _class(declared)  # type: ignore[arg-type]
    if issubclass(declared, Enum):
        return lambda raw, build: _member(declared, raw)
    return {float: _float, int: _int, str: _text, bool: _bool}[declared]


def _tuple(kinds: tuple[Any, ...]) -> Check:
    checks = [_value(kind) for kind in kinds if kind is not Ellipsis]
    repeated = kinds[-1] is Ellipsis

    def check(raw: Any, build: _Build) -> tuple[Any, ...]:
        if type(raw) is not list:
            raise Garbled("not a list")
        each = checks * len(raw) if repeated else checks
        if len(each) != len(raw):
            raise Garbled(f"{len(raw)} entries, not {len(each)}")
        return tuple([check(one, build) for check, one in zip(each, raw, strict=True)])

    return check


def _float(raw: Any, build: _Build) -> Any:
    if type(raw) is int:
        return _int(raw, build)
    if type(raw) is not float or (build.finite and not math.isfinite(raw)):
        raise Garbled("not a finite number")
    return raw


def _int(raw: Any, build: _Build) -> int:
    if type(raw) is not int or abs(raw) >= _MOST_INTEGER:
        raise Garbled("not a whole number of 64 bits")
    return raw


def _bool(raw: Any, build: _Build) -> bool:
    if type(raw) is not bool:
        raise Garbled("neither true nor false")
    return raw


def _text(raw: Any, build: _Build) -> str:
    if type(raw) is not str:
        raise Garbled("not a text")
    return raw if raw.isascii() or not build.finite else _whole(raw)


def _array(dtype: np.dtype[Any], wanted: tuple[int | str, ...]) -> Check:
    """For arrays of ``dtype`` and the shape ``wanted``."""

    def check(raw: Any, build: _Build) -> NDArray[Any]:
        if type(raw) is not dict or raw.get("type") != dtype.str:
            raise Garbled(f"an array that is not of {dtype}")
        shape = raw.get("shape")
        if type(shape) is not list or not _fits(shape, wanted, build.sizes):
            raise Garbled(f"an array of another shape than {wanted}")
        # Empty sides count as one here: the others must be lawful even where nothing is stored.
        build.room -= dtype.itemsize * math.prod(max(1, side) for side in shape)
        if build.room < 0:
            raise Garbled("more bytes than are allowed")
        array = np.empty(shape, dtype)
        build.arrays.append(array)
        return array

    return check


def _fits(shape: list[Any], wanted: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    if len(shape) != len(wanted) or any(type(side) is not int or side < 0 for side in shape):
        return False
    return all(
        side == (sizes.setdefault(want, side) if isinstance(want, str) else want)
        for side, want in zip(shape, wanted, strict=True)
    )


def _member(kind: type[Enum], raw: object) -> Enum:
    try:
        return kind(raw)
    except ValueError as fault:
        raise Garbled(f"not a {kind.__name__}") from fault


def _whole(text: str) -> str:
    """``text`` with the sign for the unreadable in place of each half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
