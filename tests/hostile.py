"""Builders of test folders: files that must be refused, each with its reason, and files that must be read.

Both are quick (well under three seconds together) and need only NumPy, Pillow, pillow-heif and PyAV.
"""

from __future__ import annotations

import os
import stat
import struct
import tempfile
import wave
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

UNREADABLE = r"permission denied"


def make_hostile(folder: Path) -> dict[Path, str]:
    """Write bad files under ``folder``; for each, a pattern of its reason, or "" if merely unsupported.

    Two things are made and not listed: a folder with a link to its own parent, which is for the walker,
    and, where the user may read everything (root), the file without read permission.
    """
    folder.mkdir(parents=True, exist_ok=True)
    expected: dict[Path, str] = {}
    for name, content, reason in _bad_files():
        path = folder / os.fsdecode(name)
        path.write_bytes(content)
        expected[path] = reason
    expected.update(_not_files(folder))
    locked = folder / "locked.jpg"
    locked.write_bytes(jpeg())
    locked.chmod(0)
    if not os.access(locked, os.R_OK):
        expected[locked] = UNREADABLE
    return expected


def make_good(folder: Path) -> list[Path]:
    """Write files of many formats and odd names under ``folder``, all of which must be read."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in _good_files():
        path = folder / os.fsdecode(name)
        path.write_bytes(content)
        paths.append(path)
    return paths


def scene(width: int = 96, height: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """A picture with broad colours and a little grain: (height, width, 3)."""
    random = np.random.default_rng(seed)
    broad = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    smooth = np.asarray(broad.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = random.integers(-6, 7, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def encoded(kind: str, pixels: NDArray[np.generic] | None = None, **options: object) -> bytes:
    """``pixels`` (or a scene) as a file of Pillow's format ``kind``."""
    target = BytesIO()
    Image.fromarray(scene() if pixels is None else pixels).save(target, kind, **options)
    return target.getvalue()


def jpeg(seed: int = 0, **options: object) -> bytes:
    return encoded("JPEG", scene(seed=seed), **options)


def heic(pixels: NDArray[np.uint8] | None = None) -> bytes:
    import pillow_heif

    target = BytesIO()
    picture = Image.fromarray(scene() if pixels is None else pixels)
    pillow_heif.from_pillow(picture).save(target, quality=70)
    return target.getvalue()


