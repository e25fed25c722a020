"""Locating in real files: turned photos, films whose colour changes, recordings with and without sound."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.errors import DamagedFile, QueryError, UnsupportedFile
from bindsearch.ingest.library import Library
from bindsearch.ingest.locating import InPicture, InTime, LocateOptions, Locator, Pace
from bindsearch.modality import Modality
from bindsearch.query import parse_query
from bindsearch.settings import Settings
from tests.locating.scenes import ColourEncoder, squares
from tests.media import BLUE, GREEN, RED, film, picture
from tests.sounds import tone, write_film

RATE = 16_000


@pytest.fixture
def locator() -> Iterator[Locator]:
    """One without a library."""
    with Locator(ColourEncoder(), Settings()) as opened:
        yield opened


def places(locator: Locator, query: str, path: Path, **options: object) -> InPicture:
    found = locator.locate(parse_query([query]), path, LocateOptions(**options))  # type: ignore[arg-type]
    assert isinstance(found, InPicture)
    return found


def moments(locator: Locator, query: str, path: Path, **options: object) -> InTime:
    found = locator.locate(parse_query([query]), path, LocateOptions(**options))  # type: ignore[arg-type]
    assert isinstance(found, InTime)
    return found


def recording(path: Path, *parts: np.ndarray) -> Path:
    samples = np.concatenate(parts)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


def save(path: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return path


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_count_in_the_photo_as_it_is_shown(locator: Locator, tmp_path: Path, orientation: int) -> None:
    shown = squares((400, 300), ((280, 30, 80, 80), RED))
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # how the camera held it, undone by the orientation
    found = places(locator, "red", save(tmp_path / "a.jpg", np.rot90(shown, turns).copy(), orientation))
    assert found.size == (400, 300)
    (place,) = found.places.found
    across, down = place.box.centre
    assert abs(across - 320) < 20
    assert abs(down - 70) < 20


def test_boxes_count_in_all_pixels_of_a_large_photo(locator: Locator, tmp_path: Path) -> None:
    pixels = squares((1600, 1200), ((1000, 200, 320, 320), RED))
    found = places(locator, "red", save(tmp_path / "a.jpg", pixels))
    assert found.pixels.shape[0] < 1200
    (place,) = found.places.found
    across, down = place.box.centre
    assert abs(across - 1160) < 60
    assert abs(down - 360) < 60


def test_a_picture_is_looked_for_as_words_are(locator: Locator, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", squares((400, 300), ((280, 30, 80, 80), GREEN)))
    query = picture(tmp_path / "green.png", GREEN)
    (place,) = places(locator, f"{query} - 0.2*blue", path).places.found
    assert abs(place.box.centre[0] - 320) < 20


def test_nothing_stands_out_where_it_is_not(locator: Locator, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", squares((400, 300), ((280, 30, 80, 80), GREEN)))
    assert places(locator, "red", path).places.found == ()


def test_a_film_tells_when_its_colour_changes(locator: Locator, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [GREEN, RED, GREEN, BLUE, GREEN, GREEN], seconds=2)
    (red,) = moments(locator, "red", path).spans
    assert (red.modality, red.start, red.end) == (
        Modality.VIDEO,
        pytest.approx(2, abs=0.3),
        pytest.approx(4, abs=0.3),
    )
    (blue,) = moments(locator, "blue", path).spans
    assert (blue.start, blue.end) == (pytest.approx(6, abs=0.3), pytest.approx(8, abs=0.3))
    assert moments(locator, "white", path).spans == ()


def test_a_film_has_a_curve_of_its_pictures_and_one_of_its_sound(locator: Locator, tmp_path: Path) -> None:
    pictures = np.full((160, 48, 64, 3), GREEN, np.uint8)
    pictures[120:150] = RED
    low, high = tone(4, hertz=300), tone(12, hertz=900)
    path = write_film(tmp_path / "a.mp4", pictures, [np.concatenate([low, high])])
    found = moments(locator, "red", path)
    assert [curve.modality for curve, _ in found.curves] == [Modality.VIDEO, Modality.AUDIO]
    spans = {span.modality: span for span in found.spans}
    assert spans[Modality.VIDEO].start == pytest.approx(12, abs=0.4)
    assert spans[Modality.VIDEO].end == pytest.approx(15, abs=0.4)
    assert spans[Modality.AUDIO].start < 1
    assert spans[Modality.AUDIO].end == pytest.approx(4, abs=1.1)
    (heard,) = moments(locator, "red", path, by=(Modality.AUDIO,)).curves
    assert heard[0].modality is Modality.AUDIO


def test_a_recording_tells_when_it_is_heard(locator: Locator, tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", tone(10, hertz=900), tone(3, hertz=300), tone(12, hertz=900))
    (span,) = moments(locator, "red", path).spans
    assert span.start == pytest.approx(10, abs=1.1)
    assert span.end == pytest.approx(13, abs=1.1)


def test_what_is_silent_is_left_out_of_the_curve(locator: Locator, tmp_path: Path) -> None:
    quiet = np.zeros(8 * RATE, np.float32)
    path = recording(tmp_path / "a.wav", tone(6, hertz=900), quiet, tone(3, hertz=300), tone(6, hertz=900))
    found = moments(locator, "red", path)
    assert np.isnan(found.curves[0][0].values).any()
    assert found.spans[0].start == pytest.approx(14, abs=2.1)  # a window that ends in it is all there is
    assert found.spans[0].end == pytest.approx(17, abs=1.1)


def test_a_recording_of_nothing_is_refused(locator: Locator, tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", np.zeros(5 * RATE, np.float32))
    with pytest.raises(UnsupportedFile, match="silen"):
        moments(locator, "red", path)


def test_a_film_without_sound_says_so(locator: Locator, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [GREEN, RED, GREEN], seconds=2)
    assert any("sound" in note for note in moments(locator, "red", path).notes)
    with pytest.raises(QueryError, match="no sound in it"):
        moments(locator, "red", path, by=(Modality.AUDIO,))


def test_a_long_film_is_looked_at_again_where_it_matters(
    locator: Locator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Pace(0.5, {Modality.VIDEO: 12, Modality.AUDIO: 12})
    monkeypatch.setattr("bindsearch.ingest.locating.QUICK_PACE", few)
    path = film(tmp_path / "a.mp4", [GREEN] * 9 + [RED] + [GREEN] * 8, seconds=3)
    (span,) = moments(locator, "red", path).spans
    assert span.start == pytest.approx(27, abs=0.6)
    assert span.end == pytest.approx(30, abs=0.6)


def test_files_without_a_place_to_point_at_are_refused(locator: Locator, tmp_path: Path) -> None:
    note = tmp_path / "a.txt"
    note.write_text("a red note\n")
    with pytest.raises(QueryError, match="no place to point at"):
        places(locator, "red", note)
    broken = tmp_path / "a.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0" + bytes(40))
    with pytest.raises(DamagedFile):
        places(locator, "red", broken)


def test_a_space_that_does_not_see_says_so(tmp_path: Path) -> None:
    encoder = ColourEncoder(frozenset({Modality.TEXT, Modality.AUDIO}))
    path = film(tmp_path / "a.mp4", [GREEN, RED], seconds=1)
    with Locator(encoder, Settings()) as locator:
        with pytest.raises(QueryError, match="does not embed image"):
            places(locator, "red", picture(tmp_path / "a.png"))
        with pytest.raises(QueryError, match="does not embed video"):
            moments(locator, "red", path, by=(Modality.VIDEO,))


def test_a_segment_is_asked_for_where_there_is_a_library(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    picture(tmp_path / "media" / "green.png", GREEN)
    path = save(tmp_path / "a.png", squares((400, 300), ((280, 30, 80, 80), GREEN)))
    encoder, query = ColourEncoder(), parse_query(["@1"])
    with Locator(encoder, Settings()) as locator, pytest.raises(QueryError, match="no library"):
        locator.locate(query, path)
    with Library(tmp_path / "library", Settings(), encoder) as library:
        library.index([tmp_path / "media"])
        catalog = library._reading().catalog
        with Locator(encoder, Settings(), catalog) as locator:
            found = locator.locate(query, path)
    assert isinstance(found, InPicture)
    assert len(found.places.found) == 1
