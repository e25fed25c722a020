"""The encoder of a bound space: its own tower for one modality, another space's encoder for the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.bound.manifest import READINGS, BoundManifest
from bindsearch.encoders.bound.readings import sampled
from bindsearch.encoders.onnx import cores, load_session, one_by_one, only_modality, unit
from bindsearch.encoders.protocol import Encoder, Space, Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Media, Readings
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

REINSTALL = "install it again from the folder that it was bound in, or bind it again"


class BoundEncoder:
    """An ``Encoder`` over a folder that ``bindsearch bind`` has made.

    ``threads`` is how many cores one call may use, None for all of them; ``open_base`` opens the space that
    the tower was bound to by its name. Raises EncoderError for a manifest that cannot be read, when that
    space is not there or is another than it was, and for a ``precision``: it is the other space's.
    """

    def __init__(
        self,
        folder: Path,
        threads: int | None = None,
        precision: str | None = None,
        *,
        open_base: Callable[..., Encoder] | None = None,
    ) -> None:
        self.manifest = BoundManifest.read(folder)
        model = self.manifest.model
        if precision is not None:
            raise EncoderError(
                f"computes in the precision of {self.manifest.base_name}", subject=f"{model.id}@{precision}"
            )
        self._base = (open_base or _open_encoder)(self.manifest.base_name, threads=threads)
        self._space = self.manifest.space(self._base.space)
        self._threads = threads or cores()
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None

    @property
    def space(self) -> Space:
        """The space that this encoder's vectors live in."""
        return self._space

    @property
    def picture_side(self) -> int | None:
        """Pixels on the shorter side that pictures need at least; None asks for full resolution."""
        return self._base.picture_side

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm."""
        if modality is self.manifest.tower.modality:
            self._network()
        else:
            self._base.warm(modality)

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """Vectors of ``batch``, all of one modality: (len(batch), dimensions), float32, unit length.

        Raises EncoderError for a modality that neither the tower nor the other space knows, a mixed batch,
        readings of another number of channels than the tower was trained on, and weights that do not load.
        """
        if not batch:
            return np.empty((0, self.space.dimensions), np.float32)
        if only_modality(batch) is self.manifest.tower.modality:
            return one_by_one(batch, self._vector, self._threads)
        return self._base.encode(batch)

    def _vector(self, medium: Media) -> Vectors:
        name, parts = self._inputs(medium)
        return unit(np.mean([self._run(name, part[np.newaxis]) for part in parts], axis=0))

    def _inputs(self, medium: Media) -> tuple[str, NDArray[Any]]:
        """The name of the tower's input and what it is given, (parts, ...)."""
        tower = self.manifest.tower
        if tower.recipe != READINGS or not isinstance(medium, Readings) or tower.steps is None:
            from bindsearch.encoders.compact.inputs import network_inputs

            return network_inputs(medium)
        if medium.values.shape[1] != tower.channels or not len(medium.times):
            shape = " x ".join(map(str, medium.values.shape))
            raise EncoderError(
                f"takes readings of {tower.channels} channels, not {shape}",
                subject=self.space.id,
                hint='a rule names them: columns = { channels = ["...", "..."] }',
            )
        return READINGS, sampled(medium, tower.steps)[np.newaxis]

    def _run(self, name: str, values: NDArray[Any]) -> Vectors:
        from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

        try:
            outputs: list[Any] = self._network().run(None, {name: values})
        except (ort_errors.InvalidArgument, ort_errors.Fail, ValueError) as error:
            raise EncoderError("its network does not take such input", subject=self.space.id) from error
        vector = np.asarray(outputs[0])
        if vector.shape != (1, self.space.dimensions) or not np.isfinite(vector).all():
            raise EncoderError(f"its network gives no {self.space.dimensions} numbers", subject=self.space.id)
        return unit(vector[0])

    def _network(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = load_session(self.manifest.path_of_tower(), REINSTALL)
            return self._session


def _open_encoder(name: str, *, threads: int | None) -> Encoder:
    from bindsearch.encoders.registry import open_encoder  # which itself opens this encoder

    return open_encoder(name, threads=threads)
