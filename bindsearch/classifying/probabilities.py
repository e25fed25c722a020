"""From cosines to probabilities, with one that none of the labels fits.

The probability of a label is a softmax over the cosines times a scale, and "none of these" stands among
them as if it had the cosine ``level``: where a label is exactly that similar, it is as likely as none. A
softmax over the labels alone would have to name one of them for everything, however foreign.

Scale and level differ from space to space and from modality to modality. ``MEASURED`` holds those of the
compact space, found by ``benchmarks/tagging.py`` on labelled files with labels that fit and labels that do
not. Elsewhere they are estimated from how the item stands to the words of ``EVERYDAY``, most of which do
not fit it: its cosines to these have a mean and a spread, and what is likely stands out of them by
``OUTSTANDING`` spreads. The two numbers of the estimate were fitted to the same labelled files; in another
space they are a guess, of which commands say that it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Space, Vectors
from bindsearch.modality import Modality

Numbers = NDArray[np.float64]


class Calibration(NamedTuple):
    """``scale`` multiplies cosines before the softmax, ``level`` is the cosine of "none of these".

    Either one number for all items, or a column of one number an item: (items, 1).
    """

    scale: Numbers | float
    level: Numbers | float


_PICTURES = Calibration(20.6, 0.376)

# By a space's id and revision. A clip's vector is the mean of its pictures', so pictures speak for films.
MEASURED: Mapping[tuple[str, str], Mapping[Modality, Calibration]] = {
    ("compact", "3"): {
        Modality.IMAGE: _PICTURES,
        Modality.VIDEO: _PICTURES,
        Modality.AUDIO: Calibration(26.0, 0.340),
        Modality.DEPTH: Calibration(15.5, 0.332),
        Modality.THERMAL: Calibration(15.5, 0.376),
        Modality.IMU: Calibration(33.4, 0.279),
    }
}

# Spreads are multiplied by STEEPNESS before the softmax.
STEEPNESS, OUTSTANDING = 1.35, 3.8
EVERYDAY = (
    *("dog", "cat", "bird", "horse", "insect", "fish", "person", "child", "crowd", "face", "hand", "car"),
    *("motorcycle", "train", "airplane", "boat", "bicycle", "house", "church", "bridge", "street"),
    *("kitchen", "bedroom", "office", "bathroom", "shop", "tree", "flower", "grass", "mountain", "beach"),
    *("sea", "river", "sky", "rain", "snow", "fire", "wind", "thunder", "food", "bread", "fruit", "cup"),
    *("bottle", "chair", "table", "lamp", "clock", "phone", "computer", "camera", "book", "guitar"),
    *("piano", "drum", "voice", "music", "laughter", "footsteps", "engine", "siren", "bell", "door"),
    *("walking", "running", "jumping", "sitting", "lying down", "waving", "throwing"),
)


def measured(space: Space, modality: Modality) -> Calibration | None:
    """The calibration that was measured for a modality of ``space``, None where none was."""
    return MEASURED.get((space.id, space.revision), {}).get(modality)


def estimated(vectors: Vectors, everyday: Vectors) -> Calibration:
    """What each of ``vectors`` (n, d) says of itself by its cosines to the words of EVERYDAY (words, d)."""
    cosines = np.asarray(vectors @ everyday.T, np.float64)
    middle = cosines.mean(axis=1, keepdims=True)
    spread = np.maximum(cosines.std(axis=1, keepdims=True), 1e-6)
    return Calibration(STEEPNESS / spread, middle + OUTSTANDING * spread)


def probabilities(scores: NDArray[np.floating], calibration: Calibration) -> Numbers:
    """The probability of each label, and in the last column of none: (n, labels) to (n, labels + 1)."""
    logits = calibration.scale * (np.asarray(scores, np.float64) - calibration.level)
    logits = np.hstack([logits, np.zeros((len(logits), 1))])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Numbers = powers / powers.sum(axis=1, keepdims=True)
    return chances
