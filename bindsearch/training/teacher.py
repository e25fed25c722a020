"""A teacher for the audio tower: YAMNet, which knows 521 kinds of sound, hears the training sounds.

Its scores and its last features are further targets; its weights are not a part of what is trained or
shipped. The network is a file that the data folder holds (``teacher_yamnet/yamnet.tflite``); it is run by
``ai-edge-litert``. S. Hershey et al., *CNN Architectures for Large-Scale Audio Classification*, 2017.
"""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.compact.sounds import RATE, SAMPLES
from bindsearch.errors import EncoderError
from bindsearch.media import Floats
from bindsearch.training.sources import sha256_of

FILE = Path("teacher_yamnet") / "yamnet.tflite"
NAMES = Path("teacher_yamnet") / "yamnet_class_map.csv"
SHA256 = "469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194"
HEARD = 15_600
PLACES = 5
CLASSES = 521
FEATURES = 1024
LAST_FEATURES = "global_average_pooling2d/Mean"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the teacher says of five seconds: ``scores`` (5, 521) in 0..1 and ``features`` (5, 1024)."""

    scores: NDArray[np.float16]
    features: NDArray[np.float16]


class Teacher:
    """YAMNet on one core; EncoderError when the file in ``data`` is absent or not the known one."""

    def __init__(self, data: Path) -> None:
        path = data / FILE
        if not path.is_file() or sha256_of(path) != SHA256:
            raise EncoderError("is not the teacher this training is written for", subject=str(path))
        self._network = _loaded(path)
        self._given = self._network.get_input_details()[0]["index"]
        self._scores = self._network.get_output_details()[0]["index"]
        details = self._network.get_tensor_details()
        self._features = next(d["index"] for d in details if d["name"].endswith(LAST_FEATURES))

    def hear(self, signal: Floats) -> Lesson:
        """The teacher's word on each second of ``signal``, (80000,) at 16 kHz."""
        starts = np.arange(PLACES) * (SAMPLES // PLACES) + (RATE - HEARD) // 2
        heard = [self._second(signal[start : start + HEARD]) for start in starts]
        scores, features = (np.array(part, np.float16) for part in zip(*heard, strict=True))
        return Lesson(scores, features)

    def _second(self, signal: Floats) -> tuple[Any, Any]:
        self._network.set_tensor(self._given, signal[np.newaxis].astype(np.float32))
        self._network.invoke()
        return (
            self._network.get_tensor(self._scores)[0].copy(),
            self._network.get_tensor(self._features)[0].copy(),
        )


def class_names(data: Path) -> list[str]:
    """The names of the teacher's classes, in the order of its scores."""
    with (data / NAMES).open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
    return [row["display_name"].lower() for row in rows]


def _loaded(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        # Keeping all tensors is what makes the features readable; the warning is of the memory it takes.
        warnings.simplefilter("ignore")
        network = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    return network
