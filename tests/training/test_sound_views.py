"""Training sounds: how sets are read, what views do to a sound, and that views are kept."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from bindsearch.encoders.compact.sounds import RATE, SAMPLES
from bindsearch.errors import EncoderError, SettingsError
from bindsearch.training.sound_data import ANIMALS, ESC50, PAIRS, SETS, label_prompts, read_sounds
from bindsearch.training.sound_views import cached_view, mixed, varied
from bindsearch.training.teacher import Lesson, Teacher

COLUMNS = ("file", "modality", "pair_id", "split", "label", "captions", "fold", "clip_title", "clip_licence")


class Still:
    """Stands where the teacher does, whose weights are not in this repository: says the level it hears."""

    heard = 0

    def hear(self, signal: NDArray[np.float32]) -> Lesson:
        self.heard += 1
        level = np.float16(np.abs(signal).max())
        return Lesson(np.full((5, 521), level, np.float16), np.zeros((5, 1024), np.float16))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """All sets, with two train sounds each and one that must never be read."""
    for number, name in enumerate(SETS):
        (tmp_path / name).mkdir()
        columns = COLUMNS if name == ESC50 else COLUMNS[:6]
        rows: list[tuple[str, ...]] = [columns]
        for sound, split in enumerate(("train", "train", "test")):
            noise = np.random.default_rng([number, sound]).normal(0, 0.1, RATE).astype(np.float32)
            soundfile.write(tmp_path / name / f"{sound}.wav", noise, RATE)
            row = (
                f"{sound}.wav",
                "audio",
                f"{sound}",
                split,
                "dog",
                "a dog | barks",
                f"{sound + 2}",
                "Big_Dog2.wav",
                "CC-BY" if sound else "CC-BY-NC",
            )
            rows.append(row[: len(columns)])
        if name == PAIRS:
            rows.append(("0.jpg", "image", "0", "train", "dog", "a dog"))
        with (tmp_path / name / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    (tmp_path / "links").mkdir()
    text = "audio_label,audio_sets,image,why\ndog,audio_esc50,photos/dog.jpg,label\n"
    (tmp_path / "links" / "sound_label_to_image.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_only_train_sounds_are_read_with_their_words_and_pictures(data: Path) -> None:
    sounds = read_sounds(data)
    assert len(sounds) == 2 * len(SETS)
    first, second = sounds[:2]
    assert first.captions == ("a dog", "barks", "big dog")
    assert (first.held_out, second.held_out) == (False, True)
    assert first.pictures == (data / "photos" / "dog.jpg",)
    own, linked = sounds[-2:]
    assert own.pictures == (data / PAIRS / "0.jpg",)
    assert linked.pictures == (data / "photos" / "dog.jpg",)


def test_a_permissive_recipe_reads_only_what_any_purpose_may_use(data: Path) -> None:
    sounds = read_sounds(data, permissive=True)
    assert {sound.source for sound in sounds} == set(SETS) - {ANIMALS}
    assert [sound.path.name for sound in sounds if sound.source == ESC50] == ["1.wav"]


def test_a_folder_without_sounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        read_sounds(tmp_path)


def test_a_label_stands_in_every_template_once() -> None:
    assert "the sound of a dog" in label_prompts("dog")
    assert len(set(label_prompts("dog"))) == len(label_prompts("dog"))


def test_a_varied_sound_is_as_long_and_follows_its_seed() -> None:
    signal = np.random.default_rng(0).normal(0, 0.1, SAMPLES).astype(np.float32)
    first, again, other = (varied(signal, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (SAMPLES,)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=0.01)
    assert 0.2 < first.std() / signal.std() < 5


def test_a_mixture_has_both_sounds_at_their_shares() -> None:
    time = np.arange(SAMPLES) / RATE
    low, high = (np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (300, 3000))
    power = np.abs(np.fft.rfft(mixed(low, 0.01 * high, 0.8))) ** 2
    assert power[3000 * 5] / power[300 * 5] == pytest.approx(0.25, rel=0.01)


def test_views_are_computed_once_and_never_mix_in_held_out_sounds(data: Path, tmp_path: Path) -> None:
    sounds, teacher = read_sounds(data), Still()
    first, again = (
        cached_view(sounds, 1, 0, lambda: cast(Any, teacher), tmp_path / "cache", lambda line: None)
        for _ in range(2)
    )
    assert teacher.heard == len(sounds)
    assert first.pictures.shape == (len(sounds), 64, 250, 3)
    assert np.array_equal(first.pictures, again.pictures)
    for sound, partner, share in zip(sounds, first.partners, first.shares, strict=True):
        assert sounds[partner].held_out == sound.held_out
        assert 0.5 <= share <= 1


def test_another_teacher_is_refused(data: Path) -> None:
    with pytest.raises(EncoderError, match="is not the teacher this training is written for"):
        Teacher(data)
