"""Pulling and adding: from a checkpoint or a folder to an installed model, or to nothing at all.

Everything happens in ``.partial/<id>/`` within the models folder. Only when every byte has been checked,
split into towers and synced does one rename put the model in its place. A checkpoint that turns out wrong is
deleted; one that is incomplete stays, so that the next pull goes on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bindsearch.durable import sync
from bindsearch.errors import EncoderError
from bindsearch.models import shelf
from bindsearch.models.checkpoint import ShapeCheck, split_checkpoint
from bindsearch.models.fetch import Patience, discard, fetch, require_space
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest, Source, TowerFile
from bindsearch.models.needs import require_torch
from bindsearch.models.shelf import Tick

MIRROR_VARIABLE = "BINDSEARCH_MIRROR"
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")


class Watcher(Protocol):
    """Is told how far an installation is."""

    def begin(self, step: str, size: int) -> Tick:
        """A step begins, in which so many bytes are handled; they go to what this returns."""


class NoWatcher:
    """Tells nobody."""

    def begin(self, step: str, size: int) -> Tick:
        """See Watcher."""
        return lambda _: None


def pull(
    offer: ModelManifest,
    *,
    mirror: str | None = None,
    sha256: str | None = None,
    watcher: Watcher | None = None,
    patience: Patience | None = None,
) -> ModelManifest:
    """Fetch, check and install a model; the licence must have been accepted before.

    ``mirror``, or else ``BINDSEARCH_MIRROR``, is the address of a folder that holds the checkpoint under its
    own name, or of the checkpoint itself. ``sha256`` is what the checkpoint must have instead of what the
    offer says, for copies in another format. Raises EncoderError; nothing is installed then.
    """
    require_torch()
    watcher = watcher or NoWatcher()
    url = address(offer, mirror)
    size = offer.source.size if sha256 is None else None
    with _workshop(offer.id) as workshop:
        file = workshop / "checkpoint"
        have = file.stat().st_size if file.is_file() else 0
        require_space(workshop, 2 * offer.source.size - min(have, offer.source.size), offer.id)
        fetch(url, file, size, watcher.begin("fetching", size or 0), patience)
        try:
            source = _checked(file, url, size, sha256 or offer.source.sha256, watcher)
            model = _build(offer, file, source, workshop, watcher)
        except EncoderError:
            discard(file)
            raise
        discard(file)
    return model


def add(
    offer: ModelManifest, file: Path, *, sha256: str | None = None, watcher: Watcher | None = None
) -> ModelManifest:
    """Install a model from a checkpoint that is on disk already, which is left as it is.

    Raises EncoderError if it is not the file that the offer (or ``sha256``) means; nothing is installed then.
    """
    require_torch()
    watcher = watcher or NoWatcher()
    if not file.is_file():
        raise EncoderError("no such file", subject=str(file))
    with _workshop(offer.id) as workshop:
        require_space(workshop, file.stat().st_size, offer.id)
        expected = sha256 or offer.source.sha256
        source = _checked(file, str(file), None, expected, watcher, by_hand=sha256 is None)
        return _build(offer, file, replace(source, url=file.absolute().as_uri()), workshop, watcher)


def add_folder(folder: Path, *, watcher: Watcher | None = None) -> ModelManifest:
    """Install the space that ``bindsearch bind`` has made in ``folder``, which is left as it is.

    Raises EncoderError if a file is not as its manifest says, if the space that it was bound to is not here,
    or if its name is another model's; nothing is installed then.
    """
    from bindsearch.encoders.bound import BoundEncoder

    watcher = watcher or NoWatcher()
    encoder = BoundEncoder(folder)
    model = encoder.manifest.model
    _require_free(model)
    with _workshop(model.id) as workshop:
        require_space(workshop, model.size, model.id)
        copies = workshop / "towers"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        try:
            tick = watcher.begin("copying", model.size)
            for file in model.files:
                _copy(folder / file.name, copies / file.name, file, tick)
            _write_synced(copies / MANIFEST_FILE, (folder / MANIFEST_FILE).read_bytes())
            sync(copies)
            BoundEncoder(copies).warm(encoder.manifest.tower.modality)
            _put(copies, shelf.folder_of(model.id), workshop / "replaced")
        finally:
            shutil.rmtree(copies, ignore_errors=True)
    return model


def address(offer: ModelManifest, mirror: str | None = None) -> str:
    """Where a model is fetched from."""
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return offer.source.url
    if urlsplit(mirror).path.endswith(CHECKPOINT_SUFFIXES):
        return mirror
    return mirror.rstrip("/") + "/" + urlsplit(offer.source.url).path.rpartition("/")[2]


def _checked(
    file: Path, name: str, size: int | None, expected: str | None, watcher: Watcher, *, by_hand: bool = False
) -> Source:
    """The size and sha256 of a checkpoint, held against what they have to be.

    Where no sha256 is known in advance, the one found is taken on trust and recorded.
    """
    found_size = file.stat().st_size
    if size is not None and found_size != size:
        raise EncoderError(f"has {found_size} bytes instead of {size}", subject=name)
    found = shelf.sha256_of(file, watcher.begin("checking", found_size))
    if expected is not None and found != expected.lower():
        hint = f"if you trust it all the same: --sha256 {found}" if by_hand else None
        raise EncoderError(f"has sha256 {found} instead of {expected}", subject=name, hint=hint)
    return Source(name, found_size, found)


def _build(
    offer: ModelManifest, file: Path, source: Source, workshop: Path, watcher: Watcher
) -> ModelManifest:
    """Split a checked checkpoint and put the model in its place."""
    towers = workshop / "towers"
    shutil.rmtree(towers, ignore_errors=True)
    towers.mkdir()
    try:
        tick = watcher.begin("converting", source.size)
        files = split_checkpoint(file, towers, tick, name=source.url, check=_shape_check(offer))
        model = replace(offer, source=source, files=tuple(files))
        _write_synced(towers / MANIFEST_FILE, model.to_json().encode())
        sync(towers)
        _put(towers, shelf.folder_of(offer.id), workshop / "replaced")
    finally:
        shutil.rmtree(towers, ignore_errors=True)
    return model


def _require_free(model: ModelManifest) -> None:
    """EncoderError if a model's id is that of one that comes from elsewhere."""
    from bindsearch.encoders.registry import DEFAULT_SPACE

    taken = {DEFAULT_SPACE, *shelf.offers()}
    if model.id in shelf.installed_ids() and shelf.base_of(shelf.folder_of(model.id)) is None:
        taken.add(model.id)
    if model.id in taken:
        raise EncoderError(
            "is the name of another model", subject=model.id, hint="bind it with another --name"
        )


