"""Sounds: a tone in every format comes back in pitch, level and length; hostile files are refused."""

from __future__ import annotations

import os
import struct
import tracemalloc
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, MediaError, UnsupportedFile
from bindsearch.loaders import FileFacts, LoadOptions, load
from bindsearch.loaders.sound import load_sound
from bindsearch.media import Sound
from bindsearch.modality import Modality
from tests.sounds import level, pitch, sweep, tone, write

RATE = 16_000
SECONDS = 7.3


def _heard(path: Path, options: LoadOptions | None = None) -> tuple[FileFacts, list[Sound]]:
    loaded = load(path, options or LoadOptions())
    assert loaded.facts.modality is Modality.AUDIO
    return loaded.facts, [medium for medium in loaded.media if isinstance(medium, Sound)]


def _seamless(sounds: list[Sound]) -> bool:
    joined = all(one.start < other.start <= one.end < other.end for one, other in pairwise(sounds))
    return joined and sounds[0].start == 0


# Name, container, codec, rate, bits a second; how far length (s) and level (a share) may be off.
COMPRESSED = [
    ("tone.mp3", "mp3", "libmp3lame", 44_100, 128_000, 0.0, 0.06),
    ("tone.mp2", "mp2", "mp2", 44_100, 128_000, 0.03, 0.01),
    ("tone.m4a", "ipod", "aac", 44_100, 128_000, 0.03, 0.01),
    ("alac.m4a", "ipod", "alac", 44_100, None, 0.0, 0.001),
    ("tone.mp4", "mp4", "aac", 44_100, 128_000, 0.03, 0.01),
    ("tone.mov", "mov", "pcm_s24le", 48_000, None, 0.0, 0.001),
    ("tone.3gp", "3gp", "aac", 16_000, 64_000, 0.07, 0.01),
    ("tone.aac", "adts", "aac", 44_100, 128_000, 0.05, 0.01),
    ("tone.ogg", "ogg", "libopus", 48_000, 64_000, 0.0, 0.02),
    ("tone.oga", "ogg", "flac", 44_100, None, 0.0, 0.001),
    ("tone.flac", "flac", "flac", 44_100, None, 0.0, 0.001),
    ("tone.wma", "asf", "wmav2", 44_100, 128_000, 0.05, 0.01),
    ("tone.wv", "wv", "wavpack", 44_100, None, 0.0, 0.001),
    ("tone.tta", "tta", "tta", 44_100, None, 0.0, 0.01),
    ("tone.ac3", "ac3", "ac3", 48_000, 128_000, 0.04, 0.01),
    ("enhanced.ac3", "eac3", "eac3", 48_000, 128_000, 0.04, 0.01),
    ("tone.amr", "amr", "libopencore_amrnb", 8_000, 12_200, 0.03, 0.3),
    ("tone.mka", "matroska", "flac", 44_100, None, 0.0, 0.001),
    ("tone.mkv", "matroska", "aac", 44_100, 128_000, 0.04, 0.01),
    ("tone.webm", "webm", "libopus", 48_000, 64_000, 0.0, 0.02),
    ("tone.avi", "avi", "libmp3lame", 44_100, 128_000, 0.05, 0.06),
    ("tone.ts", "mpegts", "aac", 44_100, 128_000, 0.05, 0.01),
    ("tone.flv", "flv", "aac", 44_100, 128_000, 0.05, 0.01),
    ("alac.caf", "caf", "alac", 44_100, None, 0.1, 0.001),
    ("telephone.wav", "wav", "g726", 8_000, 32_000, 0.0, 0.02),
]  # fmt: skip

