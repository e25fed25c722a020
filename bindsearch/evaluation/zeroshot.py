"""Zero-shot classification: which of the labels, as text, is a file most similar to?

A label's vector is the mean of its vectors in several prompts, made unit length: one wording alone
carries its own accidents (A. Radford et al., *Learning Transferable Visual Models*, 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bindsearch.encoders import Vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, spread
from bindsearch.evaluation.metrics import top_k
from bindsearch.modality import Modality

PICTURE_PROMPTS = (
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "a close-up photo of a {}",
    "{}",
)
# Depth maps are mostly of rooms, heat of people and vehicles; a motion's label is what somebody does.
PROMPTS = {
    Modality.IMAGE: PICTURE_PROMPTS,
    Modality.VIDEO: ("a video of a {}", "a video of {}", "{}"),
    Modality.TEXT: ("a text about {}", "{}"),
    Modality.AUDIO: ("the sound of a {}", "the sound of {}", "{}"),
    Modality.DEPTH: (
        "a depth map of a {}",
        "a photo of a {}",
        "the inside of a {}",
        "this room is a {}",
        "{}",
    ),
    Modality.THERMAL: (
        "a thermal picture of a {}",
        "an infrared photo of a {}",
        "a photo of a {}",
        "the heat of a {}",
        "{}",
    ),
    Modality.IMU: ("a person is {}", "a person {}", "somebody doing this: {}", "the motion of {}", "{}"),
    Modality.SENSOR: ("a {}", "the {}", "{}"),
}
PLACE = "{}"  # where the label stands in a prompt


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
    similarity = embedder.rows(rows) @ label_vectors(embedder, labels, prompts).T
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


def label_vectors(embedder: Embedder, labels: Sequence[str], templates: Sequence[str]) -> Vectors:
    """The unit vectors that stand for ``labels``: (labels, dimensions)."""
    texts = [template.replace(PLACE, label) for label in labels for template in templates]
    means = embedder.texts(texts).reshape(len(labels), len(templates), -1).mean(axis=1)
    unit: Vectors = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return unit


def checked(templates: Sequence[str]) -> tuple[str, ...]:
    """``templates`` as they are; SettingsError for one in which no label would stand."""
    for template in templates:
        if PLACE not in template:
            raise SettingsError(
                "has no place for the label", subject=template, hint="write {} where it stands"
            )
    return tuple(templates)
