"""What a tower is shown of each row, decoded once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.bound.readings import sampled
from bindsearch.encoders.compact.inputs import network_inputs
from bindsearch.encoders.compact.pictures import PREPROCESSING
from bindsearch.errors import MediaError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Row
from bindsearch.media import Media, Readings

STEPS = 128


def shown(rows: Sequence[Row], embedder: Embedder, cache: Path, say: Callable[[str], None]) -> NDArray[Any]:
    """What the tower takes of each row: (rows, ...), of equal shapes.

    Raises MediaError for a file that cannot be read, or that has another number of channels than the first.
    """
    names = "\n".join(f"{row.sheet} {row.name} {row.modality}" for row in rows)
    digest = hashlib.sha256(f"{PREPROCESSING} {STEPS}\n{names}".encode()).hexdigest()
    stored = cache / f"shown-{digest[:16]}.npy"
    if not stored.is_file():
        say(f"reading {len(rows):,} items")
        cache.mkdir(parents=True, exist_ok=True)
        half_done = stored.with_suffix(".part.npy")
        np.save(half_done, _alike([_input(row, embedder) for row in rows], rows))
        half_done.rename(stored)
    given: NDArray[Any] = np.load(stored)
    return given


def _input(row: Row, embedder: Embedder) -> NDArray[Any]:
    medium = next(iter(embedder.media(row)), None)
    if medium is None:
        raise MediaError(f"holds no {row.modality} to train on", subject=str(row.path))
    return input_of(medium)


def input_of(medium: Media) -> NDArray[Any]:
    """What a tower takes of one medium; of a long one, its first part."""
    if isinstance(medium, Readings):
        return sampled(medium, STEPS)
    given: NDArray[Any] = network_inputs(medium)[1][0]
    return given


def _alike(inputs: Sequence[NDArray[Any]], rows: Sequence[Row]) -> NDArray[Any]:
    for given, row in zip(inputs, rows, strict=True):
        if given.shape != inputs[0].shape:
            wanted = inputs[0].shape[-1]
            raise MediaError(
                f"has {given.shape[-1]} channels where the first has {wanted}", subject=str(row.path)
            )
    return np.stack(inputs)