def film(
    scenes: list[NDArray[np.uint8]] | None = None,
    *,
    frames_per_scene: int = 10,
    rate: int = 10,
    container: str = "mp4",
    codec: str = "mpeg4",
    times: list[float] | None = None,
    rotation: int = 0,
    keyframe_every: int = 12,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """A film of ``scenes``, each for ``frames_per_scene`` frames, shown at ``times`` (seconds) if given."""
    scenes = [scene(seed=seed) for seed in range(3)] if scenes is None else scenes
    with tempfile.NamedTemporaryFile() as target:  # "faststart" reads again what was written
        with av.open(target.name, "w", format=container, options=options or {}) as output:
            output.metadata.update(metadata or {})
            tick = Fraction(1, 1000) if times else Fraction(1, rate)
            stream = _film_stream(output, codec, scenes[0], tick, keyframe_every)
            if rotation:
                stream.set_display_rotation(rotation)
            for count, pixels in enumerate(_frames(scenes, frames_per_scene)):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.time_base = tick
                frame.pts = round(times[count] / tick) if times else count
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return Path(target.name).read_bytes()


def _film_stream(
    output: OutputContainer, codec: str, pixels: NDArray[np.uint8], tick: Fraction, keyframe_every: int
) -> VideoStream:
    stream = output.add_stream(codec, rate=1 / tick)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = pixels.shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.gop_size = keyframe_every
    stream.codec_context.time_base = tick
    return stream


def _frames(scenes: list[NDArray[np.uint8]], each: int) -> Iterator[NDArray[np.uint8]]:
    for pixels in scenes:
        for _ in range(each):
            yield pixels


def sound(container: str = "wav") -> bytes:
    target = BytesIO()
    with wave.open(target, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(8000)
        output.writeframes((_tone(800, 8000) * 32767).astype("<i2").tobytes())
    return target.getvalue()


def _tone(count: int, rate: int) -> NDArray[np.float32]:
    """``count`` samples of 440 Hz, at half of full scale."""
    return (0.5 * np.sin(np.arange(count) * (2 * np.pi * 440 / rate))).astype(np.float32)


def _archive() -> bytes:
    """A ZIP archive that holds a note."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as output:
        output.writestr("note.txt", "words")
    return target.getvalue()


def audio_film(codec: str = "aac", container: str = "matroska") -> bytes:
    """A container that could hold a film and holds a sound."""
    target = BytesIO()
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=16000)
        for start in range(0, 16000, 1024):
            samples = _tone(1024, 16000)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = 16000
            frame.pts = start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header declares the size and whose data is next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiff(entries: list[tuple[int, int, int, int]], count: int | None = None) -> bytes:
    """A TIFF with one directory of (tag, type, count, value); ``count`` may lie about its length."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries) if count is None else count) + table + bytes(4)


def _tiff_of_size(width: int, height: int) -> bytes:
    fields = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return tiff([*fields, (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100)])


def gif_of_size(width: int, height: int) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00;"


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose frame header declares another size than its data has."""
    content = bytearray(jpeg())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def endless_avi() -> bytes:
    """An AVI that says it has four thousand million frames."""
    content = bytearray(film(container="avi"))
    at = content.index(b"strh") + 8 + 32
    content[at : at + 4] = struct.pack("<I", 4_000_000_000)
    return bytes(content)


def slow_mp4() -> bytes:
    """An MP4 whose few frames are said to last 10^9 seconds together."""
    content = bytearray(film())
    clock = content.index(b"mdhd") + 16
    content[clock : clock + 4] = struct.pack(">I", 1)  # one tick a second
    times = content.index(b"stts") + 8
    frames = struct.unpack(">I", content[times + 4 : times + 8])[0]
    content[times + 8 : times + 12] = struct.pack(">I", 1_000_000_000 // frames)
    return bytes(content)


def _bad_files() -> Iterator[tuple[bytes, bytes, str]]:
    yield from _empty_and_noise()
    yield from _mislabelled()
    yield from _truncated()
    yield from _bombs()
    yield from _bad_texts()
    yield from _unsupported()


def _empty_and_noise() -> Iterator[tuple[bytes, bytes, str]]:
    for suffix in (b"jpg", b"png", b"mp4", b"md", b"heic"):
        yield b"empty." + suffix, b"", r"^empty file"
    noise = np.random.default_rng(7).bytes(6000)
    for suffix in (b"jpg", b"png", b"gif", b"webp", b"heic", b"tiff"):
        yield b"noise." + suffix, b"\x01" + noise, r"but its bytes are no picture"
    for suffix in (b"mp4", b"mkv", b"avi"):
        yield b"noise." + suffix, b"\x01" + noise, r"not a film that can be read"
    yield b"noise as a note.txt", b"\x01" + noise, r"NUL|control"
    yield b"noise", b"\x01" + noise, ""


def _mislabelled() -> Iterator[tuple[bytes, bytes, str]]:
    for suffix in (b"jpg", b"png", b"mp4", b"heic"):
        yield b"text." + suffix, b"just words\n", rf"^named \.{suffix.decode()}, but its bytes are text"
    yield b"- a name\nof two lines \xff.jpg", b"words", r"its bytes are text"
    yield "🐙".encode() * 60 + b".png", b"words", r"its bytes are text"


def _truncated() -> Iterator[tuple[bytes, bytes, str]]:
    whole = jpeg()
    for part in (4, 100, len(whole) // 2, len(whole) - 200):
        yield b"cut at %d.jpg" % part, whole[:part], r"truncated|not a picture"
    for kind in ("PNG", "WEBP", "GIF", "AVIF", "BMP"):
        whole = encoded(kind)
        yield b"cut." + kind.lower().encode(), whole[: len(whole) // 2], r"truncated|not a picture"
    yield b"cut.heic", heic()[:-700], r"truncated|not a picture"
    moving = film()
    yield b"cut before its index.mp4", moving[: len(moving) // 2], r"not a film"
    indexed = film(options={"movflags": "faststart"})
    yield b"cut in its pictures.mp4", indexed[: len(indexed) * 2 // 3], r"truncated|damaged"
    yield b"cut in its index.mp4", indexed[: indexed.index(b"stbl")], r"no picture track|not a film"
    yield b"far directory.tif", b"II*\0\xff\xff\xff\x7f" + bytes(50), r"truncated|not a picture"
    yield b"long directory.tif", tiff([(256, 4, 1, 8)], count=65535), r"truncated|not a picture"


def _bombs() -> Iterator[tuple[bytes, bytes, str]]:
    yield b"bomb.png", png_of_size(50_000, 50_000), r"too many pixels: 50000 x 50000"
    yield b"bomb.gif", gif_of_size(65_535, 65_535), r"too many pixels"
    yield b"bomb.jpg", jpeg_of_size(65_500, 65_500), r"too many pixels"
    yield b"bomb.tif", _tiff_of_size(100_000, 100_000), r"too many pixels"
    yield b"nothing.png", png_of_size(0, 0), r"0 x 0|not a picture"
    yield b"nothing.gif", gif_of_size(0, 0), r"0 x 0|not a picture|truncated"
    yield b"nothing.jpg", jpeg_of_size(0, 0), r"0 x 0|not a picture|truncated"
    yield b"endless.avi", endless_avi(), r"truncated|says it lasts"
    yield b"slow.mp4", slow_mp4(), r"says it lasts"


def _bad_texts() -> Iterator[tuple[bytes, bytes, str]]:
    yield b"nul.txt", b"words \0 and words", r"NUL bytes"
    yield b"nul.md", b"# words\n\n" + bytes(100), r"NUL bytes"
    yield b"utf-16 without mark.txt", "words without a mark".encode("utf-16-le"), r"NUL bytes"
    yield b"half utf-16.txt", b"\xff\xfew\0o\0r", r"UTF-16"
    yield b"only space.txt", b" \n\t\n   \r\n", r"^no text in it"
    yield b"only a mark.txt", b"\xef\xbb\xbf", r"^no text in it"
    yield b"nothing but a tag.mp3", b"ID3\x04" + bytes(100), r"not a sound|no sound"
    yield b"noise.wav", sound()[:12] + np.random.default_rng(8).bytes(2000), r"not a sound|no sound"
    yield b"cut.zip", _archive()[:60], r"not an archive"
    yield b"broken.json", b'{"acc": [1, 2', r"not JSON"
    yield b"huge.log", b"words " * 4_000_000, r"too large"


def _unsupported() -> Iterator[tuple[bytes, bytes, str]]:
    depth = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64)
    yield b"numbers.png", encoded("PNG", depth), r"16-bit grey PNG.*\.bindsearch\.toml"
    yield b"heights.tif", encoded("TIFF", depth.astype(np.float32)), r"float.*TIFF.*\.bindsearch\.toml"
    yield b"log.csv", b"time,x,y,z\n0,1,2,3\n", ""
    yield b"program.py", b"print('words')\n", ""
    yield b"archive.zip", _archive(), ""
    yield b"paper.pdf", b"%PDF-1.7\n%\xe2\xe3\n", ""
    yield b"drawing.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ""
    yield b"playlist.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", ""
    yield b"script", b"#!/bin/sh\necho words\n", ""


def _not_files(folder: Path) -> dict[Path, str]:
    pipe, socket = folder / "pipe.jpg", folder / "socket.jpg"
    os.mkfifo(pipe)
    os.mknod(socket, stat.S_IFSOCK | 0o600)
    links = {"dangling.jpg": "nowhere.jpg", "itself.jpg": "itself.jpg", "zeros.jpg": "/dev/zero"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (folder / "loop").mkdir()
    (folder / "loop" / "up").symlink_to(folder, target_is_directory=True)
    return {
        pipe: r"^not a regular file but a named pipe",
        socket: r"^not a regular file but a socket",
        folder / "dangling.jpg": r"^a symbolic link to nothing",
        folder / "itself.jpg": r"symbolic links",
        folder / "zeros.jpg": r"^not a regular file but a character device",
    }


def _good_files() -> Iterator[tuple[bytes, bytes]]:
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"):
        yield b"good." + kind.lower().encode(), encoded(kind)
    yield b"good.heic", heic()
    exif = Image.Exif()
    exif[0x0112] = 6
    yield b"turned.jpg", jpeg(exif=exif)
    yield b"broken exif.jpg", jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(9))
    yield b"really a png.jpg", encoded("PNG")
    yield b"really a jpeg.txt", jpeg(seed=2)
    yield b"two\nlines.jpg", jpeg(seed=3)
    yield b"not \xff\xfe unicode.jpg", jpeg(seed=4)
    yield b"-rf.jpg", jpeg(seed=5)
    yield b"n" * 251 + b".jpg", jpeg(seed=6)
    yield "🐙 octopus.jpg".encode(), jpeg(seed=7)
    yield b"http:film.mp4", film()
    yield b"sound.wav", sound()
    yield b"sound.mkv", audio_film()
    yield b"note.txt", b"A note about the sea.\n\nAnd a second paragraph.\n"
    yield b"note.md", "# Travels\n\nWe went to the café.\n".encode()
    yield b"README", b"A file without a suffix.\n"
