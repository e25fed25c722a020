"""Few-shot classification: a linear probe on some examples of each label, measured on another split.

The examples are drawn several times; each draw depends on the seed, on how many are drawn and on its own
number only, so that the figures of one number of shots do not depend on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bindsearch.encoders import Vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row, spread
from bindsearch.evaluation.metrics import top_k
from bindsearch.evaluation.probe import FEW_STRENGTH, Classes, choose_strength, fit
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class ProbeFigures:
    """Probes on ``shots`` examples a label, None for all there are; shares in 0..1.

    ``top_1`` and ``top_5`` are means over ``draws``, ``spread`` is the standard deviation of the top-1 of one
    draw (divisor draws - 1), None where there is one draw. ``examples`` is how many one probe was fitted on:
    a label with fewer than ``shots`` gives all it has. ``strength`` is the probe's penalty.
    """

    shots: int | None
    draws: int
    examples: int
    top_1: float
    spread: float | None
    top_5: float
    strength: float


@dataclass(frozen=True, slots=True)
class FewShot:
    """The figures, and what they are of; ``unknown`` items, of labels without examples, are not counted."""

    modality: Modality
    train_split: str
    seed: int
    items: int
    classes: int
    unknown: int
    chance_at_1: float
    chance_at_5: float
    probes: tuple[ProbeFigures, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Vectors and classes to learn from, and others to be measured on."""

    vectors: Vectors
    truth: Classes
    test_vectors: Vectors
    test_truth: Classes
    classes: int


def few_shot(
    manifests: Manifests,
    splits: tuple[str, str],
    modality: Modality,
    embedder: Embedder,
    *,
    shots: Sequence[int] = (1, 2, 4, 8),
    draws: int = 5,
    seed: int = 0,
    limit: int | None = None,
) -> FewShot:
    """Probes learnt on the first of ``splits`` and measured on the second; ``limit`` holds for each of them.

    Raises SettingsError when the manifests cannot serve, EncoderError when the space lacks the modality,
    MediaError for a file that cannot be read.
    """
    embedder.require(modality)
    if splits[0] == splits[1]:
        raise SettingsError(
            "is to be learnt from and measured on", subject=splits[0], hint="choose two splits"
        )
    train, test = (_labelled(manifests, split, modality, limit) for split in splits)
    labels = sorted({row.label for row in train})
    known = [row for row in test if row.label in set(labels)]
    if len(labels) < 2 or not known:
        raise SettingsError(
            f"needs two labels or more in {splits[0]!r} and one of them in {splits[1]!r}",
            subject=manifests.name,
        )
    classes = {label: place for place, label in enumerate(labels)}
    examples = Examples(
        *(embedder.rows(train), _truth(train, classes)),
        *(embedder.rows(known), _truth(known, classes)),
        classes=len(labels),
    )
    return FewShot(
        modality=modality,
        train_split=splits[0],
        seed=seed,
        items=len(known),
        classes=len(labels),
        unknown=len(test) - len(known),
        chance_at_1=1 / len(labels),
        chance_at_5=min(1.0, 5 / len(labels)),
        probes=tuple(probe_figures(examples, count, draws, seed) for count in (*shots, None)),
    )


def probe_figures(examples: Examples, shots: int | None, draws: int, seed: int) -> ProbeFigures:
    """The figures of one number of shots; for None one probe on all, its penalty chosen on a fifth."""
    if shots is None:
        chosen = [np.arange(len(examples.truth))]
        strength = choose_strength(
            examples.vectors, examples.truth, examples.classes, np.random.default_rng([seed, 0])
        )
    else:
        chosen = [
            draw(examples.truth, shots, np.random.default_rng([seed, shots, number]))
            for number in range(draws)
        ]
        strength = FEW_STRENGTH
    right = np.array([_measured(examples, places, strength) for places in chosen])
    return ProbeFigures(
        shots=shots,
        draws=len(chosen),
        examples=len(chosen[0]),
        top_1=float(right[:, 0].mean()),
        spread=float(right[:, 0].std(ddof=1)) if len(chosen) > 1 else None,
        top_5=float(right[:, 1].mean()),
        strength=strength,
    )


def draw(truth: Classes, shots: int, rng: np.random.Generator) -> Classes:
    """The places of ``shots`` examples of each class, or of all that a smaller class has."""
    return np.concatenate([rng.permutation(np.flatnonzero(truth == own))[:shots] for own in np.unique(truth)])


def _measured(examples: Examples, places: Classes, strength: float) -> tuple[float, float]:
    probe = fit(examples.vectors[places], examples.truth[places], examples.classes, strength)
    scores = probe.scores(examples.test_vectors)
    return top_k(scores, examples.test_truth, 1), top_k(scores, examples.test_truth, 5)


def _labelled(manifests: Manifests, split: str, modality: Modality, limit: int | None) -> list[Row]:
    return spread([row for row in manifests.rows(split, modality) if row.label], limit)


def _truth(rows: list[Row], classes: dict[str, int]) -> Classes:
    return np.array([classes[row.label] for row in rows], np.int64)
