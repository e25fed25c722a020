"""A tiny encoder for tests in which weights do not matter: 16 numbers, no files, every call counted."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from bindsearch.answers import SearchOptions
from bindsearch.encoders import Space, Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Clip, Media, Passage, Picture
from bindsearch.modality import Modality
from bindsearch.references import REFERENCE_QUERIES

DIMENSIONS = 16
MODALITIES = frozenset({Modality.IMAGE, Modality.VIDEO, Modality.TEXT})
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}


class TinyEncoder:
    """Pictures by their mean colour, words by the colours they name, anything else all alike."""

    picture_side = 8

    def __init__(self, revision: str = "1", modalities: Collection[Modality] = MODALITIES) -> None:
        self.space = Space(
            id="tiny",
            revision=revision,
            weights_sha256="0" * 64,
            dimensions=DIMENSIONS,
            modalities=frozenset(modalities),
            preprocessing="1",
        )
        self.calls = 0
        self.encoded = 0

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm; there is nothing to load."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode. Reference queries, made once a library, are not counted: tests count files."""
        if not all(isinstance(media, Passage) and media.text in REFERENCE_QUERIES for media in batch):
            self.calls += 1
            self.encoded += len(batch)
        return np.stack([self._vector(media) for media in batch])

    def _vector(self, media: Media) -> Vectors:
        match media:
            case Picture(pixels=pixels):
                colour = pixels.reshape(-1, 3).mean(0) / 255
            case Clip(frames=frames):
                colour = frames.reshape(-1, 3).mean(0) / 255
            case Passage(text=text):
                if "unencodable" in text:
                    raise EncoderError("will not encode this", subject="tiny")
                colour = np.sum([COLOURS[word] for word in text.split() if word in COLOURS] or [(0, 0, 0)], 0)
            case _:
                colour = np.full(3, 0.5)
        if isinstance(media, Passage):
            noise = hashlib.blake2b(media.text.encode(), digest_size=DIMENSIONS - 3).digest()
        else:
            noise = hashlib.blake2b(np.round(colour * 8).tobytes(), digest_size=DIMENSIONS - 3).digest()
        rest = (np.frombuffer(noise, np.uint8) / 255 - 0.5) * 0.2
        vector = np.concatenate([colour, rest]).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


# Files of one colour are one file to the tiny encoder, and would be folded into one hit.
APART = SearchOptions(duplicates=True)
