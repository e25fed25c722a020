"""Sounds in the compact space: what the audio tower is shown, and vectors of odd and of real sounds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bindsearch.encoders import Vectors
from bindsearch.encoders.compact import CompactEncoder
from bindsearch.encoders.compact.sounds import BANDS, FRAMES, RATE, SAMPLES, filled, spectrograms, windows
from bindsearch.media import Passage, Sound
from bindsearch.modality import Modality

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio_esc50"
Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def encoder() -> CompactEncoder:
    """One encoder for the whole file, so that its towers load once."""
    return CompactEncoder()


def tone(hertz: float, seconds: float = 5.0, rate: int = RATE) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float = 5.0, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def sound(samples: Samples, rate: int = RATE) -> Sound:
    return Sound(samples, rate, 0.0, len(samples) / rate)


def test_the_space_knows_sounds(encoder: CompactEncoder) -> None:
    assert Modality.AUDIO in encoder.space.modalities


def test_a_tone_is_a_line_at_its_pitch() -> None:
    low, high = (spectrograms(tone(hertz), RATE)[0] for hertz in (200, 4000))
    assert low.shape == (BANDS, FRAMES, 3)
    assert low.dtype == np.uint8
    rows = [picture.mean(axis=1).argmax(axis=0) for picture in (low, high)]
    assert (rows[0] < 15).all()
    assert (rows[1] > 40).all()
    assert low[rows[0][1], :, 1].min() > 240


def test_loudness_is_not_heard() -> None:
    loud, soft = (spectrograms(noise() * level, RATE).astype(int) for level in (1.0, 0.01))
    assert np.abs(loud - soft).max() <= 1


def test_silence_is_black_and_has_a_unit_vector(encoder: CompactEncoder) -> None:
    for samples in (np.zeros(SAMPLES, np.float32), np.zeros(0, np.float32), np.zeros(1, np.float32)):
        assert not spectrograms(samples, RATE).any()
        vector = encoder.encode([sound(samples)])[0]
        assert np.isfinite(vector).all()
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_a_short_sound_is_repeated_and_silence_around_it_cut() -> None:
    short = noise(0.7)
    padded = np.concatenate([np.zeros(3000, np.float32), short, np.zeros(20_000, np.float32)])
    assert np.array_equal(filled(short), np.resize(short, SAMPLES))
    assert np.array_equal(spectrograms(padded, RATE), spectrograms(short, RATE))


@given(st.integers(0, 20 * RATE))
@settings(max_examples=60, deadline=None)
def test_windows_cover_a_sound_of_any_length(length: int) -> None:
    samples = np.arange(length, dtype=np.float32)
    pieces = windows(samples)
    assert all(len(piece) == min(length, SAMPLES) for piece in pieces)
    missed = length - len(np.unique(np.concatenate(pieces)))
    assert 0 <= missed <= RATE


def test_another_rate_of_the_same_sound_changes_little(encoder: CompactEncoder) -> None:
    slow, fast = (tone(440, rate=rate) + 0.3 * tone(1870, rate=rate) for rate in (RATE, 44_100))
    one, other = encoder.encode([sound(slow), sound(fast, 44_100)])
    assert one @ other > 0.97


def test_what_is_no_number_is_silence(encoder: CompactEncoder) -> None:
    broken = noise(2.0)
    broken[100:110], broken[200] = np.nan, np.inf
    assert np.isfinite(encoder.encode([sound(broken)])).all()


def test_a_long_sound_is_the_mean_of_its_windows(encoder: CompactEncoder) -> None:
    long = np.concatenate([tone(300), noise()])
    parts = encoder.encode([sound(long[:SAMPLES]), sound(long[SAMPLES:])]).mean(axis=0)
    assert np.allclose(encoder.encode([sound(long)])[0], parts / np.linalg.norm(parts), atol=1e-6)


def test_a_sound_never_depends_on_its_batch_mates_or_the_cores(encoder: CompactEncoder) -> None:
    batch = [sound(noise(0.3)), sound(tone(500, 12.0)), sound(noise(5.0, 1)), sound(np.ones(1, np.float32))]
    together = encoder.encode(batch)
    alone = np.concatenate([CompactEncoder(threads=1).encode([item]) for item in batch])
    assert np.array_equal(together, alone)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_encoding_leaves_the_samples_as_they_were(encoder: CompactEncoder) -> None:
    samples = noise(1.5)
    samples.flags.writeable = False
    before = samples.copy()
    encoder.encode([sound(samples)])
    assert np.array_equal(samples, before)


@pytest.mark.skipif(not DATA.is_dir(), reason="the recorded sounds are not beside the checkout")
def test_recorded_sounds_are_closest_to_their_words(encoder: CompactEncoder) -> None:
    labels = [
        "dog",
        "rain",
        "siren",
        "church bells",
        "keyboard typing",
        "crying baby",
        "sea waves",
        "rooster",
    ]
    truth, vectors = _recorded(encoder, labels, each=5)
    words = encoder.encode([Passage(f"the sound of {label}") for label in labels])
    assert np.mean((vectors @ words.T).argmax(axis=1) == truth) > 0.75


def _recorded(encoder: CompactEncoder, labels: list[str], each: int) -> tuple[NDArray[np.int64], Vectors]:
    """The first ``each`` sounds of each label that no tower was trained on."""
    import soundfile

    with (DATA / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    chosen = [[row["file"] for row in rows if row["label"] == label][:each] for label in labels]
    sounds = [sound(*soundfile.read(DATA / name, dtype="float32")) for names in chosen for name in names]
    truth = np.repeat(np.arange(len(labels)), [len(names) for names in chosen])
    return truth, encoder.encode(sounds)
