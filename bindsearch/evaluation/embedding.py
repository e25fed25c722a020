"""The vectors of manifest rows and of words, in one space, kept between runs where a folder is given.

Files are read as indexing reads them, with the hint that their place gives. A kept vector is known by its
space, its manifest's bytes, its split and its row; whoever changes a media file or a rule without changing
the manifest deletes the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Encoder, Space, Vectors
from bindsearch.errors import EncoderError, MediaError
from bindsearch.evaluation.arrays import MotionArrays
from bindsearch.evaluation.keep import Keep
from bindsearch.evaluation.manifest import Row
from bindsearch.loaders import Hint, LoadOptions, Surroundings, load
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality

BATCH = 32  # media that an encoder is given at once
PORTION = 64  # items after which progress is told and kept

T = TypeVar("T")


class Embedder:
    """Embeds rows and words with ``encoder``; ``cache`` is the folder of kept vectors, None keeps none."""

    def __init__(
        self, encoder: Encoder, cache: Path | None = None, say: Callable[[str], None] = lambda message: None
    ) -> None:
        self._encoder = encoder
        self._cache = cache
        self._say = say
        self._surroundings = Surroundings()
        self._arrays = MotionArrays()

    @property
    def space(self) -> Space:
        """The space that the vectors live in."""
        return self._encoder.space

    def require(self, *modalities: Modality) -> None:
        """EncoderError unless the space embeds all of ``modalities``."""
        for modality in modalities:
            if modality not in self.space.modalities:
                known = ", ".join(sorted(self.space.modalities))
                raise EncoderError(
                    f"cannot encode {modality}", subject=self.space.id, hint=f"it knows {known}"
                )

    def rows(self, rows: Sequence[Row]) -> Vectors:
        """One vector a row, in order: (rows, dimensions), float32, unit length.

        A file of several segments gets the mean of the vectors of those that are of the row's modality, made
        unit length. Raises MediaError for a file that cannot be read or that holds no such segment.
        """
        vectors = np.zeros((len(rows), self.space.dimensions), np.float32)
        sheets = np.array([f"{row.sheet} {row.split} {row.modality}" for row in rows])
        for sheet in dict.fromkeys(sheets.tolist()):
            places = np.flatnonzero(sheets == sheet)
            mine = [rows[place] for place in places.tolist()]
            kept = self._keep(f"rows-{hashlib.sha256(sheet.encode()).hexdigest()[:24]}")
            what = f"{mine[0].modality} of {mine[0].split}"
            vectors[places] = self._embed(kept, what, [row.name for row in mine], mine, self._means)
        return vectors

    def texts(self, texts: Sequence[str]) -> Vectors:
        """The vectors of ``texts``: (texts, dimensions), float32, unit length."""
        return self._embed(self._keep("words"), "texts", texts, texts, self._words)

    def _keep(self, name: str) -> Keep:
        return Keep(None if self._cache is None else self._cache / self.space.key / f"{name}.npz")

    def _embed(
        self,
        kept: Keep,
        what: str,
        names: Sequence[str],
        items: Sequence[T],
        encode: Callable[[Sequence[T]], Vectors],
    ) -> Vectors:
        """The vectors of ``items``: those that are kept, the others made and kept, portion by portion."""
        new = {name: item for name, item in zip(names, items, strict=True) if name not in kept}
        waiting = list(new)
        for start in range(0, len(waiting), PORTION):
            portion = waiting[start : start + PORTION]
            kept.add(portion, encode([new[name] for name in portion]))
            self._say(f"{what}: {start + len(portion):,} of {len(waiting):,} embedded")
        return kept.vectors(names)

    def _words(self, texts: Sequence[str]) -> Vectors:
        return np.concatenate([self._encoder.encode(batch) for batch in _batches(map(Passage, texts))])

    def _means(self, rows: Sequence[Row]) -> Vectors:
        sums = np.zeros((len(rows), self.space.dimensions))
        found = np.zeros(len(rows), np.bool_)
        for batch in _batches((place, media) for place, row in enumerate(rows) for media in self.media(row)):
            places = [place for place, _ in batch]
            np.add.at(sums, places, self._encoder.encode([media for _, media in batch]))
            found[places] = True
        if not found.all():
            empty = rows[int(np.argmin(found))]
            raise MediaError(f"holds no {empty.modality} that can be encoded", subject=str(empty.path))
        return _unit(sums)

    def media(self, row: Row) -> Iterator[Media]:
        """The media of a row that are of its modality. Raises MediaError for a file that cannot be read."""
        if row.index is not None:
            window = self._arrays.readings if row.modality is Modality.SENSOR else self._arrays.window
            media: Iterator[Media] = iter([window(row.path, row.index)])
        else:
            options = LoadOptions(picture_side=self._encoder.picture_side)
            media = load(row.path, options, self._hint(row)).media
        # A film sounds as well, and a caption beside a photo is text: neither is what the row is about.
        return (one for one in media if one.modality is row.modality)

    def _hint(self, row: Row) -> Hint:
        """What the place of a row's file says of it; that it is a sensor's log, the manifest has said."""
        hint = self._surroundings.hint(row.path)
        if row.modality is Modality.SENSOR and not hint.wishes(Modality.SENSOR):
            return Hint(modality=Modality.SENSOR, ruled=True)
        return hint


def _batches(items: Iterator[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _unit(vectors: NDArray[np.float64]) -> Vectors:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors / lengths, np.float32)
