"""Map files with flipped bytes, cut ends and false headers give a map or a MediaError, and nothing else."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bindsearch.errors import DamagedFile, MediaError
from bindsearch.loaders import LoadOptions
from bindsearch.loaders.hints import NO_HINT
from bindsearch.modality import Modality
from tests.loaders.maps.makers import (
    DEPTH,
    THERMAL,
    counts_of,
    fff,
    flir_jpeg,
    google_jpeg,
    people,
    read,
    room,
    ruled,
    write,
)

_ROUNDS = 40
_LOUD = ("exr", "tiff", "tiff-deflate")  # OpenEXR and libtiff print by themselves what they stumble over
_HINTS = (NO_HINT, DEPTH, THERMAL, ruled(Modality.DEPTH, scale=0.01), ruled(Modality.IMAGE))
_METRES = (room(20, 24) / 1000).astype(np.float32)
_GOOGLE = 'GDepth:Format="RangeInverse" GDepth:Near="0.5" GDepth:Far="8" GDepth:Units="m"'

_MAKERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "png": ("PNG", lambda path: write(path, "PNG", room(20, 24))),
    "tiff": ("TIFF", lambda path: write(path, "TIFF", room(20, 24))),
    "tiff-deflate": ("TIFF", lambda path: write(path, "TIFF", room(20, 24), compression="deflate")),
    "tiff-half": ("TIFF", lambda path: write(path, "TIFF", _METRES.astype(np.float16))),
    "tiff-double": (
        "TIFF",
        lambda path: write(path, "TIFF", _METRES.astype(np.float64), compression="deflate"),
    ),
    "pgm": ("PPM", lambda path: write(path, "PPM", room(20, 24))),
    "pgm-plain": ("PPM", lambda path: write(path, "PPM", room(20, 24), plain=True)),
    "jpeg2000": ("JPEG2000", lambda path: write(path, "JPEG2000", room(20, 24))),
    "exr": ("EXR", lambda path: write(path, "EXR", _METRES)),
    "pfm": ("PFM", lambda path: write(path, "PFM", _METRES)),
    "npy": ("NPY", lambda path: write(path, "NPY", _METRES)),
    "npz": ("NPZ", lambda path: write(path, "NPZ", _METRES)),
    "flir": ("JPEG", lambda path: flir_jpeg(path, fff(counts_of(people(16, 20))))),
    "flir-png": ("JPEG", lambda path: flir_jpeg(path, fff(counts_of(people(16, 20)), as_png=True))),
    "google": (
        "JPEG",
        lambda path: google_jpeg(path, np.arange(600, dtype=np.uint8).reshape(20, 30), _GOOGLE),
    ),
}


@cache
def _whole(name: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        _MAKERS[name][1](path)
        return path.read_bytes()


def _mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A few bytes flipped, most of them in the header; or the end cut; or a stretch filled with one byte."""
    damaged = bytearray(content)
    for _ in range(random.integers(1, 5)):
        reach = len(damaged) if random.random() < 0.4 else min(400, len(damaged))
        place = int(random.integers(reach))
        damaged[place] = int(random.choice((0, 1, 0x7F, 0x80, 0xFF, random.integers(256))))
    if random.random() < 0.3:
        del damaged[int(random.integers(1, len(damaged))) :]
    if random.random() < 0.2:
        place = int(random.integers(len(damaged)))
        damaged[place : place + 8] = bytes([random.choice((0, 0xFF))]) * min(8, len(damaged) - place)
    return bytes(damaged)


