"""Fitting the audio tower: on made-up spectrograms it learns, goes on when interrupted, and is exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.encoders.compact import WEIGHTS, Manifest
from bindsearch.encoders.compact.sounds import BANDS, FRAMES
from bindsearch.modality import Modality
from bindsearch.training.export import add_tower, write_tower
from bindsearch.training.loop import threads
from bindsearch.training.sound_fit import Lessons, SoundFitOptions, fit_sounds, masked, pace
from bindsearch.training.sound_net import SoundTower, start_of
from bindsearch.training.sound_views import View
from bindsearch.training.sources import IMAGE_WEIGHTS
from bindsearch.training.towers import TEXT_DIMENSIONS, load_image_tower

COUNT, LABELS, KINDS = 12, 3, 521
# Frames of the made-up spectrograms: fewer than the real ones have, for speed.
SHORT = 64
OPTIONS = SoundFitOptions(cycles=(2,), sounds=4, averaging=0.5, apart=1)


def units(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(
        torch.randn(*shape, TEXT_DIMENSIONS, generator=torch.Generator().manual_seed(seed)), dim=-1
    )


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Small batches are slower on several cores, much slower on busy ones."""
    with threads(1):
        yield


@pytest.fixture(scope="module")
def view() -> View:
    """Sounds of three labels, each a bright band at its own height."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 60, (COUNT, BANDS, SHORT, 3), dtype=np.uint8)
    for sound in range(COUNT):
        pictures[sound, 20 * (sound % LABELS) + 2 :][:12] += 150
    return View(
        pictures,
        rng.random((COUNT, 5, KINDS)).astype(np.float16) * np.float16(0.1),
        rng.random((COUNT, 5, 1024)).astype(np.float16),
        np.arange(COUNT),
        np.ones(COUNT, np.float32),
    )


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    labels = torch.arange(COUNT) % LABELS
    prototypes = units(LABELS)
    return Lessons(
        texts=[prototypes[label][None] for label in labels],
        pictures=[prototypes[label][None] if label else torch.empty(0, TEXT_DIMENSIONS) for label in labels],
        labels=labels,
        prototypes=prototypes,
        rivals=torch.ones(COUNT, LABELS, dtype=torch.bool),
        kinds=units(KINDS, seed=1),
        chances=torch.ones(COUNT),
        held_out=torch.arange(COUNT) < 2,
    )


def new_tower(lessons: Lessons) -> SoundTower:
    return start_of(load_image_tower(), lessons.kinds, 0)


def test_the_loss_falls(view: View, lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bindsearch.training.sound_fit.REPORT_EVERY", 1)
    losses: list[float] = []
    # What the teacher says is noise here: only the words are learnt.
    options = replace(
        OPTIONS,
        cycles=(16,),
        sounds=8,
        rate=1e-4,
        head_rate=3e-4,
        kinds_weight=0.0,
        scores_weight=0.0,
        features_weight=0.0,
    )
    fit_sounds(
        new_tower(lessons), [view], lessons, options, report=lambda step, loss, tower: losses.append(loss)
    )
    assert sum(losses[-4:]) < 0.85 * sum(losses[:4])


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
    view: View, lessons: Lessons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_sounds(new_tower(lessons), [view], lessons, OPTIONS)

    class Interrupted(Exception):
        pass

    def stop(step: int, loss: float, tower: SoundTower) -> None:
        if step == 1:
            raise Interrupted

    monkeypatch.setattr("bindsearch.training.sound_fit.REPORT_EVERY", 1)
    checkpoint = tmp_path / "fit.pt"
    with pytest.raises(Interrupted):
        fit_sounds(new_tower(lessons), [view], lessons, OPTIONS, checkpoint, stop)
    steps: list[int] = []
    resumed = fit_sounds(
        new_tower(lessons), [view], lessons, OPTIONS, checkpoint, lambda step, loss, tower: steps.append(step)
    )
    assert steps == [2]
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_masking_blacks_out_little_and_leaves_the_rest() -> None:
    picture = torch.full((BANDS, FRAMES, 3), 200, dtype=torch.uint8)
    shares = [float((masked(picture, np.random.default_rng(seed)) == 0).float().mean()) for seed in range(20)]
    assert max(shares) < 0.3
    assert len(set(shares)) > 5


def test_each_cycle_rises_to_its_peak_and_falls_to_nothing() -> None:
    options = SoundFitOptions(cycles=(20, 40), peaks=(1.0, 0.7))
    rates = [pace(step, options) for step in range(1, 61)]
    assert (max(rates[:20]), max(rates[20:])) == (1.0, 0.7)
    assert (rates.index(1.0), rates.index(0.7)) == (1, 23)
    assert rates[19] == pytest.approx(0)
    assert rates[59] == pytest.approx(0)
    assert min(rates) >= 0


def test_the_exported_tower_agrees_and_joins_the_others(lessons: Lessons, tmp_path: Path) -> None:
    for name in ("manifest.json", *(file.name for file in Manifest.read().files)):
        (tmp_path / name).write_bytes((WEIGHTS / name).read_bytes())
    tower = new_tower(lessons).eval()
    write_tower(tower, np.zeros((1, BANDS, FRAMES, 3), np.uint8), Modality.AUDIO, tmp_path)
    add_tower(tmp_path, Modality.AUDIO, "9", IMAGE_WEIGHTS)
    manifest = Manifest.read(tmp_path)
    manifest.verify()
    assert manifest.revision == "9"
    assert manifest.space.modalities >= {Modality.AUDIO, Modality.IMAGE, Modality.TEXT, Modality.VIDEO}
    pixels = np.random.default_rng(0).integers(0, 256, (2, BANDS, FRAMES, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(manifest.path_of("audio.onnx"), providers=["CPUExecutionProvider"])
    made = session.run(None, {"pixels": pixels})[0]
    with torch.no_grad():
        assert np.abs(made - tower(torch.from_numpy(pixels)).numpy()).max() < 0.01
