"""Films with their sound: pictures and sounds tell one time, and what has no pictures is a sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, MediaError
from bindsearch.loaders import FileFacts, LoadOptions, load
from bindsearch.media import Clip, Sound
from bindsearch.modality import Modality
from tests.hostile import jpeg, scene
from tests.sounds import add_track, encode, pitch, sweep, tone, write, write_film

RATE = 16_000
SMALL = LoadOptions(picture_side=32)


def _pictures(seconds: float) -> NDArray[np.uint8]:
    """Ten a second; the scene changes every five seconds."""
    return np.stack([scene(seed=count // 50) for count in range(round(seconds * 10))])


def _loaded(path: Path, options: LoadOptions = SMALL) -> tuple[FileFacts, list[Clip], list[Sound]]:
    loaded = load(path, options)
    media = list(loaded.media)
    clips = [medium for medium in media if isinstance(medium, Clip)]
    sounds = [medium for medium in media if isinstance(medium, Sound)]
    assert media == [*clips, *sounds]  # first what is seen, then what is heard
    return loaded.facts, clips, sounds


def _beginning(sounds: list[Sound]) -> float:
    """The second at which the first sound of a recording becomes loud."""
    loud = np.flatnonzero(np.abs(sounds[0].samples) > 0.05)
    return sounds[0].start + float(loud[0]) / sounds[0].rate


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp4", "aac", 16_000), ("mov", "aac", 44_100), ("matroska", "aac", 16_000), ("webm", "libopus", 48_000),
     ("avi", "libmp3lame", 44_100), ("mpegts", "aac", 44_100), ("flv", "aac", 44_100)],
)  # fmt: skip
def test_a_film_gives_its_pictures_and_its_sound(
    tmp_path: Path, container: str, codec: str, rate: int
) -> None:
    path = tmp_path / "film"
    write_film(path, _pictures(12), [tone(12, rate, 1_000)], container=container, rate=rate, codec=codec)
    facts, clips, sounds = _loaded(path)
    assert facts.modality is Modality.VIDEO
    # Where the container cannot say so, the coder's run-in of 23 ms counts as sound before the pictures.
    assert clips[0].start == pytest.approx(0, abs=0.03) and clips[-1].end == pytest.approx(12, abs=0.1)
    assert sounds[0].start == 0 and sounds[-1].end == pytest.approx(12, abs=0.15)
    assert all(pitch(sound.samples[2_000:-2_000], RATE) == pytest.approx(1_000, abs=1) for sound in sounds)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_sound_that_begins_later_keeps_its_time(tmp_path: Path, container: str) -> None:
    path = tmp_path / "film"
    write_film(path, _pictures(15), [tone(8, RATE, 1_000)], container=container, sound_start=6.0)
    _, clips, sounds = _loaded(path)
    assert clips[0].start == 0 and clips[-1].end == pytest.approx(15, abs=0.1)
    assert sounds[0].start == 4  # the span before it is silent
    assert _beginning(sounds) == pytest.approx(6, abs=0.1)
    assert sounds[-1].end == pytest.approx(14, abs=0.1)


def test_a_sound_longer_than_the_pictures_is_covered_to_its_end(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film", _pictures(3), [tone(20, RATE)])
    _, clips, sounds = _loaded(path)
    assert clips[-1].end == pytest.approx(3, abs=0.1)
    assert sounds[0].start == 0 and sounds[-1].end == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("default", [0, 1])
def test_of_several_sound_tracks_the_default_one_is_heard(tmp_path: Path, default: int) -> None:
    tracks = [tone(6, RATE, 500), tone(6, RATE, 2_000)]
    path = write_film(tmp_path / "film", _pictures(6), tracks, container="matroska", default=default)
    sounds = _loaded(path)[2]
    assert pitch(sounds[0].samples[2_000:-2_000], RATE) == pytest.approx((500, 2_000)[default], abs=1)


def test_a_silent_track_and_no_track_give_no_sounds(tmp_path: Path) -> None:
    silent = write_film(tmp_path / "silent", _pictures(6), [np.zeros(6 * RATE, np.float32)])
    mute = write_film(tmp_path / "mute", _pictures(6), [])
    for path in (silent, mute):
        facts, clips, sounds = _loaded(path)
        assert facts.modality is Modality.VIDEO and clips and not sounds
    assert "no sound track" in load(mute).notes[1] and "aac" in load(silent).notes[1]


def test_a_flash_and_its_bang_agree_in_time(tmp_path: Path) -> None:
    pictures = np.zeros((120, 64, 96, 3), np.uint8)
    pictures[70:] = scene()
    bang = np.zeros(12 * RATE, np.float32)
    bang[7 * RATE :] = tone(5)
    path = write_film(tmp_path / "film", pictures, [bang])
    _, clips, sounds = _loaded(path)
    assert any(clip.start == pytest.approx(7, abs=0.1) for clip in clips)
    assert _beginning(sounds) == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("matroska", "aac"), ("webm", "libopus"), ("ogg", "libopus")]
)
def test_a_film_container_without_pictures_is_a_sound(tmp_path: Path, container: str, codec: str) -> None:
    path = write(tmp_path / "film", tone(7, 48_000, 700), 48_000, container, codec)
    facts, clips, sounds = _loaded(path)
    assert facts.modality is Modality.AUDIO and not clips and len(sounds) == 2


@pytest.mark.parametrize(("name", "brand"), [("a.m4a", "M4A "), ("film", "isom")])
def test_a_cover_picture_makes_no_film_of_a_sound(tmp_path: Path, name: str, brand: str) -> None:
    from av.stream import Disposition

    path, samples = tmp_path / name, tone(6, 44_100, 700)
    with av.open(str(path), "w", format="mp4", options={"brand": brand}) as output:
        sound = add_track(output, samples, 44_100, "aac")
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        packet = av.Packet(jpeg())
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        output.start_encoding()
        output.mux(packet)
        for coded in encode(sound, samples, 44_100):
            output.mux(coded)
    facts, clips, sounds = _loaded(path)
    assert facts.modality is Modality.AUDIO and not clips and len(sounds) == 2


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_part_of_a_film_is_what_overlaps_it(tmp_path: Path, container: str) -> None:
    path = write_film(tmp_path / "film", _pictures(60), [sweep(60)], container=container)
    whole = _loaded(path)
    _, clips, sounds = _loaded(path, LoadOptions(picture_side=32, part=(31.0, 36.5)))
    assert all(clip.start < 36.5 and clip.end > 31 for clip in clips)
    assert clips[0].start <= 31 and clips[-1].end >= 36.5
    assert any(clip.start == pytest.approx(35, abs=1.2) for clip in clips)  # the key frame of the new scene
    same = [sound for sound in whole[2] if sound.start < 36.5 and sound.end > 31]
    assert [(one.start, one.end) for one in sounds] == [(one.start, one.end) for one in same]
    for one, other in zip(sounds, same, strict=True):
        assert pitch(one.samples[:8_000], RATE) == pytest.approx(pitch(other.samples[:8_000], RATE), abs=2)


def test_titles_of_films_come_from_their_tags(tmp_path: Path) -> None:
    tags = {"title": "The Pier", "artist": "Ada", "comment": "in the rain"}
    for container in ("mp4", "matroska"):
        path = write_film(tmp_path / container, _pictures(1), [tone(1)], container=container, metadata=tags)
        assert load(path).facts.title == "Ada – The Pier. in the rain"


def test_broken_sound_spoils_a_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "film", _pictures(2), [sweep(60)], container="avi", codec="libmp3lame")
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    places = [at for at in range(content.index(b"idx1")) if content.startswith(b"01wb", at)]
    assert len(places) > 50
    for at in places[10:]:
        content[at + 8 : at + 40] = random.bytes(32)
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match="packets of sound cannot be decoded"):
        _loaded(path)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "aac"), ("avi", "libmp3lame")])
def test_flipped_bytes_of_a_film_with_sound_give_media_or_a_media_error(
    tmp_path: Path, container: str, codec: str
) -> None:
    path = write_film(tmp_path / "film", _pictures(2), [tone(2)], container=container, codec=codec)
    whole, random, refused = path.read_bytes(), np.random.default_rng(3), 0
    for _ in range(25):
        damaged = bytearray(whole)
        for place in random.integers(0, random.choice((300, len(whole))), random.integers(1, 20)):
            damaged[place] = random.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            list(load(path, SMALL).media)
        except MediaError:
            refused += 1
    assert refused > 0
