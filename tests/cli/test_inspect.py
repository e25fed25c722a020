"""``bindsearch inspect`` as whole processes, on a real file of every modality and on bad ones."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bindsearch.encoders.registry import describe_space
from bindsearch.ingest.inspection import inspect, origin
from bindsearch.loaders import LoadOptions, Surroundings, load
from tests.cli.runner import bindsearch
from tests.media import BLUE, GREEN, RED, film, picture

RATE = 16_000


def recording(path: Path, seconds: float) -> None:
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


def log(path: Path) -> None:
    rows = [f"{n / 100},{n % 3},0,9.81,0.1,0.2,0.3" for n in range(600)]
    path.write_text("\n".join(["time_s,ax,ay,az,gx,gy,gz", *rows]) + "\n")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name in ("depth", "ruled"):
        (folder / name).mkdir()
    millimetres = np.full((48, 64), 1500, np.uint16)
    millimetres[:, 32:] = 3000
    millimetres[:12] = 0
    Image.fromarray(millimetres).save(folder / "depth" / "1.png")
    Image.fromarray(np.linspace(29_315, 31_315, 48 * 64).astype(np.uint16).reshape(48, 64)).save(
        folder / "ruled" / "warm.png"
    )
    (folder / ".bindsearch.toml").write_text(
        '[[rule]]\nfiles = "other/*.png"\nmodality = "depth"\nunit = "mm"\n\n'
        '[[rule]]\nfiles = "ruled/*.png"\nmodality = "thermal"\nunit = "centikelvin"\n'
    )
    picture(folder / "photo.png")
    (folder / "photo.txt").write_text("our dog at the lake\n")
    film(folder / "film.mp4", [RED, GREEN], seconds=3)
    recording(folder / "tone.wav", 12)
    recording(folder / "long.wav", 75)
    log(folder / "log.csv")
    (folder / "note.md").write_text("# Vet\n\nThe cat has to see the vet on Friday.\n")
    return folder


FILES = (
    *("depth/1.png", "ruled/warm.png", "photo.png", "film.mp4"),
    *("tone.wav", "long.wav", "log.csv", "note.md"),
)


@pytest.fixture(scope="module")
def told(media: Path) -> dict[str, dict[str, Any]]:
    """What ``inspect --json`` says of each file."""
    done = bindsearch(media / "no library", "inspect", "--json", *FILES, cwd=media)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (media / "no library").exists()
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["path"] for record in records] == list(FILES)
    return {record["path"]: record for record in records}


def group(record: dict[str, Any], modality: str) -> dict[str, Any]:
    (found,) = (group for group in record["media"] if group["modality"] == modality)
    return dict(found)


def test_every_record_has_the_same_fields(told: dict[str, dict[str, Any]]) -> None:
    fields = {"path", "modality", "format", "notes", "hint", "facts", "media", "complete", "space", "error"}
    for record in told.values():
        assert set(record) == fields
        assert record["error"] is None
        assert record["space"]["name"] == "compact"
        for found in record["media"]:
            assert set(found) == {"modality", "segments", "constants", "ranges", "spans"}


def test_every_file_is_told_in_its_modality(told: dict[str, dict[str, Any]]) -> None:
    assert {path: record["modality"] for path, record in told.items()} == {
        "depth/1.png": "depth",
        "ruled/warm.png": "thermal",
        "photo.png": "image",
        "film.mp4": "video",
        "tone.wav": "audio",
        "long.wav": "audio",
        "log.csv": "imu",
        "note.md": "text",
    }


def test_depth_is_told_in_metres_with_its_holes_and_the_name_that_told_it(
    told: dict[str, dict[str, Any]],
) -> None:
    record = told["depth/1.png"]
    found = group(record, "depth")
    assert found["constants"]["shape"] == [48, 64]
    assert found["ranges"]["metres"] == pytest.approx([1.5, 3.0])
    assert found["ranges"]["holes"] == pytest.approx([0.25, 0.25])
    assert (record["hint"]["origin"], record["hint"]["modality"]) == ("the folder depth", "depth")
    assert record["space"]["embeds"] == {"depth": "depth" in describe_space("compact").modalities}


def test_heat_is_told_in_degrees_with_the_rule_that_told_it(
    told: dict[str, dict[str, Any]], media: Path
) -> None:
    record = told["ruled/warm.png"]
    assert group(record, "thermal")["ranges"]["celsius"] == pytest.approx([20.0, 40.0], abs=0.01)
    assert record["hint"]["origin"] == f"rule 2 of {media / '.bindsearch.toml'}"
    assert record["hint"]["unit"] == "centikelvin"


def test_a_photo_is_told_with_its_caption(told: dict[str, dict[str, Any]], media: Path) -> None:
    record = told["photo.png"]
    assert group(record, "image")["constants"]["shape"] == [16, 24, 3]
    assert group(record, "text")["segments"] == 1
    assert record["hint"]["neighbours"] == [{"role": "caption", "path": str(media / "photo.txt")}]
    assert record["space"]["embeds"] == {"image": True, "text": True}


def test_a_film_is_told_by_its_spans(told: dict[str, dict[str, Any]]) -> None:
    found = group(told["film.mp4"], "video")
    assert found["segments"] == 2
    assert found["spans"] == [[0.0, 3.0], [3.0, 6.0]]
    assert found["constants"]["shape"][1:] == [48, 64, 3]
    assert told["film.mp4"]["facts"]["duration"] == pytest.approx(6, abs=0.2)


def test_a_sound_is_told_by_its_spans_its_rate_and_its_level(told: dict[str, dict[str, Any]]) -> None:
    found = group(told["tone.wav"], "audio")
    assert found["segments"] == 3
    assert found["constants"]["rate"] == RATE
    assert found["ranges"]["level"] == pytest.approx([-9.0, -9.0], abs=0.2)
    assert found["ranges"]["peak"] == pytest.approx([-6.0, -6.0], abs=0.2)
    assert told["tone.wav"]["complete"]


def test_of_a_long_recording_the_first_minute_is_told_unless_all_is_asked_for(
    told: dict[str, dict[str, Any]], media: Path
) -> None:
    assert not told["long.wav"]["complete"]
    first = group(told["long.wav"], "audio")["segments"]
    done = bindsearch(media, "inspect", "--all", "--json", "long.wav", cwd=media)
    whole = json.loads(done.stdout)
    assert whole["complete"]
    assert group(whole, "audio")["segments"] > first >= 15


def test_a_log_is_told_with_the_rates_of_its_sensors(told: dict[str, dict[str, Any]]) -> None:
    found = group(told["log.csv"], "imu")
    assert found["ranges"]["accelerometer_hz"][0] == pytest.approx(100, rel=0.02)
    assert found["ranges"]["gyroscope_hz"][0] == pytest.approx(100, rel=0.02)
    assert found["ranges"]["accelerometer_longest_gap"][1] < 0.02
    assert found["spans"][0][0] == 0.0


def test_a_person_reads_the_same_in_words(media: Path) -> None:
    done = bindsearch(media, "inspect", *FILES, cwd=media)
    shown = done.stdout.decode()
    assert done.returncode == 0
    for words in (
        "1.50 to 3.00 m, 25.0% of the points unknown",
        "20.0 to 40.0 degrees Celsius",
        "the folder depth: modality depth",
        "photo.txt (caption)",
        "16,000 Hz, level -9 dB, peak -6 dB: seconds 0.0-5.0",
        "in the first minute (--all looks at the rest)",
        "accelerometer 100.0 Hz, gyroscope 100.0 Hz",
        "compact embeds image and text",
    ):
        assert words in shown


BAD = {
    "gone.png": None,
    "empty.jpg": b"",
    "cut.png": b"\x89PNG\r\n\x1a\n but no more than that",
    "paper.pdf": b"%PDF-1.7\n" + bytes(64),
    "words.wav": b"these are words, and no sound at all " * 9,
    "noise.csv": b"a,b\n\xff\xfe,2\n",
    "map.npy": b"\x93NUMPY\x01\x00\x45\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999)}",
}


@pytest.mark.parametrize("as_json", [False, True])
def test_files_that_cannot_be_read_cost_a_line_each_and_the_exit_code_is_one(
    tmp_path: Path, as_json: bool
) -> None:
    for name, content in BAD.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
    picture(tmp_path / "good.png")
    options = ["--json"] if as_json else []
    done = bindsearch(tmp_path / "none", "inspect", *options, *BAD, "good.png", tmp_path, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == len(BAD) + 1
    for name, line in zip([*BAD, str(tmp_path)], lines, strict=True):
        assert line.startswith(f"bindsearch: {name}: "), line
    if as_json:
        records = [json.loads(line) for line in done.stdout.splitlines()]
        sorts = {record["path"]: record["error"] and record["error"]["sort"] for record in records}
        assert sorts["good.png"] is None
        assert sorts["paper.pdf"] == "unsupported"
        assert sorts["empty.jpg"] == sorts["cut.png"] == sorts["gone.png"] == "damaged"
        assert all(record["error"]["reason"] for record in records if record["error"])
    else:
        assert b"good.png" in done.stdout


def test_a_file_in_doubt_is_told_with_the_rule_to_write(tmp_path: Path) -> None:
    Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)).save(tmp_path / "what.png")
    done = bindsearch(tmp_path / "none", "inspect", tmp_path / "what.png")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b".bindsearch.toml" in done.stderr


def test_rules_that_cannot_be_used_are_told_as_such(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / ".bindsearch.toml").write_text('[[rule]]\nfiles = "*.png"\nmodality = "smell"\n')
    done = bindsearch(tmp_path / "none", "inspect", tmp_path / "a.png")
    assert done.returncode == 1
    assert b"smell" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_the_first_segments_of_all_files_are_drawn_on_one_sheet(media: Path, tmp_path: Path) -> None:
    target = tmp_path / "shown.png"
    done = bindsearch(media, "inspect", "film.mp4", "depth/1.png", "--preview", target, cwd=media)
    assert done.returncode == 0, done.stderr
    with Image.open(target) as shown:
        assert shown.format == "PNG"
        levels = np.asarray(shown.convert("RGB")).astype(int)
    assert shown.width > 2 * 320
    for channel in (0, 1):  # the red and the green span of the film
        others = [c for c in range(3) if c != channel]
        assert ((levels[..., channel] > 200) & (levels[..., others] < 60).all(2)).any()


@pytest.mark.parametrize(
    ("target", "message"),
    [("shown.txt", b"this is no name of a picture"), ("no/such/folder/x.png", b"cannot be written")],
)
def test_a_sheet_that_cannot_be_written_exits_with_two(media: Path, target: str, message: bytes) -> None:
    done = bindsearch(media, "inspect", "photo.png", "--preview", target, cwd=media)
    assert done.returncode == 2
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_naming_no_file_exits_with_two(tmp_path: Path) -> None:
    done = bindsearch(tmp_path, "inspect")
    assert done.returncode == 2
    assert b"FILE" in done.stderr


def test_every_segment_is_shown_to_who_asks(media: Path) -> None:
    seen: list[object] = []
    found = inspect(media / "tone.wav", load, LoadOptions(), see=seen.append)
    assert [len(seen)] == [group.segments for group in found.groups]


def test_what_nothing_tells_has_no_origin(media: Path) -> None:
    for name in ("photo.png", "note.md"):
        assert origin(media / name, Surroundings().hint(media / name)) is None


def test_a_colour_photo_stays_one_whatever_its_name_says(tmp_path: Path) -> None:
    path = picture(tmp_path / "thermal_view.png", BLUE)
    found = inspect(path, load, LoadOptions())
    assert (found.facts.modality, found.origin) == ("image", "the name thermal_view")


def test_a_recording_of_silence_says_that_it_is_one(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(6 * RATE))
    run = bindsearch(tmp_path / "none", "inspect", tmp_path / "silence.wav")
    assert run.returncode == 1
    assert b"nothing but silence" in run.stderr