# Name, soundfile's format and subtype, how far the level may be off.
PLAIN = [
    ("u8.wav", "WAV", "PCM_U8", 0.01),
    ("16.wav", "WAV", "PCM_16", 0.001),
    ("24.wav", "WAV", "PCM_24", 0.0001),
    ("32.wav", "WAV", "PCM_32", 0.0001),
    ("float.wav", "WAV", "FLOAT", 0.0001),
    ("double.wav", "WAV", "DOUBLE", 0.0001),
    ("mu.wav", "WAV", "ULAW", 0.02),
    ("a.wav", "WAV", "ALAW", 0.02),
    ("ima.wav", "WAV", "IMA_ADPCM", 0.01),
    ("extended.wav", "WAVEX", "PCM_24", 0.0001),
    ("large.wav", "RF64", "PCM_16", 0.001),
    ("tone.w64", "W64", "PCM_16", 0.001),
    ("tone.aiff", "AIFF", "PCM_16", 0.001),
    ("float.aiff", "AIFF", "FLOAT", 0.0001),
    ("tone.au", "AU", "PCM_16", 0.001),
    ("tone.caf", "CAF", "PCM_24", 0.0001),
    ("vorbis.ogg", "OGG", "VORBIS", 0.03),
    ("tone.flac", "FLAC", "PCM_24", 0.0001),
    ("plain.mp3", "MP3", "MPEG_LAYER_III", 0.02),
]


@pytest.mark.parametrize(
    ("name", "container", "codec", "rate", "bit_rate", "length_off", "level_off"), COMPRESSED
)
def test_a_tone_in_every_container_comes_back(
    tmp_path: Path, name: str, container: str, codec: str, rate: int, bit_rate: int | None,
    length_off: float, level_off: float,
) -> None:  # fmt: skip
    path = write(tmp_path / name, tone(SECONDS, rate, 1_000), rate, container, codec, bit_rate=bit_rate)
    facts, sounds = _heard(path)
    assert facts.duration == pytest.approx(SECONDS, abs=0.3)
    _is_the_tone(sounds, length_off, level_off)


@pytest.mark.parametrize(("name", "form", "subtype", "level_off"), PLAIN)
def test_a_tone_in_every_sort_of_samples_comes_back(
    tmp_path: Path, name: str, form: str, subtype: str, level_off: float
) -> None:
    soundfile.write(tmp_path / name, tone(SECONDS, 44_100, 1_000), 44_100, format=form, subtype=subtype)
    facts, sounds = _heard(tmp_path / name)
    assert facts.duration == pytest.approx(SECONDS, abs=0.03)
    _is_the_tone(sounds, 0.03 if subtype in ("IMA_ADPCM", "MPEG_LAYER_III") else 0.0, level_off)


def _is_the_tone(sounds: list[Sound], length_off: float, level_off: float) -> None:
    assert len(sounds) == 2 and _seamless(sounds) and sounds[0].rate == RATE
    assert sounds[-1].end == pytest.approx(SECONDS, abs=length_off + 1 / RATE)
    middle = sounds[0].samples[8_000:-8_000]
    assert pitch(middle, RATE) == pytest.approx(1_000, abs=0.05)
    assert level(middle) == pytest.approx(0.25, rel=level_off)


@pytest.mark.parametrize("form", ["PAF", "PVF", "SDS", "NIST", "SVX", "AVR", "VOC", "IRCAM"])
def test_what_soundfile_alone_or_first_reads_is_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"tone.{form.lower()}"
    soundfile.write(path, tone(SECONDS, 22_050, 1_000), 22_050, format=form, subtype="PCM_16")
    media = [medium for medium in load_sound(path, form, LoadOptions()).media if isinstance(medium, Sound)]
    _is_the_tone(media, 0.1, 0.001)


def test_channels_are_mixed_by_their_mean(tmp_path: Path) -> None:
    left, right = tone(3, 16_000, 500, 0.5), np.zeros(48_000, np.float32)
    soundfile.write(tmp_path / "half.wav", np.stack((left, right), axis=1), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.stack((left, -left), axis=1), 16_000, subtype="FLOAT")
    _, (sound,) = _heard(tmp_path / "half.wav")
    assert np.allclose(sound.samples, left / 2, atol=1e-7)
    with pytest.raises(UnsupportedFile, match="nothing but silence"):
        _heard(tmp_path / "none.wav")
    six = np.tile(tone(3, 48_000, 500, 0.3), (6, 1))
    _, (sound,) = _heard(write(tmp_path / "six.flac", six, 48_000, "flac", "flac"))
    assert level(sound.samples[1_000:-1_000]) == pytest.approx(0.3, rel=0.001)


