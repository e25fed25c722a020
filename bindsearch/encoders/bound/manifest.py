"""What a folder with a bound tower says of itself, in its ``manifest.json``.

Beside what every model says (see ``models/manifest.py``):

* ``base``: the ``name`` of the space that the tower was bound to, and that space's ``key``.
* ``tower``: its ``modality``; its ONNX file, ``model``; its ``recipe``, which is how a medium becomes its
  input: ``readings`` for a sensor's, with the numbers of ``steps`` and ``channels``; else the modality's own
  name, for the input that the compact space's tower takes.
* ``trained_pairs``: which modalities were trained together; ``figures``: what the tower came to in training.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindsearch.encoders.protocol import Space
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest, read_content

FAMILY = "bound"
READINGS = "readings"
MOST_STEPS = 100_000
MOST_CHANNELS = 1_000

# A base is named, never given by its path: folders move, and a space is to be the same on every machine.
_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}(@[a-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class BoundTower:
    """The tower: ``steps`` and ``channels`` are None unless its recipe is ``readings``."""

    modality: Modality
    model: str
    recipe: str
    steps: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class BoundManifest:
    """The manifest of one folder. Make it with ``BoundManifest.read``."""

    folder: Path
    model: ModelManifest
    base_name: str
    base_key: str
    tower: BoundTower

    @classmethod
    def read(cls, folder: Path) -> BoundManifest:
        """The manifest of ``folder``; EncoderError if it is absent or cannot be understood."""
        path = folder / MANIFEST_FILE
        content = read_content(path)
        model = ModelManifest.of(content, path)
        if model.family != FAMILY:
            raise EncoderError(f"is of the family {model.family}, not {FAMILY}", subject=str(path))
        try:
            name, key = content["base"]["name"], content["base"]["key"]
            if not isinstance(key, str) or not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(repr(content["base"]))
            return cls(folder, model, name, key, _tower(content["tower"], model))
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"misses or misstates {error}", subject=str(path)) from error

    def space(self, base: Space) -> Space:
        """The identity of the space, given that of the one it was bound to.

        Raises EncoderError if that is another than it was when the tower was trained.
        """
        if base.key != self.base_key:
            raise EncoderError(
                f"was bound to {self.base_key}, but {self.base_name} is {base.key} here",
                subject=self.model.id,
                hint="bind it again, to the space as it is now",
            )
        if base.dimensions != self.model.dimensions:
            raise EncoderError(
                f"has {self.model.dimensions} dimensions, but {base.id} has {base.dimensions}",
                subject=self.model.id,
            )
        modalities = base.modalities | {self.tower.modality}
        if modalities != self.model.modalities:
            raise EncoderError("misstates its modalities in its manifest", subject=self.model.id)
        whole = f"{base.key}\n{base.weights_sha256}\n{self.model.weights_sha256}\n"
        digest = hashlib.sha256(whole.encode()).hexdigest()
        model = self.model
        return Space(model.id, model.revision, digest, model.dimensions, modalities, model.preprocessing)

    def path_of_tower(self) -> Path:
        """The path of the network, whose size has been compared; EncoderError if it is not as it was."""
        file = next(file for file in self.model.files if file.name == self.tower.model)
        path = self.folder / file.name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise EncoderError("weights are missing", subject=str(path)) from error
        if size != file.size:
            raise EncoderError(f"weights have {size} bytes instead of {file.size}", subject=str(path))
        return path


def _tower(entry: dict[str, Any], model: ModelManifest) -> BoundTower:
    modality, recipe = Modality(entry["modality"]), entry["recipe"]
    if modality is Modality.TEXT or recipe != (READINGS if modality is Modality.SENSOR else modality):
        raise ValueError(f"the recipe {recipe!r} for {modality}")
    if entry["model"] not in [file.name for file in model.files]:
        raise ValueError(f"the file {entry['model']!r}")
    if recipe != READINGS:
        return BoundTower(modality, entry["model"], recipe)
    steps = _count(entry["steps"], MOST_STEPS)
    return BoundTower(modality, entry["model"], recipe, steps, _count(entry["channels"], MOST_CHANNELS))


def _count(value: object, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(repr(value))
    return value
