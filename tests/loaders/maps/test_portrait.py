"""Depth beside a photo: read where it is in metres, noted and left where it is relative."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.loaders import LoadOptions
from bindsearch.loaders.hints import NO_HINT
from bindsearch.media import DepthMap, Media, Picture
from bindsearch.modality import Modality
from tests.loaders.maps.makers import DEPTH, google_jpeg, heic_with_depth, read

_LEVELS = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
_INVERSE = 'GDepth:Format="RangeInverse" GDepth:Near="0.5" GDepth:Far="8"'
_LINEAR = 'GDepth:Format="RangeLinear" GDepth:Near="500" GDepth:Far="8000" GDepth:Units="mm"'


def _photo_and_depth(media: list[Media]) -> tuple[Picture, DepthMap]:
    photo, depth = media
    assert isinstance(photo, Picture) and isinstance(depth, DepthMap)
    assert depth.metres.dtype == np.float32 and depth.metres.flags.c_contiguous
    return photo, depth


@pytest.mark.parametrize(
    ("kind", "nearest", "farthest"),
    [(0, 255, 0), (1, 255, 0), (2, 0, 255)],
    ids=["inverse distance", "disparity", "distance"],
)
def test_heic_depth_with_its_range_comes_in_metres(
    tmp_path: Path, kind: int, nearest: int, farthest: int
) -> None:
    path = heic_with_depth(tmp_path / "photo.heic", _LEVELS, kind, (0.5, 8.0))
    facts, media, notes = read(path, "HEIF")
    photo, depth = _photo_and_depth(media)
    assert facts.modality is Modality.IMAGE and photo.pixels.shape == (48, 64, 3)
    parts = _LEVELS / 255
    expected = 0.5 + 7.5 * parts if kind == 2 else 1 / (parts / 0.5 + (1 - parts) / 8)
    np.testing.assert_allclose(depth.metres, expected, rtol=0.05)
    assert "in m" in notes[0]
    assert (expected[0, -1] < expected[0, 0]) == (nearest > farthest)


@pytest.mark.parametrize("kind", [0, 1])
def test_heic_depth_without_a_range_is_noted_and_left(tmp_path: Path, kind: int) -> None:
    path = heic_with_depth(tmp_path / "photo.heic", _LEVELS, kind, None)
    _, (photo,), notes = read(path, "HEIF", NO_HINT)
    assert isinstance(photo, Picture) and "relative" in notes[0]


@pytest.mark.parametrize("sort", [np.uint8, np.uint16])
@pytest.mark.parametrize(("said", "inverse"), [(_INVERSE + ' GDepth:Units="m"', True), (_LINEAR, False)])
def test_gdepth_with_a_unit_comes_in_metres(tmp_path: Path, sort: type, said: str, inverse: bool) -> None:
    top = np.iinfo(sort).max
    levels = np.linspace(0, top, 600).round().astype(sort).reshape(20, 30)
    path = google_jpeg(tmp_path / "photo.jpg", levels, said)
    _, media, _ = read(path, "JPEG", DEPTH)
    _, depth = _photo_and_depth(media)
    parts = levels / top
    expected = 8 * 0.5 / (8 - parts * 7.5) if inverse else 0.5 + 7.5 * parts
    np.testing.assert_allclose(depth.metres, expected, rtol=1e-4)


def test_gdepth_stands_upright_with_its_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    levels = np.arange(600, dtype=np.uint16).reshape(20, 30)
    path = google_jpeg(tmp_path / "photo.jpg", levels, _LINEAR, exif=exif)
    photo, depth = _photo_and_depth(read(path, "JPEG")[1])
    assert photo.pixels.shape == (40, 30, 3) and depth.metres.shape == (30, 20)
    assert depth.metres[0, -1] == depth.metres.min()


@pytest.mark.parametrize(
    "said",
    [
        _INVERSE,
        'GDepth:Format="RangeInverse" GDepth:Near="0" GDepth:Far="8" GDepth:Units="m"',
        'GDepth:Format="RangeInverse" GDepth:Near="x" GDepth:Far="8" GDepth:Units="m"',
        'GDepth:Format="Other" GDepth:Near="1" GDepth:Far="8" GDepth:Units="m"',
    ],
)
def test_gdepth_without_a_range_in_a_unit_is_noted_and_left(tmp_path: Path, said: str) -> None:
    path = google_jpeg(tmp_path / "photo.jpg", _LEVELS, said)
    _, (photo,), notes = read(path, "JPEG")
    assert isinstance(photo, Picture) and "relative" in notes[0]


def test_broken_depth_does_not_cost_the_photo(tmp_path: Path) -> None:
    path = google_jpeg(tmp_path / "photo.jpg", _LEVELS, _LINEAR)
    path.write_bytes(path.read_bytes().replace(b'GDepth:Data="iVBOR', b'GDepth:Data="AAAAA'))
    assert [type(medium) for medium in read(path, "JPEG")[1]] == [Picture]


def test_the_limit_holds_for_the_depth_picture_too(tmp_path: Path) -> None:
    path = google_jpeg(tmp_path / "photo.jpg", np.zeros((100, 100), np.uint8), _LINEAR)
    assert len(read(path, "JPEG")[1]) == 2
    assert len(read(path, "JPEG", options=LoadOptions(max_pixels=5000))[1]) == 1
