"""The spaces that bindsearch knows, and their encoders by id.

Listing reads manifests only; an encoder's libraries and weights load when it first encodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bindsearch.encoders.protocol import Encoder
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality

DEFAULT_SPACE = "compact"
KNOWN_SPACES = (DEFAULT_SPACE,)


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """One space as a list shows it.

    ``size`` is the bytes of its weights; ``path`` the folder they lie in. ``problem`` is None when every
    weight file is there in its right size, else the reason why the space cannot be used.
    """

    id: str
    revision: str
    modalities: frozenset[Modality]
    dimensions: int
    licence: str
    size: int
    path: Path
    problem: str | None = None

    @property
    def installed(self) -> bool:
        """Whether the space can be used."""
        return self.problem is None


def list_spaces(*, verify: bool = False) -> list[SpaceInfo]:
    """Every known space; ``verify`` reads all bytes of the weights instead of comparing sizes only.

    Raises EncoderError when a manifest itself cannot be read.
    """
    from bindsearch.encoders.compact.manifest import Manifest

    manifest = Manifest.read()
    problem: str | None = None
    try:
        manifest.verify() if verify else manifest.check_sizes()
    except EncoderError as error:
        problem = str(error)
    return [
        SpaceInfo(
            id=manifest.id,
            revision=manifest.revision,
            modalities=manifest.space.modalities,
            dimensions=manifest.dimensions,
            licence=manifest.licence,
            size=manifest.size,
            path=manifest.folder,
            problem=problem,
        )
    ]


def open_encoder(space_id: str = DEFAULT_SPACE, *, threads: int | None = None) -> Encoder:
    """The encoder of a space; ``threads`` is how many cores one call may use, None for all.

    Raises EncoderError when ``space_id`` is unknown.
    """
    if space_id not in KNOWN_SPACES:
        raise EncoderError("is not a known space", subject=space_id, hint=f"known: {', '.join(KNOWN_SPACES)}")
    from bindsearch.encoders.compact import CompactEncoder

    return CompactEncoder(threads=threads)