@pytest.mark.parametrize("name", _MAKERS)
def test_mutations_give_maps_or_reasons_and_print_nothing_of_our_own(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(list(name.encode()))
    options = LoadOptions(max_pixels=1_000_000)
    path = tmp_path / "file"
    for _ in range(_ROUNDS):
        path.write_bytes(_mutated(_whole(name), random))
        for hint in _HINTS:
            try:
                _, media, _ = read(path, _MAKERS[name][0], hint, options)
            except MediaError as fault:
                assert fault.subject == str(path) and "\n" not in str(fault)
            else:
                assert media
    assert name in _LOUD or capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", _MAKERS)
def test_a_file_cut_in_half_is_refused_or_read_in_part(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(_whole(name)[: len(_whole(name)) // 2])
    with pytest.raises(DamagedFile) as refused:
        read(path, _MAKERS[name][0], ruled(Modality.DEPTH, scale=0.01))
    assert re.search("truncated|not a|needs more|read", refused.value.message)


def _npy(header: str, body: bytes = b"", version: int = 1) -> bytes:
    text = header.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text + body


def _npy_of(descr: str, shape: str, body: bytes = b"") -> bytes:
    return _npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n", body)


def _zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("depth.npy", content)
    return target.getvalue()


def _tiff(width: int, height: int, bits: int) -> bytes:
    fields = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    fields += [(277, 3, 1), (278, 4, height), (279, 4, 100), (339, 3, 3)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in fields)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + entries + bytes(300)


def _exr_of(size: int) -> bytes:
    content = bytearray(_whole("exr"))
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = content.index(name) + len(name) + 4
        struct.pack_into("<4i", content, at, 0, 0, size - 1, size - 1)
    return bytes(content)


_BOMBS = {
    "npy of a billion": ("NPY", _npy_of("'<f8'", "(100000, 100000)"), "too many pixels"),
    "npy cut short": ("NPY", _npy_of("'<f4'", "(10000, 10000)", bytes(99)), "truncated"),
    "npy of many axes": ("NPY", _npy_of("'<f4'", "(" + "99999," * 30 + ")"), "no map"),
    "npy of a negative side": ("NPY", _npy_of("'<f4'", "(-20, -30)"), "without a shape|not a"),
    "npy of objects": ("NPY", _npy_of("'|O'", "(20, 20)", bytes(999)), "no map"),
    "npy of records": ("NPY", _npy_of("[('a', '<f4')]", "(20, 20)", bytes(9999)), "no map"),
    "npy that calls": ("NPY", _npy("__import__('os').abort()\n"), "not a"),
    "npy of brackets": ("NPY", _npy("(" * 9000), "not a"),
    "npy of a long header": ("NPY", _npy(" " * 50_000, version=2), "too long"),
    "npy of no dictionary": ("NPY", _npy("[1, 2]"), "not a"),
    "npz of a billion": ("NPZ", _zipped(_npy_of("'<f8'", "(100000, 100000)")), "too many pixels"),
    "npz cut short": ("NPZ", _zipped(_npy_of("'<f4'", "(10000, 10000)", bytes(99))), "truncated"),
    "npz of no zip": ("NPZ", b"PK\3\4" + bytes(100), "not a"),
    "pfm of a billion": ("PFM", b"Pf\n99999 99999\n-1\n" + bytes(99), "too many pixels"),
    "pfm cut short": ("PFM", b"Pf\n9999 9999\n-1\n" + bytes(99), "truncated"),
    "pfm of no scale": ("PFM", b"Pf\n20 20\n0.0\n" + bytes(1600), "not a float map"),
    "pfm of no size": ("PFM", b"Pf\n0 20\n-1\n" + bytes(1600), "0 x 20"),
    "pgm of a billion": ("PPM", b"P5 99999 99999 65535\n" + bytes(99), "too many pixels"),
    "pgm cut short": ("PPM", b"P5 9999 9999 65535\n" + bytes(99), "truncated"),
    "plain pgm cut short": ("PPM", b"P2 99 99 65535\n1 2 3", "truncated"),
    "plain pgm of words": ("PPM", b"P2 2 2 65535\n1 2 x y", "not a"),
    "plain pgm beyond": ("PPM", b"P2 2 2 65535\n1 2 3 -99999", "not a"),
    "tiff of halves": ("TIFF", _tiff(99_999, 99_999, 16), "too many pixels"),
    "tiff of floats": ("TIFF", _tiff(99_999, 99_999, 32), "too many pixels"),
    "tiff of halves cut short": ("TIFF", _tiff(9999, 9999, 16), "truncated|not a"),
    "exr of a billion": ("EXR", _exr_of(100_000), "too many pixels"),
    "exr cut short": ("EXR", _exr_of(3000), "not a|truncated"),
    "exr of a negative window": ("EXR", _exr_of(-5), "not a|pixels"),
    "exr of nothing": ("EXR", b"\x76\x2f\x31\x01" + bytes(100), "not a"),
}


@pytest.mark.parametrize("name", _BOMBS)
def test_headers_that_promise_too_much_are_refused(name: str, tmp_path: Path) -> None:
    kind, content, reason = _BOMBS[name]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(MediaError) as refused:
        read(path, kind, DEPTH)
    assert re.search(reason, refused.value.message), refused.value.message
    assert refused.value.subject == str(path)


def test_a_limit_holds_for_the_picture_within_a_flir_file(tmp_path: Path) -> None:
    pytest.importorskip("flyr")
    path = flir_jpeg(tmp_path / "file", fff(counts_of(people(100, 100))))
    assert "cannot be read" in read(path, "JPEG", options=LoadOptions(max_pixels=5000))[2][1]


@pytest.mark.parametrize("name", ["missing", "folder", "pipe"])
@pytest.mark.parametrize("kind", ["PNG", "EXR", "PFM", "NPY", "NPZ"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    import os

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedFile):
        read(tmp_path / name, kind, DEPTH)


def test_a_picture_of_16_bits_says_what_was_seen_in_it(tmp_path: Path) -> None:
    path = tmp_path / "odd.name.png"
    Image.fromarray(np.arange(0, 9870, 10, dtype=np.uint16)[:980].reshape(28, 35)).save(path)
    with pytest.raises(MediaError, match=r"^\S+: 16-bit grey PNG, values 0 to 9,790: a depth map or heat\?"):
        read(path, "PNG")
