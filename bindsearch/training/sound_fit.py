"""Fitting the audio tower to the words, the pictures and the teacher's word that belong to each sound.

Four losses are added:

* InfoNCE in both directions with a caption, a title or the label in a random template, and with a picture
  where there is one; sounds of one label are all right for each other (``fit.contrast``);
* cross-entropy over all labels, as text: what zero-shot classification asks. A label of another set that
  means nearly the same (hen, chicken) is not held against the sound;
* cross-entropy over the names of the teacher's kinds of sound, as text, with the teacher's scores as target;
* the teacher's scores and features at each of five times, by the network itself.

For the first steps the held-out sounds are not drawn, so that the figures reported then are of sounds that
the tower has not heard; after that they are trained on like the others.

Every step draws its batch by its own seed, so that a run that was interrupted goes on as if it had not been.
What is kept is the running mean of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.fit import Batch, contrast
from bindsearch.training.loop import Loop, Weights
from bindsearch.training.sound_net import SoundTower
from bindsearch.training.sound_views import View

FRAMES_A_SECOND = 50
REPORT_EVERY = 50
Report = Callable[[int, float, SoundTower], None]


@dataclass(frozen=True, slots=True)
class SoundFitOptions:
    """How to fit. The figures behind these values are in docs/compact-model.md.

    Each of the ``cycles`` is so many steps long; its rates rise to ``peaks`` times ``rate`` and ``head_rate``
    in the first tenth and fall to nothing along a cosine (I. Loshchilov, F. Hutter, *SGDR*, 2017).
    """

    cycles: tuple[int, ...] = (450, 650, 300)
    peaks: tuple[float, ...] = (1.0, 0.6, 0.4)
    sounds: int = 32
    rate: float = 8e-4
    head_rate: float = 2e-3
    decay: float = 0.02
    temperature: float = 0.05
    averaging: float = 0.99
    apart: int = 180
    text_weight: float = 0.5
    picture_weight: float = 0.3
    kinds_weight: float = 0.3
    scores_weight: float = 30.0
    features_weight: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Lessons:
    """The targets of the training sounds. All vectors are unit length.

    ``texts`` and ``pictures`` hold (count, 384) for each sound, the latter perhaps empty. ``labels``
    (sounds,) are rows of ``prototypes`` (labels, 384); ``rivals`` (sounds, labels) is false where a label is
    no wrong answer. ``kinds`` are the names of the teacher's classes, (521, 384). ``chances`` (sounds,) is
    how often to draw each sound, ``held_out`` (sounds,) which are left out for the first steps.
    """

    texts: Sequence[Tensor]
    pictures: Sequence[Tensor]
    labels: Tensor
    prototypes: Tensor
    rivals: Tensor
    kinds: Tensor
    chances: Tensor
    held_out: Tensor


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch: which sounds, which are mixed in and how much is left of the first, and what is shown."""

    chosen: Tensor
    partners: Tensor
    shares: Tensor
    pixels: Tensor
    scores: Tensor
    features: Tensor


def fit_sounds(
    tower: SoundTower,
    views: Sequence[View],
    lessons: Lessons,
    options: SoundFitOptions,
    checkpoint: Path | None = None,
    report: Report = lambda step, loss, tower: None,
) -> SoundTower:
    """Fit ``tower`` in place and return its averaged copy; goes on from ``checkpoint`` if that exists."""
    last = sum(options.cycles)
    loop = Loop(
        tower,
        _weights(tower, options),
        [pace(step, options) for step in range(1, last + 1)],
        decay=options.decay,
        averaging=options.averaging,
        seed=options.seed,
        checkpoint=checkpoint,
    )
    for step in loop.steps():
        loss = _loss(tower, _draw(views, lessons, options, step), lessons, options)
        loop.take(loss)
        if step % REPORT_EVERY == 0 or step == last:
            loop.keep(step)
            report(step, loss.item(), loop.mean)
    return loop.mean


def pace(step: int, options: SoundFitOptions) -> float:
    """What the rates are multiplied with at ``step``, which counts from 1."""
    for length, peak in zip(options.cycles, options.peaks, strict=False):
        if step <= length:
            warm = max(1, length // 10)
            if step <= warm:
                return peak * step / warm
            return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (length - warm)))
        step -= length
    return 0.0


def masked(pixels: Tensor, generator: np.random.Generator) -> Tensor:
    """One picture, (64, 250, 3), a few bands higher or lower, with a band and a time blacked out
    (D. Park et al., *SpecAugment*, 2019)."""
    pixels = torch.roll(pixels, int(generator.integers(-2, 3)), 0)
    band, time = int(generator.integers(0, 56)), int(generator.integers(0, 220))
    pixels[band : band + int(generator.integers(0, 9))] = 0
    pixels[:, time : time + int(generator.integers(0, 31))] = 0
    return pixels


