"""What an encoder is: media of the modalities it knows in, unit vectors of ONE space out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Media
from bindsearch.modality import Modality

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """The identity of a space: vectors whose spaces differ in any field are never compared.

    ``weights_sha256`` covers all weight files together; ``preprocessing`` is a version that changes
    whenever the same media would give other vectors.
    """

    id: str
    revision: str
    weights_sha256: str
    dimensions: int
    modalities: frozenset[Modality]
    preprocessing: str

    @property
    def key(self) -> str:
        """A short name that is unique to this space and safe as a folder name."""
        return f"{self.id}-{self.revision}-{self.weights_sha256[:12]}-p{self.preprocessing}"


class Encoder(Protocol):
    """Turns batches of media into vectors. Weights load on the first batch that needs them.

    The vector of a medium depends on nothing but the medium, so that an interrupted run and an
    uninterrupted one store the same vectors; an encoder that runs whole batches says how closely.
    """

    @property
    def space(self) -> Space:
        """The space that this encoder's vectors live in."""

    @property
    def picture_side(self) -> int | None:
        """Pixels on the shorter side that pictures need at least; None asks for full resolution."""

    def warm(self, modality: Modality) -> None:
        """Load now what the first batch of ``modality`` would load; may be called from another thread."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """Vectors of ``batch``, all of one modality: (len(batch), dimensions), float32, unit length.

        Raises EncoderError for a modality outside ``space.modalities``.
        """
