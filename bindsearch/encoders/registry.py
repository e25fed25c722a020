"""The spaces that bindsearch knows, and their encoders by name.

A name is the id of a space, such as ``compact``; encoders that can compute in several precisions are named
with it, as in ``imagebind-huge@bfloat16``, since vectors of two precisions are of two spaces. A name with a
slash in it, such as ``./radar``, is the path of a folder that ``bindsearch bind`` has made.

Listing reads manifests only; an encoder's libraries and weights load when it first encodes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.encoders.protocol import Encoder
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.models.manifest import ModelManifest

DEFAULT_SPACE = "compact"

# The encoder of each family of models that can be installed: called with the model's folder and, as keywords,
# ``threads`` and, if one is asked for, ``precision``.
FAMILIES = {
    "imagebind": "bindsearch.encoders.imagebind:ImageBindEncoder",
    "bound": "bindsearch.encoders.bound:BoundEncoder",
}
NEEDS = {"imagebind": ("torch", "safetensors"), "bound": ()}
MOST_BOUND = 8  # so often may a space be bound to one that was itself bound
EXTRA = "pip install 'bindsearch[imagebind]'"


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """One space as a list shows it.

    ``size`` is the bytes of its weights; ``path`` the folder they lie in, or would. ``problem`` is None when
    every weight file is there in its right size, else the reason why the space cannot be used.
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
    """Every known space: the one of the package, those that are installed, those that can be pulled.

    ``verify`` reads all bytes of the weights instead of comparing sizes only. Raises EncoderError when an
    offer or the package's own manifest cannot be read.
    """
    from bindsearch.models import shelf

    names = dict.fromkeys([DEFAULT_SPACE, *shelf.installed_ids(), *shelf.offers()])
    return [describe_space(name, verify=verify) for name in names]


def describe_space(space_id: str, *, verify: bool = False) -> SpaceInfo:
    """One known space; see ``list_spaces``. Raises EncoderError if it is not known."""
    if is_folder(space_id):
        return _folder(_place(space_id), verify)
    return _compact(verify) if space_id == DEFAULT_SPACE else _model(space_id, verify)


def open_encoder(name: str = DEFAULT_SPACE, *, threads: int | None = None) -> Encoder:
    """The encoder of a space; ``threads`` is how many cores one call may use, None for all.

    Raises EncoderError when no such space is known or installed, or when it needs a package that is not.
    """
    if is_folder(name):
        from bindsearch.encoders.bound import BoundEncoder

        return BoundEncoder(_place(name), threads)
    if name == DEFAULT_SPACE:
        from bindsearch.encoders.compact import CompactEncoder

        return CompactEncoder(threads=threads)
    from bindsearch.models import shelf

    model_id, _, precision = name.partition("@")
    if model_id not in (known := [*shelf.installed_ids(), *shelf.offers()]):
        names = ", ".join(dict.fromkeys([DEFAULT_SPACE, *known]))
        raise EncoderError("is not a known space", subject=name, hint=f"known: {names}")
    _check_bonds(model_id)
    wishes = {"precision": precision} if precision else {}
    return _open_model(shelf.installed(model_id), shelf.folder_of(model_id), threads=threads, **wishes)


def is_folder(name: str) -> bool:
    """Whether a space is given by the path of its folder rather than by its name."""
    return "/" in name or os.sep in name


def _place(name: str) -> Path:
    return Path(name).expanduser()


def _check_bonds(model_id: str) -> None:
    """EncoderError for a space that is bound to itself, by however many steps."""
    from bindsearch.models import shelf

    name: str | None = model_id
    for _ in range(MOST_BOUND + 1):
        name = shelf.base_of(shelf.folder_of(name)) if name else None
        name = name.partition("@")[0] if name else None
    if name is not None:
        raise EncoderError("is bound to itself, or too often", subject=model_id)


def _open_model(model: ModelManifest, folder: Path, **wishes: str | int | None) -> Encoder:
    if model.family not in FAMILIES:
        raise EncoderError(f"is of the unknown family {model.family}", subject=model.id)
    lacking = [name for name in NEEDS[model.family] if find_spec(name) is None]
    if lacking:
        raise EncoderError(f"needs {' and '.join(lacking)}", subject=model.id, hint=EXTRA)
    module, _, name = FAMILIES[model.family].partition(":")
    encoder: Encoder = getattr(import_module(module), name)(folder, **wishes)
    return encoder


def _compact(verify: bool) -> SpaceInfo:
    from bindsearch.encoders.compact.manifest import Manifest

    manifest = Manifest.read()
    problem: str | None = None
    try:
        manifest.verify() if verify else manifest.check_sizes()
    except EncoderError as error:
        problem = str(error)
    return SpaceInfo(
        id=manifest.id,
        revision=manifest.revision,
        modalities=manifest.space.modalities,
        dimensions=manifest.dimensions,
        licence=manifest.licence,
        size=manifest.size,
        path=manifest.folder,
        problem=problem,
    )


def _model(model_id: str, verify: bool) -> SpaceInfo:
    """A model of the models folder, or one that could be."""
    from bindsearch.models import shelf

    folder = shelf.folder_of(model_id)
    manifest, problem = None, None
    try:
        manifest = shelf.verify(model_id) if verify else shelf.installed(model_id)
        if manifest.family == "bound":
            open_encoder(model_id)  # says whether what it was bound to is there, and still the same
    except EncoderError as error:
        problem = error.message
    return _told(manifest or shelf.known_as(model_id), folder, problem)


def _folder(folder: Path, verify: bool) -> SpaceInfo:
    """A bound space in a folder of its own."""
    from bindsearch.encoders.bound import BoundEncoder
    from bindsearch.models import shelf
    from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest

    manifest = ModelManifest.read(folder / MANIFEST_FILE)
    problem = None
    try:
        BoundEncoder(folder)
        shelf.check_files(manifest, folder, "bind it again", verify=verify)
    except EncoderError as error:
        problem = error.message
    return _told(manifest, folder, problem)


def _told(manifest: ModelManifest, folder: Path, problem: str | None) -> SpaceInfo:
    return SpaceInfo(
        id=manifest.id,
        revision=manifest.revision,
        modalities=manifest.modalities,
        dimensions=manifest.dimensions,
        licence=manifest.licence,
        size=manifest.size,
        path=folder,
        problem=problem,
    )
