"""Zero-shot classification: which of the labels, as text, is a file most similar to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bindsearch.classifying.prompts import PROMPTS, checked, label_vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, spread
from bindsearch.evaluation.metrics import top_k
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The figures; shares in 0..1. ``chance_at_k`` is what guessing among the labels earns."""

    modality: Modality
    items: int
    classes: int
    top_1: float
    top_5: float
    chance_at_1: float
    chance_at_5: float
    templates: tuple[str, ...]


def zero_shot(
    manifests: Manifests,
    split: str,
    modality: Modality,
    embedder: Embedder,
    *,
    templates: Sequence[str] | None = None,
    limit: int | None = None,
) -> ZeroShot:
    """Classify labelled files of ``split``, at most ``limit``, among all labels that occur there.

    ``templates`` stand in for the modality's own prompts. Raises SettingsError when the manifests or a
    template cannot serve, EncoderError when the space lacks a modality, MediaError for a file that cannot be
    read.
    """
    embedder.require(modality, Modality.TEXT)
    prompts = checked(templates) if templates else PROMPTS[modality]
    labelled = [row for row in manifests.rows(split, modality) if row.label]
    labels = sorted({row.label for row in labelled})
    if len(labels) < 2:
        raise SettingsError("needs two labels or more in these rows", subject=manifests.name)
    rows = spread(labelled, limit)
    similarity = embedder.rows(rows) @ label_vectors(embedder.texts, labels, prompts).T
    truth = np.array([labels.index(row.label) for row in rows], np.int64)
    return ZeroShot(
        modality=modality,
        items=len(rows),
        classes=len(labels),
        top_1=top_k(similarity, truth, 1),
        top_5=top_k(similarity, truth, 5),
        chance_at_1=1 / len(labels),
        chance_at_5=min(1.0, 5 / len(labels)),
        templates=tuple(prompts),
    )
