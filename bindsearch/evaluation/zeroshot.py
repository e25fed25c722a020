"""Zero-shot classification: which of the labels, as text, is a file most similar to?

A label's vector is the mean of its vectors in several prompts, made unit length: one wording alone
carries its own accidents (A. Radford et al., *Learning Transferable Visual Models*, 2021, section 3.1.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bindsearch.encoders import Encoder, Vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.manifest import encode_files, encode_texts, read_rows, require
from bindsearch.evaluation.metrics import top_k
from bindsearch.modality import Modality

PICTURE_PROMPTS = (
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "a close-up photo of a {}",
    "{}",
)
PROMPTS = {
    Modality.IMAGE: PICTURE_PROMPTS,
    Modality.VIDEO: ("a video of a {}", "a video of {}", "{}"),
    Modality.TEXT: ("a text about {}", "{}"),
    Modality.AUDIO: ("the sound of a {}", "the sound of {}", "{}"),
    Modality.DEPTH: ("a depth map of a {}", *PICTURE_PROMPTS),
    Modality.THERMAL: ("a thermal picture of a {}", *PICTURE_PROMPTS),
    Modality.IMU: ("a person is {}", "the motion of {}", "{}"),
}


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The figures; shares in 0..1."""

    modality: Modality
    items: int
    classes: int
    top_1: float
    top_5: float


def zero_shot(manifest: Path, split: str, modality: Modality, encoder: Encoder) -> ZeroShot:
    """Classify every labelled file of ``split`` among all labels that occur there.

    Raises SettingsError when the manifest cannot serve, EncoderError when the encoder lacks a modality,
    MediaError for a file that cannot be read.
    """
    require(encoder, modality, Modality.TEXT)
    rows = [row for row in read_rows(manifest, split, modality) if row.label]
    labels = sorted({row.label for row in rows})
    if len(labels) < 2:
        raise SettingsError("needs two labels or more in these rows", subject=str(manifest))
    classes = np.stack([label_vector(encoder, label, modality) for label in labels])
    similarity = encode_files(encoder, (row.path for row in rows)) @ classes.T
    truth = np.array([labels.index(row.label) for row in rows], np.int64)
    top_1, top_5 = (top_k(similarity, truth, k) for k in (1, 5))
    return ZeroShot(modality, len(rows), len(labels), top_1, top_5)


def label_vector(encoder: Encoder, label: str, modality: Modality) -> Vectors:
    """The unit vector that stands for ``label`` among things of ``modality``: (dimensions,)."""
    vectors = encode_texts(encoder, (prompt.format(label) for prompt in PROMPTS[modality]))
    mean = vectors.mean(axis=0)
    unit: Vectors = mean / np.linalg.norm(mean)
    return unit