def _draw(views: Sequence[View], lessons: Lessons, options: SoundFitOptions, step: int) -> Drawn:
    generator = np.random.default_rng([options.seed, step])
    apart = step <= options.apart
    chances = lessons.chances.masked_fill(lessons.held_out, 0.0) if apart else lessons.chances
    chosen = torch.multinomial(chances, options.sounds)
    rows = [_drawn_view(views, int(index), generator) for index in chosen]
    pixels, scores, features, partners, shares = (torch.stack(column) for column in zip(*rows, strict=True))
    return Drawn(chosen, partners, shares, pixels, scores.float(), features.float())


def _drawn_view(views: Sequence[View], index: int, generator: np.random.Generator) -> tuple[Tensor, ...]:
    """A random view of one sound, begun at another of its five seconds."""
    view, second = views[int(generator.integers(len(views)))], int(generator.integers(5))
    pixels = torch.roll(torch.from_numpy(view.pictures[index]), -second * FRAMES_A_SECOND, 1)
    scores, features = (
        torch.roll(torch.from_numpy(table[index]), -second, 0) for table in (view.scores, view.features)
    )
    partner, share = torch.tensor(view.partners[index]), torch.tensor(view.shares[index])
    return masked(pixels, generator), scores, features, partner, share


def _loss(tower: SoundTower, drawn: Drawn, lessons: Lessons, options: SoundFitOptions) -> Tensor:
    heard = tower.hear(drawn.pixels)
    agreement = F.cosine_similarity(heard.features, drawn.features.sqrt(), dim=-1).mean()
    return (
        _label_loss(heard.vectors, drawn, lessons, options.temperature)
        + options.text_weight * _contrast(heard.vectors, drawn, lessons.texts, lessons, options)
        + options.picture_weight * _contrast(heard.vectors, drawn, lessons.pictures, lessons, options)
        + options.kinds_weight * _kinds_loss(heard.vectors, drawn, lessons, options.temperature)
        + options.scores_weight * F.binary_cross_entropy_with_logits(heard.scores, drawn.scores)
        + options.features_weight * (1 - agreement)
    )


def _label_loss(vectors: Tensor, drawn: Drawn, lessons: Lessons, temperature: float) -> Tensor:
    """Cross-entropy over the labels of both sounds that are heard, by their shares."""
    own, other = lessons.labels[drawn.chosen], lessons.labels[drawn.partners]
    rivals = lessons.rivals[drawn.chosen] & lessons.rivals[drawn.partners]
    rivals = rivals.scatter(1, torch.stack([own, other], 1), True)
    logits = vectors @ lessons.prototypes.T / temperature
    losses = -logits.masked_fill(~rivals, -1e4).log_softmax(1)
    both = [losses.gather(1, label[:, None])[:, 0] for label in (own, other)]
    return (drawn.shares * both[0] + (1 - drawn.shares) * both[1]).mean()


def _contrast(
    vectors: Tensor, drawn: Drawn, targets: Sequence[Tensor], lessons: Lessons, options: SoundFitOptions
) -> Tensor:
    """InfoNCE with one random target of each sound that has any."""
    rows = [row for row, index in enumerate(drawn.chosen.tolist()) if len(targets[index])]
    if len(rows) < 2:
        return vectors.new_zeros(())
    chosen = drawn.chosen[rows]
    partners = [targets[i][int(torch.randint(len(targets[i]), ()))] for i in chosen.tolist()]
    batch = Batch(vectors[rows], torch.stack(partners), lessons.labels[chosen])
    return contrast(vectors[rows], batch, options.temperature)


def _kinds_loss(vectors: Tensor, drawn: Drawn, lessons: Lessons, temperature: float) -> Tensor:
    """Cross-entropy over the teacher's kinds; only what the teacher is fairly sure of counts."""
    scores = drawn.scores.mean(1)
    sure = scores * (scores > 0.1)
    sure = sure / sure.sum(1, keepdim=True).clamp(min=1)
    logits = (vectors @ lessons.kinds.T / temperature).log_softmax(1)
    return -(sure * logits).sum(1).mean()


def _weights(tower: SoundTower, options: SoundFitOptions) -> list[Weights]:
    heads = [
        *tower.linear.parameters(),
        *tower.classifier.parameters(),
        *tower.copy_teacher.parameters(),
        tower.kinds,
    ]
    known = {id(parameter) for parameter in heads}
    trunk = [parameter for parameter in tower.trained() if id(parameter) not in known]
    return [Weights(trunk, options.rate), Weights(heads, options.head_rate)]
