"""What encoders that run ONNX networks share: sessions of one core, batches of one modality, unit vectors.

A medium goes through its network alone and on one core, so that its vector depends neither on its batch nor
on the number of cores; the cores share a batch by taking a medium each, which is also faster than sharing
each medium.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.encoders.protocol import Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Media
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def load_session(path: Path, hint: str) -> InferenceSession:
    """The network in ``path``, on one core; EncoderError with ``hint`` if it cannot be loaded."""
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
        raise EncoderError("weights are damaged", subject=str(path), hint=hint) from error


def one_by_one(batch: Sequence[Media], vector: Callable[[Media], Vectors], threads: int) -> Vectors:
    """The vectors of a batch that is not empty, as ``vector`` makes each: (len(batch), dimensions)."""
    workers = min(threads, len(batch))
    if workers == 1:
        return np.stack([vector(item) for item in batch])
    with ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(vector, batch)))


def only_modality(batch: Sequence[Media]) -> Modality:
    """The modality of a batch that is not empty; EncoderError for a mixed one."""
    modalities = {item.modality for item in batch}
    if len(modalities) > 1:
        raise EncoderError(f"a batch holds one modality, not {' and '.join(sorted(modalities))}")
    return modalities.pop()


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def unit(vector: Vectors) -> Vectors:
    """``vector`` made unit length."""
    norm = float(np.linalg.norm(vector))
    return (vector / max(norm, 1e-12)).astype(np.float32)
