"""What a file is: its bytes first, its suffix where they leave it open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders import Hint, load, readable_kind
from bindsearch.loaders.detect import detect
from bindsearch.loaders.signatures import Family, known_suffix, sniff
from bindsearch.modality import Modality
from tests.hostile import audio_film, encoded, film, heic, jpeg, scene, sound


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["notes.txt", "film.mp4", "table.csv", "picture.png", "nothing", "song.mp3"])
def test_a_jpeg_is_a_picture_under_any_name(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name, jpeg())
    assert detect(path).format == "JPEG"
    assert load(path).facts.modality is Modality.IMAGE


@pytest.mark.parametrize(
    ("content", "family", "name"),
    [
        (encoded("PNG"), Family.PICTURE, "PNG"),
        (encoded("GIF"), Family.PICTURE, "GIF"),
        (encoded("WEBP"), Family.PICTURE, "WEBP"),
        (encoded("BMP"), Family.PICTURE, "BMP"),
        (encoded("TIFF"), Family.PICTURE, "TIFF"),
        (encoded("PPM"), Family.PICTURE, "PPM"),
        (encoded("SGI"), Family.PICTURE, "SGI"),
        (encoded("JPEG2000"), Family.PICTURE, "JPEG2000"),
        (encoded("DDS"), Family.PICTURE, "DDS"),
        (encoded("ICNS", scene(64, 64)), Family.PICTURE, "ICNS"),
        (encoded("QOI"), Family.PICTURE, "QOI"),
        (heic(), Family.PICTURE, "HEIF"),
        (encoded("AVIF"), Family.PICTURE, "AVIF"),
        (film(), Family.FILM, "MP4"),
        (film(container="mov"), Family.FILM, "MP4"),
        (film(container="matroska"), Family.FILM, "MATROSKA"),
        (film(container="avi"), Family.FILM, "AVI"),
        (film(container="mpegts"), Family.FILM, "MPEG-TS"),
        (film(container="flv", codec="flv"), Family.FILM, "FLV"),
        (film(container="asf"), Family.FILM, "ASF"),
        (sound(), Family.SOUND, "WAV"),
    ],
)
def test_a_format_is_known_without_a_suffix(
    tmp_path: Path, content: bytes, family: Family, name: str
) -> None:
    path = _write(tmp_path, "nameless", content)
    kind = detect(path)
    assert (kind.family, kind.format) == (family, name)
    assert list(load(path).media)


@pytest.mark.parametrize("kind, suffix", [("TGA", ".tga"), ("PCX", ".pcx"), ("ICO", ".ico")])
def test_formats_without_a_signature_are_read_by_their_suffix(tmp_path: Path, kind: str, suffix: str) -> None:
    path = _write(tmp_path, "picture" + suffix, encoded(kind))
    assert load(path).facts.format == kind
    assert len(list(load(path).media)) == 1


def test_text_under_the_name_of_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match=r"named \.jpg, but its bytes are text"):
        load(_write(tmp_path, "x.JPG", b"dear diary"))


@pytest.mark.parametrize("opening", ["BM", "P5 8 8 ", "MZ", "%PDF", "PAR1", "BZh", "PF\n", "qoif"])
def test_a_note_that_begins_like_another_format_is_still_a_note(tmp_path: Path, opening: str) -> None:
    assert detect(_write(tmp_path, "x.txt", opening.encode() + b" words")).family is Family.TEXT


@pytest.mark.parametrize("name", ["README", "notes.2024", "Dr. Smith wrote", "LICENSE"])
def test_text_without_a_known_suffix_is_a_note(tmp_path: Path, name: str) -> None:
    assert detect(_write(tmp_path, name, b"words")).family is Family.TEXT


@pytest.mark.parametrize(
    "name", ["program.py", "page.html", "data.yaml", "list.m3u8", "stream.ts", "data.xml"]
)
def test_text_of_other_kinds_is_unsupported_not_damaged(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedFile, match=name.split(".")[1]):
        load(_write(tmp_path, name, b"words"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.csv", b"name,price\napple,3\n"),
        ("table.tsv", b"name\tprice\napple\t3\n"),
        ("data.json", b'{"name": "apple"}'),
        ("data.jsonl", b'{"name": "apple"}\n{"name": "pear"}\n'),
    ],
)
def test_a_table_that_is_no_motion_log_is_unsupported(tmp_path: Path, name: str, content: bytes) -> None:
    path = _write(tmp_path, name, content)
    assert detect(path).family is Family.TABLE
    with pytest.raises(UnsupportedFile, match=r"accelerometer|motion log"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content", "family", "kind"),
    [
        ("log.csv", b"t,ax\n", Family.TABLE, "CSV"),
        ("log.TSV", b"t\tax\n", Family.TABLE, "CSV"),
        ("log.json", b"{}", Family.TABLE, "JSON"),
        ("log.jsonl", b"{}", Family.TABLE, "NDJSON"),
        ("log.ndjson", b"{}", Family.TABLE, "NDJSON"),
        ("log.bin", b"PAR1" + bytes(20), Family.TABLE, "PARQUET"),
        ("log.zip", b"PK\x03\x04" + bytes(60), Family.TABLE, "ZIP"),
        ("map.npz", b"PK\x03\x04" + bytes(60), Family.MAP, "NPZ"),
        ("map.bin", b"\x93NUMPY\x01\0" + bytes(60), Family.MAP, "NPY"),
        ("map.bin", b"\x76\x2f\x31\x01" + bytes(60), Family.MAP, "EXR"),
        ("map.bin", b"Pf\n4 4\n-1.0\n" + bytes(64), Family.MAP, "PFM"),
        ("map.bin", b"PF\r\n4 4\r\n-1.0\r\n" + bytes(64), Family.MAP, "PFM"),
        ("a.docx", b"PK\x03\x04" + bytes(60), Family.OTHER, None),
    ],
)
def test_tables_and_maps_are_known_by_bytes_or_suffix(
    tmp_path: Path, name: str, content: bytes, family: Family, kind: str | None
) -> None:
    found = detect(_write(tmp_path, name, content))
    assert found.family is family
    assert kind is None or found.format == kind


@pytest.mark.parametrize("name", ["program.py", "x.dat", "numbers.log", "x.html"])
def test_a_rule_makes_a_note_or_a_motion_log_of_any_text(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path, name, b"words")
    text, motion = (Hint(modality=said, ruled=True) for said in (Modality.TEXT, Modality.IMU))
    assert readable_kind(path, text).family is Family.TEXT
    assert readable_kind(path, motion).format == "CSV"
    assert [media.modality for media in load(path, hint=text).media] == [Modality.TEXT]


@pytest.mark.parametrize("modality", [Modality.TEXT, Modality.IMU])
def test_a_rule_makes_no_text_of_what_is_none(tmp_path: Path, modality: Modality) -> None:
    hint = Hint(modality=modality, ruled=True)
    assert readable_kind(_write(tmp_path, "x.dat", jpeg()), hint).format == "JPEG"
    with pytest.raises(UnsupportedFile, match="a PDF document is not read"):
        readable_kind(_write(tmp_path, "x.pdf", b"%PDF-1.7\n%\xe2\xe3\n\0"), hint)


def test_a_habit_makes_no_text_of_anything(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile):
        readable_kind(_write(tmp_path, "x.py", b"words"), Hint(modality=Modality.TEXT))


@pytest.mark.parametrize("container", ["matroska", "mp4"])
def test_a_sound_in_the_container_of_a_film_is_a_sound(tmp_path: Path, container: str) -> None:
    loaded = load(_write(tmp_path, "voice.mp4", audio_film(container=container)))
    assert loaded.facts.modality is Modality.AUDIO
    assert {media.modality for media in loaded.media} == {Modality.AUDIO}


@pytest.mark.parametrize("name", ["x.dng", "x.NEF"])
def test_raw_pictures_are_not_taken_for_their_thumbnails(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedFile, match="raw camera picture"):
        load(_write(tmp_path, name, encoded("TIFF")))


def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path, "x.jpg", jpeg())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(DamagedFile, match="permission denied"):
        load(path)


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="no such file"):
        load(tmp_path / "x.jpg")
    with pytest.raises(DamagedFile, match="null"):
        load(str(tmp_path / "x\0.jpg"))


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="not a regular file but a folder"):
        load(tmp_path)


def test_a_file_that_vanishes_after_it_was_opened_is_damaged(tmp_path: Path) -> None:
    path = _write(tmp_path, "x.jpg", jpeg())
    loaded = load(path)
    path.unlink()
    with pytest.raises(DamagedFile, match="no such file"):
        list(loaded.media)


def test_every_mpeg_sound_frame_is_told_from_utf16_text() -> None:
    kind = sniff(b"\xff\xfb\x90\x64" + bytes(400))
    assert kind is not None and kind.format == "MP3"
    assert sniff("\ufeffwords".encode("utf-16-le")) is None


def test_only_short_plain_endings_count_as_suffixes() -> None:
    assert [known_suffix(text) for text in (".JPG", ".mp4", ".2024", ". Smith", ".", "")] == [
        ".jpg",
        ".mp4",
    ] + [""] * 4


def test_detection_imports_no_decoder() -> None:
    import subprocess
    import sys

    code = (
        "import sys, bindsearch.loaders.detect; "
        "sys.exit(any(name in sys.modules for name in ('PIL.Image', 'av', 'pillow_heif')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
