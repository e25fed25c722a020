"""Hostile files: each is refused with its reason, nothing else is raised, nothing hangs."""

from __future__ import annotations

import re
import threading
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindsearch.errors import DamagedFile, MediaError, UnclearFile, UnsupportedFile
from bindsearch.loaders import LoadOptions, load
from tests.hostile import encoded, film, heic, jpeg, make_good, make_hostile, scene

_OPTIONS = LoadOptions(picture_side=32)
_PATIENCE = 60


def _outcome(path: Path) -> MediaError | int:
    """The error that the file at ``path`` gives, or how many media. Any other exception goes through."""
    try:
        return len(list(load(path, _OPTIONS).media))
    except MediaError as error:
        return error


def _in_threads(paths: list[Path], threads: int) -> dict[tuple[int, Path], MediaError | int | BaseException]:
    """What every thread gets for every path; a thread that hangs leaves its paths out."""
    outcomes: dict[tuple[int, Path], MediaError | int | BaseException] = {}

    def read(number: int) -> None:
        for path in paths[number:] + paths[:number]:
            try:
                outcomes[number, path] = _outcome(path)
            except BaseException as fault:  # noqa: BLE001 - it is the test's result
                outcomes[number, path] = fault

    workers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(_PATIENCE)
    return outcomes


def test_every_hostile_file_is_refused_with_its_reason_from_four_threads(tmp_path: Path) -> None:
    expected = make_hostile(tmp_path)
    assert len(expected) >= 40
    outcomes = _in_threads(list(expected), threads=4)
    assert len(outcomes) == 4 * len(expected), "a thread hangs"
    for (_, path), outcome in outcomes.items():
        pattern = expected[path]
        listed = (DamagedFile, UnclearFile) if pattern else UnsupportedFile
        assert isinstance(outcome, listed), (path, outcome)
        assert outcome.subject == str(path)
        reason = f"{outcome.message} ({outcome.hint})"
        assert re.search(pattern, reason), (path, reason)
        assert "\n" not in reason


def test_every_good_file_is_read_from_four_threads(tmp_path: Path) -> None:
    paths = make_good(tmp_path)
    outcomes = _in_threads(paths, threads=4)
    assert len(outcomes) == 4 * len(paths), "a thread hangs"
    assert all(isinstance(outcome, int) and outcome >= 1 for outcome in outcomes.values()), outcomes


def test_faulty_files_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in make_hostile(tmp_path):
        _outcome(path)
    assert capfd.readouterr() == ("", "")


@cache
def _whole(kind: str) -> bytes:
    pixels = scene(24, 16)
    makers = {
        "JPEG": lambda: jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        "HEIF": lambda: heic(pixels),
        "MP4": lambda: film([pixels, pixels[::-1].copy()], frames_per_scene=3),
        "MATROSKA": lambda: film([pixels, pixels[::-1].copy()], frames_per_scene=3, container="matroska"),
    }
    return makers[kind]() if kind in makers else encoded(kind, pixels)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF", "MP4", "MATROSKA"]
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_and_missing_bytes_give_media_or_a_media_error(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(_whole(kind))
    places = st.integers(0, len(damaged) - 1)
    for place in data.draw(st.lists(places | st.integers(0, min(400, len(damaged) - 1)), max_size=6)):
        damaged[place] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)) | st.integers(0, 255))
    end = data.draw(st.just(len(damaged)) | places)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(bytes(damaged[:end]))
        _outcome(path)
