"""Views of the training sounds: what the tower is shown and what its teacher says, computed once and kept.

View 0 is each sound as the encoder hears it. The others are faster or slower (and thus higher or lower),
begin elsewhere, have another balance of high and low, and half of them are mixed with a second sound. A view
of one sound is a picture of 48 kB and 15 kB of the teacher's word.

A cache file's name holds a digest of the file list, the view and the seed: other data make other files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.compact.pictures import PREPROCESSING
from bindsearch.encoders.compact.sounds import SAMPLES, filled, spectrogram
from bindsearch.media import Floats, Pixels
from bindsearch.training.sound_data import Sound, samples_of
from bindsearch.training.teacher import Teacher

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class View:
    """One view of every sound.

    ``pictures`` is (sounds, 64, 250, 3); ``scores`` and ``features`` are the teacher's, (sounds, 5, 521) and
    (sounds, 5, 1024); ``partners`` (sounds,) says which sound is mixed in, with the share 1 - ``shares``.
    """

    pictures: Pixels
    scores: NDArray[np.float16]
    features: NDArray[np.float16]
    partners: NDArray[np.int64]
    shares: Floats


def cached_view(
    sounds: Sequence[Sound], view: int, seed: int, teacher: Callable[[], Teacher], cache: Path, say: Say
) -> View:
    """View number ``view`` of ``sounds``, kept in the folder ``cache``."""
    path = cache / f"sounds-{_digest(sounds, view, seed)}.npz"
    if not path.is_file():
        say(f"view {view}: computing the pictures of {len(sounds)} sounds, and what the teacher says")
        cache.mkdir(parents=True, exist_ok=True)
        half_done = path.with_suffix(".part.npz")
        made = _computed(sounds, view, seed, teacher())
        np.savez(half_done, **{name: getattr(made, name) for name in View.__slots__})
        half_done.rename(path)
    with np.load(path) as stored:
        return View(**{name: stored[name] for name in View.__slots__})


def varied(signal: Floats, rng: np.random.Generator) -> Floats:
    """``signal``, (80000,), at another speed, from another beginning, through a gentle random filter."""
    speed = float(np.exp(rng.uniform(-0.18, 0.18)))
    places = (rng.uniform(0, SAMPLES) + np.arange(SAMPLES) * speed) % SAMPLES
    moved = np.interp(places, np.arange(SAMPLES + 1), np.append(signal, signal[0]))
    spectrum = np.fft.rfft(moved)
    # Up to 6 dB up or down at eight frequencies, evenly spaced in octaves from 60 Hz to 8 kHz.
    octaves = np.linspace(0, 7, 8)
    frequency = np.log2(np.maximum(np.fft.rfftfreq(SAMPLES, 1 / 16_000), 60) / 60)
    gains = 10 ** (np.interp(frequency, octaves, rng.uniform(-6, 6, len(octaves))) / 20)
    made: Floats = np.fft.irfft(spectrum * gains, SAMPLES).astype(np.float32)
    return made


def mixed(one: Floats, other: Floats, share: float) -> Floats:
    """Two signals as one, at powers in the ratio ``share`` to 1 - ``share``."""
    parts = [signal / max(float(np.sqrt(np.mean(signal**2))), 1e-6) for signal in (one, other)]
    sum_of_both: Floats = (np.sqrt(share) * parts[0] + np.sqrt(1 - share) * parts[1]).astype(np.float32)
    return sum_of_both


def _computed(sounds: Sequence[Sound], view: int, seed: int, teacher: Teacher) -> View:
    signals = [filled(samples_of(sound.path)[:SAMPLES]) for sound in sounds]
    # Held-out sounds are mixed with one another only: nothing of them may be heard in the others' views.
    mates = [[i for i, mate in enumerate(sounds) if mate.held_out == kind] for kind in (False, True)]
    rows = [_one(signals, i, mates[sound.held_out], view, seed, teacher) for i, sound in enumerate(sounds)]
    columns: list[Any] = [np.array(column) for column in zip(*rows, strict=True)]
    return View(*columns)


def _one(
    signals: Sequence[Floats], index: int, mates: Sequence[int], view: int, seed: int, teacher: Teacher
) -> tuple[Any, ...]:
    rng = np.random.default_rng([seed, view, index])
    signal, partner, share = signals[index], index, 1.0
    if view:
        signal = varied(signal, rng)
        if rng.random() < 0.5:
            partner, share = int(rng.choice(mates)), float(rng.uniform(0.5, 0.95))
            signal = mixed(signal, varied(signals[partner], rng), share)
    level = max(float(np.abs(signal).max()), 1e-6)
    lesson = teacher.hear(signal / level * 0.7)
    return spectrogram(signal), lesson.scores, lesson.features, partner, np.float32(share)


def _digest(sounds: Sequence[Sound], view: int, seed: int) -> str:
    names = "\n".join(f"{sound.source}/{sound.path.name}" for sound in sounds)
    return hashlib.sha256(f"{names}\n{view} {seed} {PREPROCESSING}".encode()).hexdigest()[:16]