def test_rate_length_and_overlap_are_options(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", sweep(20, 44_100), 44_100)
    options = LoadOptions(sound_rate=8_000, sound_seconds=3.0, sound_overlap=1.5)
    _, sounds = _heard(tmp_path / "long.wav", options)
    assert [sound.start for sound in sounds] == [1.5 * n for n in range(11)] + [17.0]
    assert all(sound.rate == 8_000 and len(sound.samples) == 24_000 for sound in sounds)
    first, second = sounds[0].samples, sounds[1].samples
    assert np.array_equal(first[12_000:], second[:12_000])


def test_a_sound_beyond_full_scale_is_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", tone(2, RATE, level=3.0), RATE, subtype="FLOAT")
    assert level(_heard(tmp_path / "loud.wav")[1][0].samples) == pytest.approx(3.0, rel=0.001)


def test_silent_spans_are_left_out_of_a_recording(tmp_path: Path) -> None:
    samples = np.concatenate((tone(3, 44_100), np.zeros(30 * 44_100, np.float32), tone(2, 44_100)))
    soundfile.write(tmp_path / "pause.wav", samples, 44_100)
    facts, sounds = _heard(tmp_path / "pause.wav")
    assert facts.duration == 35
    assert [(sound.start, sound.end) for sound in sounds] == [(0, 5), (30, 35)]


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.0005])
@pytest.mark.parametrize("name", ["still.wav", "still.flac"])
def test_a_recording_of_silence_is_refused_and_says_so(tmp_path: Path, name: str, offset: float) -> None:
    soundfile.write(tmp_path / name, np.full(7 * 44_100, offset), 44_100)
    with pytest.raises(UnsupportedFile, match="nothing but silence in it"):
        _heard(tmp_path / name)


SEEKING = [
    ("s.wav", "wav", "pcm_s16le"), ("s.flac", "flac", "flac"), ("s.mp3", "mp3", "libmp3lame"),
    ("s.m4a", "ipod", "aac"), ("s.ogg", "ogg", "libopus"), ("s.aac", "adts", "aac"),
    ("s.wv", "wv", "wavpack"), ("s.mka", "matroska", "aac"), ("s.ts", "mpegts", "aac"),
    ("s.ac3", "ac3", "ac3"), ("s.wma", "asf", "wmav2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "container", "codec"), SEEKING)
def test_a_part_has_the_same_spans_with_the_same_sound(
    tmp_path: Path, name: str, container: str, codec: str
) -> None:
    rate = 48_000 if codec in ("libopus", "ac3") else 44_100
    path = write(tmp_path / name, sweep(40, rate), rate, container, codec, bit_rate=128_000)
    whole = _heard(path)[1]
    for part in [(0.0, 2.0), (21.0, 25.5), (38.0, 60.0)]:
        chosen = [sound for sound in whole if sound.start < part[1] and sound.end > part[0]]
        some = _heard(path, LoadOptions(part=part))[1]
        assert [one.start for one in some] == pytest.approx([one.start for one in chosen], abs=0.001)
        # Matroska and ASF round their time stamps to a millisecond, 16 samples.
        shifts = range(-20, 21) if container in ("matroska", "asf") else range(1)
        for one, other in zip(some, chosen, strict=True):
            middle = slice(40, -40)
            differences = (np.roll(one.samples, shift)[middle] - other.samples[middle] for shift in shifts)
            assert min(np.abs(difference).max() for difference in differences) < (
                0.2 if len(shifts) > 1 else 1e-4
            )


def test_a_part_beyond_the_end_or_silent_is_empty(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.concatenate((tone(20), np.zeros(20 * RATE))), RATE)
    for part in [(30.0, 35.0), (100.0, 120.0)]:
        assert _heard(tmp_path / "a.wav", LoadOptions(part=part))[1] == []


def test_notes_say_how_the_file_was_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 2)) + 0.1, 44_100)
    assert load(tmp_path / "a.wav").notes == (
        "sound: wav pcm_16, 44,100 samples a second, 2 channels, mixed into one, read with soundfile",
    )


