"""The ImageBind encoder: media of up to seven modalities to unit vectors of one space.

Towers load one by one on the first batch that needs them, whichever thread comes first; a text query never
maps the vision tower. Together they keep to a budget of memory: where a tower does not fit beside the others,
those that were not used for longest go, and load again when they are needed.

A batch goes through its network in groups, so a vector may differ by rounding, about 1e-6 of its length,
between one batch and another; nothing else of a neighbour reaches it. Whatever changes vectors is part of the
space: weights, recipe, precision, and the version of the pre-processing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.encoders.imagebind.config import PRECISIONS, ROUNDING, TOWERS, TowerConfig, config_from_shapes
from bindsearch.encoders.imagebind.load import load_tower, read_settings, shapes_of
from bindsearch.encoders.imagebind.recipes import PREPROCESSING, RECIPES, TOWER_FOR, Samples, samples_of
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.encoders.protocol import Space, Vectors
from bindsearch.errors import EncoderError
from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest
from bindsearch.models.needs import require_torch

if TYPE_CHECKING:
    from bindsearch.encoders.imagebind.towers import ImageBind

BUDGET = 3_000_000_000  # bytes of weights: the largest published tower in float32, or all six in 8 bits
GROUP = 8  # samples that go through a tower at once: more saves nothing on a processor and costs memory


@dataclass(frozen=True, slots=True)
class _Tower:
    model: ImageBind
    size: int  # in bytes


class ImageBindEncoder:
    """An ``Encoder`` over a folder of weights: a manifest and one safetensors file for each tower.

    ``precision`` is one of ``PRECISIONS``, ``recipe`` one of ``RECIPES``; ``threads`` is how many cores one
    call may use, None for what torch takes by itself. ``device`` is torch's name of what computes, such as
    ``cpu`` or ``cuda:1``; None takes a GPU where there is one. ``budget`` is how many bytes of weights stay
    in memory; one tower always may. Raises EncoderError for a manifest that cannot be read, and for a
    precision, recipe or device that does not exist; weights are looked at when they are first needed.
    """

    picture_side = None  # the published recipe begins with the whole picture

    def __init__(
        self,
        folder: Path,
        precision: str = "float32",
        threads: int | None = None,
        *,
        recipe: str = "span",
        device: str | None = None,
        budget: int = BUDGET,
    ) -> None:
        _check_choice("precision", precision, PRECISIONS)
        _check_choice("recipe", recipe, RECIPES)
        self.folder = folder
        self.precision = precision
        self.recipe = recipe
        self._threads = threads
        self._wished_device = device
        self._budget = budget
        self._lock = threading.Lock()
        self._towers: dict[str, _Tower] = {}  # the one used last comes last
        self._configs: dict[str, TowerConfig] = {}
        self._space = self._read_space()
        if device is not None:
            self._check_device(device)

    @property
    def space(self) -> Space:
        """The space that this encoder's vectors live in."""
        return self._space

    @property
    def device(self) -> str:
        """Torch's name of what computes."""
        if self._wished_device is not None:
            return self._wished_device
        require_torch()
        import torch

        return "cuda" if torch.cuda.is_available() and self.precision != "int8" else "cpu"

    @property
    def loaded(self) -> tuple[str, ...]:
        """The towers that are in memory, the one used last at the end."""
        with self._lock:
            return tuple(self._towers)

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm."""
        self._tower(self._tower_name(modality))
        if modality is Modality.TEXT:
            token_ids([""])  # builds the tokenizer

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """Vectors of ``batch``, all of one modality: (len(batch), dimensions), float32, unit length.

        A medium of several views has the mean of their vectors, made unit length. Raises EncoderError for a
        modality without a tower, a mixed batch, a medium with nothing in it, or weights that do not load.
        """
        if not batch:
            return np.empty((0, self.space.dimensions), np.float32)
        name = self._tower_name(_only_modality(batch))
        require_torch()
        config = self._config(name)
        samples = [samples_of(media, config, self.recipe) for media in batch]
        views = self._run(name, np.concatenate(samples))  # (all views, dimensions)
        starts = np.cumsum([0, *(len(sample) for sample in samples[:-1])])
        sums = np.add.reduceat(views, starts, axis=0)  # (len(batch), dimensions)
        return _unit(sums)

    def logit_scale(self, modality: Modality) -> float:
        """What the published model multiplies unit vectors of ``modality`` by before it compares them."""
        name = self._tower_name(modality)
        return self._tower(name).model.logit_scale(name)

    def _tower_name(self, modality: Modality) -> str:
        if modality not in self.space.modalities:
            known = ", ".join(sorted(self.space.modalities))
            raise EncoderError(
                f"has no tower for {modality}", subject=self.space.id, hint=f"it knows {known}"
            )
        return TOWER_FOR[modality]

    def _run(self, name: str, samples: Samples) -> Vectors:
        from bindsearch.encoders.imagebind.precision import arithmetic

        tower = self._tower(name)
        with arithmetic(self.device, self.precision), _thread_budget(self._threads):
            outputs = [self._vectors(tower, name, group) for group in _groups(samples)]
        return np.concatenate(outputs)

    def _vectors(self, tower: _Tower, name: str, group: Samples) -> Vectors:
        """(B, ...) samples to (B, dimensions) unit vectors."""
        import torch

        if name == "text":
            group = _trimmed(group)
        x = torch.from_numpy(np.ascontiguousarray(group)).to(self.device)
        vectors: Vectors = tower.model.views(name, x).float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise EncoderError(
                "gives vectors that are not numbers", subject=self.space.id, hint="are its weights damaged?"
            )
        return _unit(vectors)

    def _tower(self, name: str) -> _Tower:
        with self._lock:
            tower = self._towers.pop(name, None) or self._load(name)
            self._towers[name] = tower
            return tower

    def _load(self, name: str) -> _Tower:
        require_torch()
        from bindsearch.encoders.imagebind.precision import bytes_of, shrunk

        expected = shrunk(_file_size(self.folder / f"{name}.safetensors"), self.precision)
        while self._towers and expected + sum(t.size for t in self._towers.values()) > self._budget:
            del self._towers[next(iter(self._towers))]
        model = load_tower(self.folder, name, self.precision).to(self.device)
        return _Tower(model, bytes_of(model))

    def _check_device(self, device: str) -> None:
        require_torch()
        import torch

        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:  # the second where torch was built without it
            reason = str(error).partition("\n")[0]
            raise EncoderError(f"cannot compute on {device!r}: {reason}", subject=self.space.id) from error
        if self.precision == "int8" and torch.device(device).type != "cpu":
            raise EncoderError("computes int8 on processors only", subject=self.space.id, hint="device 'cpu'")

    def _config(self, name: str) -> TowerConfig:
        """The sizes of a tower, from the header of its file."""
        with self._lock:
            if name not in self._configs:
                shapes = shapes_of(self.folder / f"{name}.safetensors")
                self._configs[name] = config_from_shapes(shapes, read_settings(self.folder))[name]
            return self._configs[name]

    def _read_space(self) -> Space:
        manifest = ModelManifest.read(self.folder / MANIFEST_FILE)
        present = [tower for tower in TOWERS if (self.folder / f"{tower}.safetensors").is_file()]
        if not present:
            raise EncoderError("holds no tower", subject=str(self.folder), hint="pull the model again")
        return Space(
            id=manifest.id,
            revision=manifest.revision,
            weights_sha256=manifest.weights_sha256,
            dimensions=self._config(present[0]).output,
            modalities=frozenset(m for m, tower in TOWER_FOR.items() if tower in present),
            preprocessing=f"{PREPROCESSING}-{self.recipe}-{self.precision}{ROUNDING.get(self.precision, '')}",
        )


def _check_choice(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise EncoderError(f"{value!r} is not a {what}", hint=f"known: {', '.join(known)}")


def _only_modality(batch: Sequence[Media]) -> Modality:
    modalities = {media.modality for media in batch}
    if len(modalities) > 1:
        raise EncoderError(f"a batch holds one modality, not {' and '.join(sorted(modalities))}")
    return modalities.pop()


def _groups(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), GROUP):
        yield samples[start : start + GROUP]


def _trimmed(ids: Samples) -> Samples:
    """Without the columns behind every text's end: no position sees what comes after it."""
    ends = ids.argmax(axis=1)  # the first of the largest ids is the end
    return ids[:, : ends.max() + 1]


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


@contextmanager
def _thread_budget(threads: int | None) -> Iterator[None]:
    """Torch has one number of threads for the process: it is put back afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # loading it will tell what is wrong
