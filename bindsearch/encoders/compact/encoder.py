"""The compact encoder: pictures, films, sounds and text to vectors, with nothing but onnxruntime.

Each tower loads on the first batch that needs it, once, whichever thread comes first; a text query never
loads the image tower. Every medium goes through its network alone and on one core, so that its vector depends
neither on its batch nor on the number of cores; the cores share a batch by taking a medium each, which is
also faster than sharing each medium.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bindsearch.encoders.compact.manifest import REINSTALL, WEIGHTS, Manifest, Tower
from bindsearch.encoders.compact.pictures import SIDE, squashed
from bindsearch.encoders.compact.sounds import spectrograms
from bindsearch.encoders.protocol import Space, Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Clip, Media, Passage, Picture, Pixels, Sound
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
        self._threads = threads or _cores()
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
        modality = _only_modality(batch)
        tower = self.manifest.tower_for(modality)
        workers = min(self._threads, len(batch))
        if workers == 1:
            return np.stack([self._vector(tower, item) for item in batch])
        with ThreadPoolExecutor(workers) as pool:
            return np.stack(list(pool.map(lambda item: self._vector(tower, item), batch)))

    def _vector(self, tower: Tower, item: Media) -> Vectors:
        match item:
            case Passage():
                return self._text_vector(tower, item.text)
            case Picture():
                return self._picture_vector(tower, item.pixels)
            case Clip():
                frames = [self._picture_vector(tower, frame) for frame in item.frames]
                return _unit(np.mean(frames, axis=0))
            case Sound():
                heard = spectrograms(item.samples, item.rate)
                parts = [self._run(tower, {"pixels": part[np.newaxis]}) for part in heard]
                return _unit(np.mean(parts, axis=0))
            case _:
                raise EncoderError(f"cannot encode {item.modality}", subject=self.manifest.id)

    def _picture_vector(self, tower: Tower, pixels: Pixels) -> Vectors:
        return self._run(tower, {"pixels": squashed(pixels)[np.newaxis]})

    def _text_vector(self, tower: Tower, text: str) -> Vectors:
        ids = np.array([self._tokenizer(tower).encode(text).ids], np.int64)
        return self._run(tower, {"ids": ids})

    def _run(self, tower: Tower, inputs: dict[str, Any]) -> Vectors:
        outputs: list[Any] = self._session(tower).run(None, inputs)
        return _unit(outputs[0][0])

    def _session(self, tower: Tower) -> InferenceSession:
        with self._lock:
            if tower.name not in self._sessions:
                self._sessions[tower.name] = _load_session(self.manifest.path_of(tower.model))
            return self._sessions[tower.name]

    def _tokenizer(self, tower: Tower) -> Tokenizer:
        with self._lock:
            if tower.name not in self._tokenizers:
                if tower.tokenizer is None:
                    raise EncoderError(f"tower {tower.name} has no tokenizer", subject=self.manifest.id)
                self._tokenizers[tower.name] = _load_tokenizer(self.manifest.path_of(tower.tokenizer))
            return self._tokenizers[tower.name]


def _only_modality(batch: Sequence[Media]) -> Modality:
    modalities = {item.modality for item in batch}
    if len(modalities) > 1:
        raise EncoderError(f"a batch holds one modality, not {' and '.join(sorted(modalities))}")
    return modalities.pop()


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _unit(vector: Vectors) -> Vectors:
    norm = float(np.linalg.norm(vector))
    return (vector / max(norm, 1e-12)).astype(np.float32)


def _load_session(path: Path) -> InferenceSession:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        ort_errors.Fail,
        ort_errors.InvalidProtobuf,
        ort_errors.InvalidGraph,
        ort_errors.RuntimeException,
    ) as error:
        raise EncoderError("weights are damaged", subject=str(path), hint=REINSTALL) from error


def _load_tokenizer(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise EncoderError("tokenizer is damaged", subject=str(path), hint=REINSTALL) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