def test_title_time_and_place_come_from_the_tags(tmp_path: Path) -> None:
    tags = {"artist": "Ada", "title": "Rain", "album": "Roofs", "comment": "at dawn", "date": "2024-05-31"}
    for name, container, codec in [("a.mp3", "mp3", "libmp3lame"), ("a.flac", "flac", "flac"),
                                   ("a.ogg", "ogg", "libopus"), ("a.m4a", "ipod", "aac"),
                                   ("a.mka", "matroska", "aac")]:  # fmt: skip
        path = write(tmp_path / name, tone(2, 48_000), 48_000, container, codec, metadata=tags)
        facts = load(path).facts
        assert facts.title == "Ada – Rain. Roofs. at dawn", name
        assert facts.taken_at is not None, name
    wav = write(tmp_path / "a.wav", tone(2), RATE, "wav", "pcm_s16le", metadata=tags)
    assert load(wav).facts.title == "Ada – Rain. Roofs. at dawn"


def test_a_broadcast_wave_says_when_it_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "field.wav"
    soundfile.write(path, tone(2), RATE)
    said = b"Rain on the roof".ljust(256, b"\0") + bytes(64) + b"2024-05-31" + b"18:20:07" + bytes(264)
    chunk = b"bext" + struct.pack("<I", len(said)) + said
    content = path.read_bytes()
    path.write_bytes(
        b"RIFF" + struct.pack("<I", len(content) - 8 + len(chunk)) + b"WAVE" + chunk + content[12:]
    )
    facts = load(path).facts
    assert facts.title == "Rain on the roof"
    assert facts.taken_at == datetime(2024, 5, 31, 18, 20, 7).astimezone().timestamp()


