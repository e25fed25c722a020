"""The compact encoder: all six modalities to vectors, with nothing but onnxruntime.

Each tower loads on the first batch that needs it, once, whichever thread comes first; a text query never
loads the image tower. Every medium goes through its network alone and on one core, so that its vector depends
neither on its batch nor on the number of cores; the cores share a batch by taking a medium each, which is
also faster than sharing each medium.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bindsearch.encoders.compact.inputs import network_inputs
from bindsearch.encoders.compact.manifest import REINSTALL, WEIGHTS, Manifest, Tower
from bindsearch.encoders.compact.pictures import SIDE
from bindsearch.encoders.onnx import cores, load_session, one_by_one, only_modality, unit
from bindsearch.encoders.protocol import Space, Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

# The text tower was trained on sentences of up to this many tokens; what comes after them is not read.
MAX_TOKENS = 256


class CompactEncoder:
    """An ``Encoder`` of the compact space.

    ``folder`` holds the weights and their manifest; ``threads`` is how many cores one call may use, None
    for all of them. Raises EncoderError when the manifest cannot be read; the weights themselves are looked
    at when they are first needed.
    """

    def __init__(self, folder: Path = WEIGHTS, *, threads: int | None = None) -> None:
        self.manifest = Manifest.read(folder)
        self._threads = threads or cores()
        self._lock = threading.Lock()
        self._sessions: dict[str, InferenceSession] = {}
        self._tokenizers: dict[str, Tokenizer] = {}

    @property
    def space(self) -> Space:
        """The space that this encoder's vectors live in."""
        return self.manifest.space

    @property
    def picture_side(self) -> int:
        """Pixels on the shorter side that pictures need at least."""
        return SIDE

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm."""
        tower = self.manifest.tower_for(modality)
        self._session(tower)
        if tower.tokenizer is not None:
            self._tokenizer(tower)

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """Vectors of ``batch``, all of one modality: (len(batch), 384), float32, unit length.

        A film's vector is the mean of its frames' vectors, made unit length; that of a sound longer than five
        seconds is the mean of those of its windows. Raises EncoderError for a
        modality without a tower, a mixed batch, or weights that cannot be loaded.
        """
        if not batch:
            return np.empty((0, self.manifest.dimensions), np.float32)
        modality = only_modality(batch)
        tower = self.manifest.tower_for(modality)
        return one_by_one(batch, lambda item: self._vector(tower, item), self._threads)

    def _vector(self, tower: Tower, item: Media) -> Vectors:
        if isinstance(item, Passage):
            return self._text_vector(tower, item.text)
        name, parts = network_inputs(item)
        return unit(np.mean([self._run(tower, {name: part[np.newaxis]}) for part in parts], axis=0))

    def _text_vector(self, tower: Tower, text: str) -> Vectors:
        ids = np.array([self._tokenizer(tower).encode(text).ids], np.int64)
        return self._run(tower, {"ids": ids})

    def _run(self, tower: Tower, inputs: dict[str, Any]) -> Vectors:
        outputs: list[Any] = self._session(tower).run(None, inputs)
        return unit(outputs[0][0])

    def _session(self, tower: Tower) -> InferenceSession:
        with self._lock:
            if tower.name not in self._sessions:
                self._sessions[tower.name] = load_session(self.manifest.path_of(tower.model), REINSTALL)
            return self._sessions[tower.name]

    def _tokenizer(self, tower: Tower) -> Tokenizer:
        with self._lock:
            if tower.name not in self._tokenizers:
                if tower.tokenizer is None:
                    raise EncoderError(f"tower {tower.name} has no tokenizer", subject=self.manifest.id)
                self._tokenizers[tower.name] = _load_tokenizer(self.manifest.path_of(tower.tokenizer))
            return self._tokenizers[tower.name]


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise EncoderError("tokenizer is damaged", subject=str(path), hint=REINSTALL) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
