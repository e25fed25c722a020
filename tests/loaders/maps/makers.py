"""Writers of real map files: Pillow, tifffile, OpenEXR, NumPy, and by hand what no library writes."""

from __future__ import annotations

import base64
import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bindsearch.loaders import FileFacts, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.maps import load_map, load_picture
from bindsearch.media import DepthMap, HeatMap, Media
from bindsearch.modality import Modality

DEPTH, THERMAL = Hint(modality=Modality.DEPTH), Hint(modality=Modality.THERMAL)
OPTIONS = LoadOptions()
MAP_KINDS = ("EXR", "PFM", "NPY", "NPZ")


def ruled(modality: Modality, **said: Any) -> Hint:
    """A hint as a rule of the user gives it."""
    return Hint(modality=modality, ruled=True, **said)


def room(height: int = 48, width: int = 64, seed: int = 0) -> NDArray[np.uint16]:
    """A plausible room in millimetres: a slope from 1 to 4 m with bumps; no holes, no common step."""
    random = np.random.default_rng(seed)
    slope = np.linspace(1000, 4000, height)[:, np.newaxis] + np.linspace(0, 300, width)
    return (slope + random.integers(0, 90, (height, width))).astype(np.uint16)


def people(height: int = 48, width: int = 64, seed: int = 0) -> NDArray[np.float64]:
    """A plausible scene in degrees Celsius: walls of 18 to 22, something of 34."""
    random = np.random.default_rng(seed)
    scene = np.linspace(18, 22, height)[:, np.newaxis] + random.normal(0, 0.2, (height, width))
    scene[height // 4 : height // 2, width // 4 : width // 2] += 14
    return scene


def read(
    path: Path, kind: str, hint: Hint = NO_HINT, options: LoadOptions = OPTIONS
) -> tuple[FileFacts, list[Media], tuple[str, ...]]:
    """The facts, media and notes of a file."""
    load = load_map if kind in MAP_KINDS else load_picture
    loaded = load(path, kind, options, hint)
    return loaded.facts, list(loaded.media), loaded.notes


def read_depth(path: Path, kind: str, hint: Hint = DEPTH, options: LoadOptions = OPTIONS) -> DepthMap:
    facts, (medium,), _ = read(path, kind, hint, options)
    assert isinstance(medium, DepthMap) and facts.modality is Modality.DEPTH and facts.format == kind
    assert medium.metres.dtype == np.float32 and medium.metres.flags.c_contiguous
    return medium


def read_heat(path: Path, kind: str, hint: Hint = THERMAL, options: LoadOptions = OPTIONS) -> HeatMap:
    facts, (medium,), _ = read(path, kind, hint, options)
    assert isinstance(medium, HeatMap) and facts.modality is Modality.THERMAL and facts.format == kind
    assert medium.heat.dtype == np.float32 and medium.heat.flags.c_contiguous
    return medium


def write(path: Path, kind: str, values: NDArray[Any], **options: Any) -> Path:
    """``values`` (height, width) as a file of ``kind``."""
    if kind in ("PNG", "JPEG", "JPEG2000"):
        Image.fromarray(values).save(path, kind, **options)
    elif kind == "TIFF":
        import tifffile

        tifffile.imwrite(path, values, **options)
    elif kind == "NPY":
        with path.open("wb") as file:
            np.save(file, values)
    elif kind == "NPZ":
        with path.open("wb") as file:
            np.savez_compressed(file, **{options.get("name", "arr_0"): values})
    elif kind == "EXR":
        exr(path, {options.get("name", "Z"): values})
    else:
        {"PPM": pgm, "PFM": pfm}[kind](path, values, **options)
    return path


def exr(path: Path, channels: dict[str, NDArray[Any]]) -> Path:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(
        header, {name: np.ascontiguousarray(values) for name, values in channels.items()}
    ) as file:
        file.write(str(path))
    return path


def pfm(path: Path, values: NDArray[Any], little: bool = True) -> None:
    height, width = values.shape
    header = f"Pf\n{width} {height}\n{'-1.0' if little else '1.0'}\n".encode()
    path.write_bytes(header + values[::-1].astype("<f4" if little else ">f4").tobytes())


def pgm(path: Path, values: NDArray[Any], largest: int | None = None, plain: bool = False) -> None:
    height, width = values.shape
    letter = "P2" if plain else "P5"
    header = f"{letter}\n# by hand\n{width} {height}\n{largest or max(256, values.max())}\n".encode()
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(">u2").tobytes()
    path.write_bytes(header + body)


R1, R2, B, F, O = 17096.453, 0.046952, 1428.0, 1.0, -342  # noqa: E741 - Planck's constants of a FLIR E40
_SEGMENT = 65_000


def counts_of(celsius: NDArray[np.float64]) -> NDArray[np.uint16]:
    """What a FLIR sensor counts for a black body of these degrees, seen through nothing."""
    kelvin = celsius + 273.15
    return np.round(R1 / (R2 * (np.exp(B / kelvin) - F)) - O).astype(np.uint16)


def fff(counts: NDArray[np.uint16], as_png: bool = False, size: tuple[int, int] | None = None) -> bytes:
    """FLIR's container with a raw record and the camera's calibration."""
    height, width = size or counts.shape
    body = io.BytesIO()
    if as_png:  # in which cameras swap the bytes
        Image.fromarray(counts.byteswap()).save(body, "PNG")
    else:
        body.write(counts.astype("<u2").tobytes())
    raw = struct.pack("<HHH", 2, width, height) + bytes(26) + body.getvalue()
    camera = bytearray(1024)
    struct.pack_into("<8f", camera, 32, 1.0, 0.0, 295.0, 295.0, 295.0, 1.0, 0.0, 0.5)
    struct.pack_into("<f", camera, 60, 0.5)
    struct.pack_into("<3f", camera, 88, R1, B, F)
    struct.pack_into("<5f", camera, 112, 0.006569, 0.01262, -0.002276, -0.00667, 1.9)
    struct.pack_into("<if", camera, 776, O, R2)
    records = [(1, raw), (32, bytes(camera))]
    at = 64 + 32 * len(records)
    directory = b""
    for kind, content in records:
        directory += struct.pack(">HHIIII12x", kind, 3 if as_png else 2, 0x64, 1, at, len(content))
        at += len(content)
    header = b"FFF\0" + b"CAMCTRL".ljust(16, b"\0") + struct.pack(">III", 100, 64, len(records))
    return header.ljust(64, b"\0") + directory + raw + bytes(camera)


def flir_jpeg(path: Path, container: bytes, **options: Any) -> Path:
    """A colourful JPEG with ``container`` in its APP1 segments."""
    colours = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(colours).save(target, "JPEG", **options)
    chunks = [container[at : at + _SEGMENT] for at in range(0, len(container), _SEGMENT)]
    segments = b"".join(
        segment(b"FLIR\0\x01" + bytes((number, len(chunks) - 1)) + chunk)
        for number, chunk in enumerate(chunks)
    )
    return insert(path, target.getvalue(), segments)


def segment(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def insert(path: Path, jpeg: bytes, segments: bytes) -> Path:
    path.write_bytes(jpeg[:2] + segments + jpeg[2:])
    return path


def google_jpeg(path: Path, levels: NDArray[Any], said: str, **options: Any) -> Path:
    """A JPEG with GDepth: ``said`` in its XMP, ``levels`` as a PNG in the extended XMP."""
    target, picture = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (40, 30), (200, 90, 10)).save(target, "JPEG", **options)
    Image.fromarray(levels).save(picture, "PNG")
    extended = b'<x GDepth:Data="' + base64.b64encode(picture.getvalue()) + b'"/>'
    digest = b"0" * 32
    parts = b"".join(
        segment(
            b"http://ns.adobe.com/xmp/extension/\0"
            + digest
            + struct.pack(">II", len(extended), at)
            + extended[at : at + 1000]
        )
        for at in range(0, len(extended), 1000)
    )
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d {said}/></x:xmpmeta>'.encode()
    return insert(path, target.getvalue(), segment(b"http://ns.adobe.com/xap/1.0/\0" + xmp) + parts)


def near(one: float, other: float, within: float) -> bool:
    return math.isclose(one, other, abs_tol=within)


def heic_with_depth(
    path: Path, levels: NDArray[np.uint8], kind: int, span: tuple[float, float] | None
) -> Path:
    """A HEIC whose second picture, of ``levels``, is marked as the depth of the first.

    ``kind`` is the representation (0 inverse distance, 1 disparity, 2 distance); ``span`` the nearest and the
    farthest distance, powers of two. No library writes such files: the boxes are changed by hand.
    """
    import pillow_heif

    height, width = levels.shape
    made = pillow_heif.from_pillow(Image.new("RGB", (width, height), (200, 90, 10)))
    made.add_from_pillow(Image.fromarray(levels))
    target = io.BytesIO()
    made.save(target, quality=-1, chroma=444)
    content = target.getvalue()
    message = _depth_message(kind, span)
    kinds = _box(b"auxC", bytes(4) + b"urn:mpeg:hevc:2015:auxid:2\0" + message)
    reference = _box(b"iref", bytes(4) + _box(b"auxl", struct.pack(">HHH", 2, 1, 1)))
    return _with_boxes(path, content, kinds, reference)


def _depth_message(kind: int, span: tuple[float, float] | None) -> bytes:
    """HEVC's SEI message 177 in its NAL unit, with the two lengths before it."""
    bits = ("1100" if span else "0000") + ("1", "010", "011")[kind]
    for metres in span or ():
        exponent = int(math.log2(metres)) + 31
        bits += f"0{exponent:07b}000000"  # no sign, one bit of mantissa, which is 0
    bits = bits.ljust(-len(bits) % 8 + len(bits), "0")
    payload = int(bits, 2).to_bytes(len(bits) // 8)
    unit = b"\x4e\x01\xb1" + bytes([len(payload)]) + payload
    return struct.pack(">II", len(unit) + 4, len(unit)) + unit


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def _with_boxes(path: Path, content: bytes, kinds: bytes, reference: bytes) -> Path:
    """Put ``kinds`` behind the properties, give it to picture 2, put ``reference`` at the end of ``meta``."""
    made = bytearray(content)
    meta, iprp, ipco, ipma = (content.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma"))
    size = {at: int.from_bytes(content[at : at + 4]) for at in (meta, iprp, ipco, ipma)}
    properties = 0
    place = ipco + 8
    while place < ipco + size[ipco]:
        properties += 1
        place += int.from_bytes(content[place : place + 4])
    # The second entry of ipma is the last: its count grows by one, and the new property follows.
    first = ipma + 16
    second = first + 3 + content[first + 2]
    made[second + 2] += 1
    made[meta + size[meta] : meta + size[meta]] = reference
    made[ipma + size[ipma] : ipma + size[ipma]] = bytes([properties + 1])
    made[ipco + size[ipco] : ipco + size[ipco]] = kinds
    growth = {meta: len(reference) + 1 + len(kinds), iprp: 1 + len(kinds), ipco: len(kinds)}
    for at, grown in growth.items():
        struct.pack_into(">I", made, at, size[at] + grown)
    moved = made.index(b"ipma") - 4
    struct.pack_into(">I", made, moved, size[ipma] + 1)
    items = made.index(b"iloc") + 12  # of version 0: id, reference, base offset, extents of offset and length
    for item in range(2):
        base = items + item * 18 + 4
        (offset,) = struct.unpack_from(">I", made, base)
        struct.pack_into(">I", made, base, offset + growth[meta])
    path.write_bytes(made)
    return path
