"""Still pictures: upright, sRGB, as large as asked, with their time and place."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders import FileFacts, LoadOptions, load
from bindsearch.loaders.exif import camera_name, read_exif, timestamp
from bindsearch.media import Picture
from tests.hostile import encoded, gif_of_size, heic, jpeg, png_of_size, scene

WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def _read(
    folder: Path, content: bytes, options: LoadOptions | None = None
) -> tuple[FileFacts, NDArray[np.uint8]]:
    path = folder / "picture"
    path.write_bytes(content)
    loaded = load(path, options or LoadOptions())
    (picture,) = loaded.media
    assert isinstance(picture, Picture)
    assert (
        picture.pixels.dtype == np.uint8
        and picture.pixels.flags.c_contiguous
        and picture.pixels.shape[2] == 3
    )
    return loaded.facts, picture.pixels


def _exif(
    main: dict[int, Any], details: dict[int, Any] | None = None, gps: dict[int, Any] | None = None
) -> Image.Exif:
    exif = Image.Exif()
    exif.update(main)
    exif.get_ifd(0x8769).update(details or {})
    exif.get_ifd(0x8825).update(gps or {})
    return exif


def _near(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) < 6


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "SGI", "QOI"])
def test_lossless_formats_come_back_exactly(tmp_path: Path, kind: str) -> None:
    facts, pixels = _read(tmp_path, encoded(kind))
    assert np.array_equal(pixels, scene())
    assert (facts.width, facts.height, facts.format) == (96, 64, kind)


@pytest.mark.parametrize(
    "content", [jpeg(quality=95), encoded("WEBP", quality=95), encoded("AVIF", quality=95), heic()]
)
def test_lossy_formats_come_back_nearly(tmp_path: Path, content: bytes) -> None:
    assert _near(_read(tmp_path, content)[1], scene())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_ends_upright(tmp_path: Path, orientation: int) -> None:
    upright = scene()
    undo = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = _exif({0x0112: orientation})
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        facts, pixels = _read(tmp_path, encoded(kind, np.ascontiguousarray(undo[orientation]), exif=exif))
        assert _near(pixels, upright), kind
        assert (facts.width, facts.height) == (96, 64)


def test_time_place_and_camera_are_read(tmp_path: Path) -> None:
    exif = _exif(
        {0x010F: "Canon", 0x0110: "Canon EOS 5D", 0x0132: "2001:01:01 00:00:00"},
        {0x9003: "2024:05:31 18:20:07", 0x9011: "+02:00", 0x9291: "25"},
        {1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)},
    )
    for kind in ("JPEG", "PNG", "WEBP", "AVIF"):
        facts, _ = _read(tmp_path, encoded(kind, exif=exif))
        assert facts.taken_at == datetime(2024, 5, 31, 16, 20, 7, 250_000, UTC).timestamp(), kind
        assert facts.latitude == pytest.approx(-33.86) and facts.longitude == pytest.approx(151.2), kind
        assert facts.camera == "Canon EOS 5D", kind


def test_a_tiff_file_tells_its_facts_itself(tmp_path: Path) -> None:
    facts, _ = _read(
        tmp_path, encoded("TIFF", exif=_exif({0x0110: "Scanner", 0x0132: "2024:05:31 18:20:07"}))
    )
    assert facts.taken_at == timestamp("2024:05:31 18:20:07") and facts.camera == "Scanner"


def test_heic_carries_its_time_and_is_turned_once(tmp_path: Path) -> None:
    import pillow_heif

    target = BytesIO()
    exif = _exif({0x0112: 6, 0x0132: "2024:05:31 18:20:07"}, {0x9010: "Z"})
    pillow_heif.from_pillow(Image.fromarray(scene())).save(target, exif=exif.tobytes(), quality=90)
    facts, pixels = _read(tmp_path, target.getvalue())
    assert facts.taken_at == datetime(2024, 5, 31, 18, 20, 7, tzinfo=UTC).timestamp()
    assert pixels.shape[:2] == (facts.height, facts.width)


def test_a_clock_without_zone_is_local_time() -> None:
    local = datetime(2024, 5, 31, 18, 20, 7).astimezone()
    assert timestamp("2024:05:31 18:20:07") == local.timestamp()


@pytest.mark.parametrize(
    "date", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2024:13:41 25:00:00", "", "yesterday"]
)
def test_dates_that_were_never_set_are_no_dates(date: str) -> None:
    assert timestamp(date) is None


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (99.0, 0.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)},
        {1: "N", 2: (49.0, 0.0, 0.0)},
    ],
)
def test_places_that_are_none_are_left_out(tmp_path: Path, gps: dict[int, Any]) -> None:
    facts, _ = _read(tmp_path, jpeg(exif=_exif({}, {}, gps)))
    assert (facts.latitude, facts.longitude) == (None, None)


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Apple", "iPhone 15", "Apple iPhone 15"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("", "", None),
    ],
)
def test_a_camera_is_named_once(make: str, model: str, name: str | None) -> None:
    assert camera_name(make, model) == name


@given(st.binary(max_size=300))
def test_no_exif_block_can_break_its_reader(block: bytes) -> None:
    for order in (b"", b"II*\0", b"MM\0*", b"Exif\0\0II*\0\x08\0\0\0"):
        assert read_exif(order + block).orientation in range(1, 9)


def test_a_picture_with_broken_exif_is_read_without_it(tmp_path: Path) -> None:
    facts, _ = _read(tmp_path, jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(40)))
    assert facts.taken_at is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("shape", [(1000, 700), (700, 1000), (330, 4000), (90, 61), (64, 64), (50, 40)])
def test_pictures_come_smaller_but_not_below_the_side_asked(
    tmp_path: Path, kind: str, shape: tuple[int, int]
) -> None:
    facts, pixels = _read(tmp_path, encoded(kind, scene(*shape)), LoadOptions(picture_side=64))
    assert (facts.width, facts.height) == shape
    shorter = min(pixels.shape[:2])
    assert (shorter == min(shape)) if min(shape) <= 64 else 64 <= shorter < 128
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(shape[0] / shape[1], rel=0.03)


def test_the_smaller_picture_shows_the_same(tmp_path: Path) -> None:
    whole = scene(800, 600)
    for kind in ("JPEG", "PNG"):
        _, pixels = _read(tmp_path, encoded(kind, whole), LoadOptions(picture_side=100))
        expected = np.asarray(Image.fromarray(whole).resize(pixels.shape[1::-1], Image.Resampling.BOX))
        assert _near(pixels, expected)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, 4:] = (200, 0, 0, 255)
    for picture in (
        Image.fromarray(clear),
        Image.fromarray(clear).convert("LA"),
        Image.fromarray(clear).quantize(8),
    ):
        target = BytesIO()
        picture.save(target, "PNG")
        _, pixels = _read(tmp_path, target.getvalue())
        assert tuple(pixels[0, 0]) == WHITE, picture.mode
        assert pixels[0, 7, 1] < 100, picture.mode


def test_a_colour_declared_transparent_is_laid_on_white(tmp_path: Path) -> None:
    target = BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(target, "PNG", transparency=(1, 2, 3))
    assert tuple(_read(tmp_path, target.getvalue())[1][0, 0]) == WHITE


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "JPEG"), ("L", "PNG"), ("P", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"),
     ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF"), ("LA", "PNG"), ("RGBA", "WEBP")],
)  # fmt: skip
def test_every_colour_mode_becomes_srgb(tmp_path: Path, mode: str, kind: str) -> None:
    grey = Image.new("RGB", (40, 30), BLACK)
    grey.paste(WHITE, (20, 0, 40, 30))
    target = BytesIO()
    if mode == "LAB":
        lab = ImageCms.profileToProfile(
            grey, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert lab is not None
        lab.save(target, kind)
    else:
        grey.convert(mode).save(target, kind)
    for side in (None, 10):
        _, pixels = _read(tmp_path, target.getvalue(), LoadOptions(picture_side=side))
        assert pixels[2, 1].max() < 60 and pixels[2, -2].min() > 200


def test_a_colour_profile_is_applied(tmp_path: Path) -> None:
    plain = Image.new("RGB", (8, 8), (120, 60, 30))
    swapped = _read(tmp_path, _with_profile(plain, _gamma_one_profile()))[1]
    assert swapped[0, 0, 0] > 150  # linear 120 is much brighter in sRGB
    broken = _read(tmp_path, _with_profile(plain, b"\0" * 16 + b"RGB " + b"\0" * 200))[1]
    assert tuple(broken[0, 0]) == (120, 60, 30)


def _with_profile(picture: Image.Image, profile: bytes) -> bytes:
    target = BytesIO()
    picture.save(target, "PNG", icc_profile=profile)
    return target.getvalue()


def _gamma_one_profile() -> bytes:
    """The sRGB profile with its three curves made straight lines and its name taken away."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    for entry in range(count):
        at = 132 + 12 * entry
        tag, offset = bytes(profile[at : at + 4]), struct.unpack(">I", profile[at + 4 : at + 8])[0]
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            profile[offset : offset + 12] = b"curv" + bytes(8)
    return (
        bytes(profile)
        .replace("sRGB".encode("utf-16-be"), "line".encode("utf-16-be"))
        .replace(b"sRGB", b"line")
    )


