"""Classifying by words: how likely each of some labels is to be what an item shows, or sounds like."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from bindsearch.classifying.probabilities import EVERYDAY, Numbers, estimated, measured, probabilities
from bindsearch.classifying.prompts import PROMPTS, checked, label_vectors
from bindsearch.encoders import Encoder, Space, Vectors
from bindsearch.errors import SettingsError
from bindsearch.media import Passage
from bindsearch.modality import Modality

BATCH = 32  # texts that an encoder is given at once


class Labels:
    """Some labels in the space of ``encoder``; the words are embedded for each modality when it first comes.

    ``templates`` stand in for the prompts of every modality. Raises SettingsError for labels or templates
    that cannot serve.
    """

    def __init__(self, encoder: Encoder, names: Sequence[str], templates: Sequence[str] = ()) -> None:
        self.names = clean_names(names)
        self._templates = checked(templates)
        self.encoder = encoder
        self._vectors: dict[tuple[str, ...], Vectors] = {}
        self._everyday: Vectors | None = None

    @property
    def space(self) -> Space:
        """The space that the labels live in."""
        return self.encoder.space

    def is_measured(self, modality: Modality) -> bool:
        """Whether probabilities rest on measurements in this space and modality, or on an estimate."""
        return measured(self.space, modality) is not None

    def cosines(self, modality: Modality, vectors: Vectors) -> Vectors:
        """The cosines of items (n, d) of ``modality`` to the labels: (n, labels)."""
        found: Vectors = vectors @ self._labels(self._templates or PROMPTS[modality]).T
        return found

    def probabilities(self, modality: Modality, vectors: Vectors) -> Numbers:
        """For items (n, d) of ``modality`` the probability of each label and, last, of none of them.

        (n, labels + 1); every row's sum is 1.
        """
        calibration = measured(self.space, modality) or estimated(vectors, self._everyday_words())
        return probabilities(self.cosines(modality, vectors), calibration)

    def _labels(self, prompts: tuple[str, ...]) -> Vectors:
        if prompts not in self._vectors:
            self._vectors[prompts] = label_vectors(self._embed, self.names, prompts)
        return self._vectors[prompts]

    def _everyday_words(self) -> Vectors:
        if self._everyday is None:
            self._everyday = self._embed(EVERYDAY)
        return self._everyday

    def _embed(self, texts: Sequence[str]) -> Vectors:
        return embed_texts(self.encoder.encode, texts)


def embed_texts(encode: Callable[[Sequence[Passage]], Vectors], texts: Sequence[str]) -> Vectors:
    """The vectors of ``texts``, a batch at a time: (texts, d)."""
    import numpy as np

    batches = [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]
    return np.concatenate([encode([Passage(text) for text in batch]) for batch in batches])


def clean_name(name: str) -> str:
    """A name as it is kept: in Unicode's composed form (NFC), on one line, without spaces around it.

    Raises SettingsError if nothing of it is left.
    """
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not clean:
        raise SettingsError("this is no name", subject=repr(name), hint="a label or tag has letters")
    return clean


def clean_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names as they are kept, each once whatever its case; SettingsError if there are none."""
    known: dict[str, str] = {}
    for name in map(clean_name, names):
        known.setdefault(name.casefold(), name)
    if not known:
        raise SettingsError("there is no label to choose from", hint="name some, as in --labels dog,cat")
    return tuple(known.values())


def read_labels(listed: str | None, lines: str | None) -> tuple[str, ...]:
    """The labels of a list with commas in it, and of a text with one a line; lines with # are comments."""
    named = [] if listed is None else [part for part in listed.split(",") if part.strip()]
    written = (line for line in (lines or "").splitlines() if line.strip())
    named += [line for line in written if not line.lstrip().startswith("#")]
    return clean_names(named)