# ----------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("a.mp3", "mp3", "libmp3lame"), ("a.flac", "flac", "flac"), ("a.wv", "wv", "wavpack"),
     ("a.tta", "tta", "tta"), ("a.mka", "matroska", "aac"), ("a.m4a", "ipod", "aac")],
)  # fmt: skip
def test_a_recording_cut_short_is_refused_where_it_states_its_length(
    tmp_path: Path, name: str, container: str, codec: str
) -> None:
    path = write(tmp_path / name, tone(30, 44_100), 44_100, container, codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(DamagedFile, match=r"truncated|not a sound"):
        _heard(path)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.au", "a.caf"])
def test_of_an_uncompressed_recording_cut_short_the_rest_is_taken(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, sweep(20), RATE)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    _, sounds = _heard(tmp_path / name)
    assert sounds[-1].end == pytest.approx(10, abs=0.3)
    assert np.allclose(sounds[0].samples, sweep(20)[: 5 * RATE], atol=1e-4)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_recorder_that_never_wrote_the_size_is_forgiven(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.wav", sweep(8), RATE, "wav", "pcm_s16le")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(bytes(content))
    assert _heard(path)[1][-1].end == pytest.approx(8, abs=0.01)


def test_a_few_samples_that_are_no_numbers_are_silence_and_many_are_damage(tmp_path: Path) -> None:
    samples = tone(10)
    samples[5_000:5_040] = np.nan
    soundfile.write(tmp_path / "few.wav", samples, RATE, subtype="FLOAT")
    sounds = _heard(tmp_path / "few.wav")[1]
    assert all(np.isfinite(sound.samples).all() for sound in sounds)
    samples[:20_000] = np.inf
    soundfile.write(tmp_path / "many.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DamagedFile, match="no numbers"):
        _heard(tmp_path / "many.wav")


def _wav(rate: int = RATE, channels: int = 1, data: bytes = b"\0\1" * 4_000, bits: int = 16) -> bytes:
    form = struct.pack(
        "<HHIIHH", 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF, bits
    )
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.mark.parametrize(
    "content",
    [_wav(rate=0), _wav(rate=10), _wav(rate=2_000_000_000), _wav(channels=0), _wav(channels=200),
     _wav(data=b""), _wav(bits=0), b"fLaC" + bytes(300), b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(90),
     b"#!AMR\n", b"OggS" + bytes(90),
     b"caff\0\1\0\0desc" + b"\xff" * 60, b"wvpk" + b"\xff" * 60, b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF",
     b".snd" + b"\xff" * 40, b"MAC \x96\x0f" + b"\xff" * 90, b"\xff\xf1\x50\x80" * 20],
)  # fmt: skip
def test_headers_of_nothing_are_damage(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sound"
    path.write_bytes(content)
    with pytest.raises(DamagedFile):
        _heard(path)


def test_a_recording_of_a_hundred_years_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", tone(2), RATE, "flac", "flac")
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the high bits of the number of samples
    content[22:26] = b"\xff" * 4
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match=r"which no recording does|truncated"):
        _heard(path)


def test_what_is_no_sound_at_all_is_damage(tmp_path: Path) -> None:
    for kind in ("WAV", "MP3", "OGG"):
        path = tmp_path / kind
        path.write_bytes(os.urandom(3_000))
        with pytest.raises(DamagedFile):
            list(load_sound(path, kind, LoadOptions()).media)
        with pytest.raises(DamagedFile, match="cannot be read"):
            load_sound(tmp_path / "missing", kind, LoadOptions())


MUTATED = [
    ("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ipod", "aac"), ("ogg", "libopus"),
    ("adts", "aac"), ("aiff", "pcm_s16be"), ("caf", "pcm_s16le"), ("au", "pcm_s16be"), ("wv", "wavpack"),
    ("amr", "libopencore_amrnb"), ("asf", "wmav2"), ("matroska", "aac"), ("ac3", "ac3"), ("tta", "tta"),
    ("w64", "pcm_s16le"),
]  # fmt: skip


@pytest.mark.parametrize(("container", "codec"), MUTATED)
def test_flipped_and_missing_bytes_give_sounds_or_a_media_error(
    tmp_path: Path, container: str, codec: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rate = 8_000 if container == "amr" else 48_000
    bit_rate = 12_200 if container == "amr" else 64_000
    whole = write(tmp_path / "whole", tone(3, rate), rate, container, codec, bit_rate=bit_rate).read_bytes()
    random = np.random.default_rng(len(whole))
    name = f"file.{container}" if container in ("tta", "w64") else "file"  # which are known by name alone
    outcomes = [_outcome(tmp_path / name, _mutated(whole, random)) for _ in range(40)]
    assert sum(isinstance(outcome, MediaError) for outcome in outcomes) >= 3
    assert capfd.readouterr() == ("", "")


def _mutated(whole: bytes, random: np.random.Generator) -> bytes:
    damaged = bytearray(whole)
    near = 200 if random.random() < 0.5 else len(damaged)
    for place in random.integers(0, near, random.integers(1, 30)):
        damaged[place] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.integers(256)))
    return bytes(damaged[: random.integers(1, len(damaged))] if random.random() < 0.4 else damaged)


def _outcome(path: Path, content: bytes) -> MediaError | int:
    path.write_bytes(content)
    try:
        sounds = [medium for medium in load(path).media if isinstance(medium, Sound)]
    except MediaError as error:
        return error
    assert all(np.isfinite(sound.samples).all() and len(sound.samples) for sound in sounds)
    return len(sounds)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(seconds: int, name: str) -> int:
        path = tmp_path / f"{seconds}.{name}"
        soundfile.write(path, np.tile(tone(10, 8_000), seconds // 10), 8_000)
        tracemalloc.start()
        for _ in load(path).media:
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    for name in ("wav", "flac"):
        peak(30, name)
        assert peak(900, name) < 1.3 * peak(120, name)


def test_the_file_is_closed_when_nobody_listens_any_more(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(
            link.resolve().parent == tmp_path for link in Path("/proc/self/fd").iterdir() if link.exists()
        )

    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, sweep(60), RATE)
        media = load(tmp_path / name).media
        assert open_files() == 0
        next(media)
        assert open_files() >= 1
        media.close()  # type: ignore[attr-defined]
        assert open_files() == 0


def _values(sounds: list[Sound]) -> NDArray[np.float32]:
    return np.concatenate([sound.samples for sound in sounds])


def test_the_same_recording_in_two_containers_sounds_the_same(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(12, 44_100), 44_100, subtype="PCM_16")
    soundfile.write(tmp_path / "a.flac", sweep(12, 44_100), 44_100, subtype="PCM_16")
    one, other = _heard(tmp_path / "a.wav")[1], _heard(tmp_path / "a.flac")[1]
    assert np.allclose(_values(one), _values(other), atol=1e-4)