def test_depth_maps_are_refused_rather_than_squashed(tmp_path: Path) -> None:
    depth = np.arange(600, dtype=np.uint16).reshape(20, 30)
    for content in (encoded("PNG", depth), encoded("TIFF", depth), encoded("TIFF", depth.astype(np.float32))):
        with pytest.raises(UnsupportedFile, match="depth map"):
            _read(tmp_path, content)


def test_sixteen_bit_colour_is_read_as_eight(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 0xFFFF, 0x8000, 0) * 4 for _ in range(4))
    content = bytearray(png_of_size(4, 4))
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    whole = (
        bytes(content[:8])
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert tuple(_read(tmp_path, whole)[1][0, 0]) == (255, 128, 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_its_first_frame_that_shows_something(tmp_path: Path, kind: str) -> None:
    shown = Image.fromarray(scene())
    black = Image.new("RGB", shown.size, BLACK)
    target = BytesIO()
    black.save(
        target, kind, save_all=True, append_images=[black.point(lambda level: level + 2), shown, black]
    )
    _, pixels = _read(tmp_path, target.getvalue())
    assert np.ptp(pixels) > 100


@pytest.mark.parametrize("content", [png_of_size(20_000, 20_000), gif_of_size(30_000, 30_000)])
def test_our_own_limit_stops_a_bomb_before_it_is_decoded(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DamagedFile, match="too many pixels"):
        _read(tmp_path, content)


def test_a_large_panorama_within_the_limit_is_read_whatever_pillow_thinks_of_it(tmp_path: Path) -> None:
    target = BytesIO()
    Image.new("L", (20_000, 4_700), 77).save(target, "JPEG")
    assert Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < 20_000 * 4_700
    facts, pixels = _read(tmp_path, target.getvalue(), LoadOptions(picture_side=100))
    assert facts.width == 20_000 and np.all(pixels == 77)


def test_the_limit_is_an_option(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="96 x 64, the limit is 6,000"):
        _read(tmp_path, jpeg(), LoadOptions(max_pixels=6_000))


def test_a_compressed_text_bomb_in_a_png_is_refused_or_ignored(tmp_path: Path) -> None:
    import zlib

    data = b"Comment\0\0" + zlib.compress(bytes(50_000_000))
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = encoded("PNG")
    with pytest.raises(DamagedFile, match="not a picture that can be read"):
        _read(tmp_path, whole[:33] + chunk + whole[33:])


def test_pillows_own_settings_are_left_alone(tmp_path: Path) -> None:
    from PIL import ImageFile

    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, "HEIF" in Image.OPEN)
    _read(tmp_path, heic())
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, "HEIF" in Image.OPEN)
