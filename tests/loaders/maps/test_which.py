"""What a file holds: a rule above all, then its content, then the habit of names; else the question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bindsearch.errors import MediaError, UnsupportedFile
from bindsearch.loaders import FileFacts, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.maps import load_picture
from bindsearch.loaders.maps.stored import Stored
from bindsearch.loaders.maps.which import heat_steps, packing, told
from bindsearch.media import Picture
from bindsearch.modality import Modality
from tests.loaders.maps.makers import DEPTH, THERMAL, people, read, room, ruled, write

IMAGE = ruled(Modality.IMAGE)
_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
_CENTIKELVIN = ((people() + 273.15) * 100).round().astype(np.uint16)
_COLOURS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
_GREY = _COLOURS[:, :, 0]


def _modality(path: Path, kind: str, hint: Hint) -> Modality | None:
    """What the file is read as, None for a question."""
    try:
        facts, media, _ = read(path, kind, hint)
    except UnsupportedFile as refused:
        assert "[[rule]]" in str(refused) and "modality = " in str(refused)
        assert refused.subject == str(path)
        return None
    assert [medium.modality for medium in media] == [facts.modality]
    return facts.modality


@pytest.mark.parametrize(
    ("values", "none", "depth", "thermal"),
    [
        (_COLOURS, Modality.IMAGE, Modality.IMAGE, Modality.IMAGE),
        (_GREY, Modality.IMAGE, None, Modality.THERMAL),
        (np.repeat(_GREY[:, :, None], 3, axis=2), Modality.IMAGE, None, Modality.THERMAL),
        (room(), None, Modality.DEPTH, Modality.THERMAL),
        (_CENTIKELVIN, Modality.THERMAL, None, Modality.THERMAL),
    ],
    ids=["colours", "grey", "equal channels", "16 bits", "kelvin"],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_table_of_decisions(
    tmp_path: Path,
    kind: str,
    values: NDArray[Any],
    none: Modality | None,
    depth: Modality | None,
    thermal: Modality | None,
) -> None:
    path = tmp_path / "map"
    Image.fromarray(values).save(path, kind)
    assert _modality(path, kind, NO_HINT) is none
    assert _modality(path, kind, DEPTH) is depth
    assert _modality(path, kind, THERMAL) is thermal
    assert _modality(path, kind, IMAGE) is Modality.IMAGE
    assert _modality(path, kind, ruled(Modality.DEPTH, scale=0.01)) is Modality.DEPTH
    assert _modality(path, kind, ruled(Modality.THERMAL)) is Modality.THERMAL


@pytest.mark.parametrize("hint", [NO_HINT, DEPTH, THERMAL, IMAGE])
def test_colour_of_16_bits_stays_a_photo(tmp_path: Path, hint: Hint) -> None:
    import tifffile

    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, _COLOURS.astype(np.uint16) * 257, photometric="rgb")
    _, (picture,), _ = read(path, "TIFF", hint)
    assert isinstance(picture, Picture)
    np.testing.assert_array_equal(picture.pixels, _COLOURS)


def test_a_rule_makes_a_picture_of_16_bits(tmp_path: Path) -> None:
    stored = np.linspace(100, 4000, 600).round().astype(np.uint16).reshape(20, 30)
    _, (picture,), _ = read(write(tmp_path / "scan.png", "PNG", stored), "PNG", IMAGE)
    assert isinstance(picture, Picture) and picture.pixels.shape == (20, 30, 3)
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 255)
    assert (np.diff(picture.pixels[:, :, 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("camera", "modality"),
    [
        (("FLIR Systems", "E40"), Modality.THERMAL),
        (("Optris", "PI 640"), Modality.THERMAL),
        (("Intel", "RealSense D435"), Modality.DEPTH),
        (("Canon", "EOS 5D"), None),
    ],
)
def test_a_camera_tells_what_its_16_bits_are(
    tmp_path: Path, camera: tuple[str, str], modality: Modality | None
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = camera
    path = tmp_path / "map.png"
    Image.fromarray(room()).save(path, exif=exif)
    assert _modality(path, "PNG", NO_HINT) is modality
    facts, _, notes = read(path, "PNG", DEPTH)
    assert facts.camera == " ".join(camera)
    assert modality is None or any(camera[1] in note for note in notes)


def test_grey_of_a_heat_camera_is_heat_and_its_colours_are_a_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "FLIR"
    for name, values, modality in (("g", _GREY, Modality.THERMAL), ("c", _COLOURS, Modality.IMAGE)):
        path = tmp_path / f"{name}.jpg"
        Image.fromarray(values).save(path, exif=exif)
        assert _modality(path, "JPEG", NO_HINT) is modality


def test_a_mark_in_colour_does_not_make_a_thermal_picture_a_photo(tmp_path: Path) -> None:
    marked = np.repeat(_grey_slope()[:, :, None], 3, axis=2)
    marked[50:52, 40:60] = (255, 0, 0)
    path = tmp_path / "map.png"
    Image.fromarray(marked).save(path)
    assert _modality(path, "PNG", THERMAL) is Modality.THERMAL
    marked[:20] = (255, 0, 0)
    Image.fromarray(marked).save(path)
    assert _modality(path, "PNG", THERMAL) is Modality.IMAGE


def _grey_slope() -> NDArray[np.uint8]:
    return np.linspace(0, 255, 96 * 128).reshape(96, 128).round().astype(np.uint8)


def test_two_readings_of_one_range_are_asked_about(tmp_path: Path) -> None:
    path = write(tmp_path / "map.png", "PNG", _CENTIKELVIN)
    with pytest.raises(UnsupportedFile, match=r"named as depth, but .* as Kelvin x 100") as refused:
        read(path, "PNG", DEPTH)
    assert 'modality = "depth", unit = "mm"' in str(refused.value)
    assert 'modality = "thermal", unit = "centikelvin"' in str(refused.value)


def test_the_notes_say_how_a_file_was_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "map.png", "PNG", room())
    assert read(path, "PNG", DEPTH)[2] == (
        "depth by the names of file and folders",
        "in mm, as 16-bit depth maps usually are",
    )
    path = write(tmp_path / "heat.png", "PNG", _CENTIKELVIN)
    assert "Kelvin x 100" in read(path, "PNG")[2][0] and "Kelvin x 100" in read(path, "PNG")[2][1]


_UNITS: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
    "millimetres": lambda d: d,
    "sunrgbd": lambda d: ((d << 3) | (d >> 13)) & 0xFFFF,
    "tum": lambda d: d * 5,
    "tenths of a millimetre": lambda d: d * 10,
    "quarters of a millimetre": lambda d: d * 4,
    "256ths of a metre": lambda d: np.round(d * 0.256),
}


def _kinect(unit: str, folder: str, holes: float) -> list[Stored]:
    """Every 24th map of a folder in ``unit``, its coarse steps filled evenly, a share of it unknown."""
    random = np.random.default_rng(0)
    maps = []
    for path in sorted((_DATA / folder).glob("*.png"))[::24]:
        depth = np.asarray(Image.open(path)).astype(np.int64)
        depth = np.where(depth > 0, depth + random.integers(-19, 20, depth.shape), 0)
        depth[random.random(depth.shape) < holes] = 0
        stored = _UNITS[unit](depth).clip(0, 65535).astype(np.uint16)
        maps.append(Stored(stored, FileFacts(Modality.DEPTH, "PNG"), "16-bit grey PNG"))
    return maps


@pytest.mark.skipif(not (_DATA / "depth_nyuv2").is_dir(), reason="the data are not here")
@pytest.mark.parametrize("unit", _UNITS)
@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("folder", ["depth_nyuv2/depth", "imu/depth"])
def test_no_kinect_map_in_any_unit_is_taken_for_another(unit: str, holes: float, folder: str) -> None:
    maps = _kinect(unit, folder, holes)
    assert len(maps) > 25
    for stored in maps:
        assert packing(stored) in (None, unit)
        with pytest.raises(UnsupportedFile):
            told(stored, NO_HINT, Path("map.png"))
        assert told(stored, DEPTH, Path("map.png"))[0] is Modality.DEPTH
    if unit in ("sunrgbd", "tum"):
        assert np.mean([packing(stored) == unit for stored in maps]) > 0.9


@pytest.mark.parametrize("shift", range(-25, 75, 5))
def test_everyday_scenes_in_kelvin_are_known_and_counts_are_not(shift: int) -> None:
    def stored(values: NDArray[Any]) -> Stored:
        return Stored(values.round().astype(np.uint16), FileFacts(Modality.THERMAL, "PNG"), "map")

    kelvin = people() + 273.15 + shift - 20
    assert heat_steps(stored(kelvin * 100)) == 100
    assert told(stored(kelvin * 100), NO_HINT, Path("map"))[0] is Modality.THERMAL
    assert heat_steps(stored(kelvin * 25)) is None  # a common count of 0.04 K
    assert heat_steps(stored(kelvin * 64)) is None


@pytest.mark.parametrize(
    ("folder", "kinds", "hint", "modality"),
    [
        ("depth_nyuv2/depth", {"png": "PNG"}, DEPTH, Modality.DEPTH),
        ("depth_nyuv2/rgb", {"jpg": "JPEG"}, NO_HINT, Modality.IMAGE),
        ("imu/depth", {"png": "PNG"}, DEPTH, Modality.DEPTH),
        ("thermal/thermal", {"jpg": "JPEG"}, THERMAL, Modality.THERMAL),
        ("thermal/rgb", {"jpg": "JPEG"}, NO_HINT, Modality.IMAGE),
    ],
)
def test_the_sample_data_are_what_their_folders_say(
    folder: str, kinds: dict[str, str], hint: Hint, modality: Modality
) -> None:
    paths = sorted(path for path in (_DATA / folder).glob("*") if path.suffix[1:] in kinds)[::5]
    if not paths:
        pytest.skip("the data are not here")
    for path in paths:
        try:
            loaded = load_picture(path, kinds[path.suffix[1:]], LoadOptions(picture_side=224), hint)
        except MediaError as fault:
            pytest.fail(str(fault))
        assert loaded.facts.modality is modality, path