def _copy(source: Path, target: Path, file: TowerFile, tick: Tick) -> None:
    """Copy one file, synced, and hold it against its size and sha256."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while size <= file.size and (chunk := reading.read(shelf.CHUNK)):
            writing.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            tick(len(chunk))
        writing.flush()
        os.fsync(writing.fileno())
    if (size, digest.hexdigest()) != (file.size, file.sha256):
        raise EncoderError("is not the file that the manifest means", subject=str(source))


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _shape_check(offer: ModelManifest) -> ShapeCheck | None:
    """What tells whether the family's encoder can make towers of the shapes that a checkpoint has."""
    if offer.family != "imagebind":
        return None
    from bindsearch.encoders.imagebind.load import check_shapes

    return lambda shapes: check_shapes(shapes, offer.config)


def _put(new: Path, place: Path, aside: Path) -> None:
    """Rename ``new`` to ``place``; what was there before is deleted."""
    shutil.rmtree(aside, ignore_errors=True)
    if place.exists():
        place.rename(aside)
    new.rename(place)
    sync(place.parent)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _workshop(model_id: str) -> Iterator[Path]:
    """The folder to work in, held by one process at a time; gone afterwards if nothing is left in it."""
    from filelock import FileLock, Timeout

    folder = shelf.partial_of(model_id)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock"), timeout=0):
            try:
                yield folder
            finally:
                if not any(folder.iterdir()):
                    folder.rmdir()
    except Timeout as error:
        raise EncoderError("is being installed by another process", subject=model_id) from error
    except OSError as error:
        raise EncoderError(error.strerror or str(error), subject=error.filename or str(folder)) from error
