"""Labels as vectors: each is put into sentences of the kind that pictures, sounds or logs come with.

A label's vector is the mean of its vectors in several prompts, made unit length: one wording alone
carries its own accidents (A. Radford et al., *Learning Transferable Visual Models*, 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bindsearch.encoders import Vectors
from bindsearch.errors import SettingsError
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


def label_vectors(
    embed: Callable[[Sequence[str]], Vectors], labels: Sequence[str], templates: Sequence[str]
) -> Vectors:
    """The unit vectors that stand for ``labels``, (labels, dimensions); ``embed`` gives those of texts."""
    texts = [template.replace(PLACE, label) for label in labels for template in templates]
    means = embed(texts).reshape(len(labels), len(templates), -1).mean(axis=1)
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
