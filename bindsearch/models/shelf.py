"""The models folder: which models can be pulled, which are installed, whether their files are whole.

<models folder>/<id>/manifest.json, vision.safetensors, text.safetensors, ...   installed
<models folder>/manifests/*.json                                                offers of one's own
<models folder>/.partial/<id>/                                                  being fetched
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from bindsearch.errors import EncoderError
from bindsearch.models.manifest import MADE_HERE, MANIFEST_FILE, ModelManifest, TowerFile, read_content
from bindsearch.settings import models_folder

OFFERS = Path(__file__).parent / "offers"
OWN_OFFERS = "manifests"
PARTIAL = ".partial"
CHUNK = 1 << 20

# Called with the bytes that were handled since the last call.
Tick = Callable[[int], None]


def offers() -> dict[str, ModelManifest]:
    """Every model that can be pulled, by id; one's own offers go before those of the package."""
    found: dict[str, ModelManifest] = {}
    for folder in (OFFERS, models_folder() / OWN_OFFERS):
        for path in sorted(folder.glob("*.json")):
            offer = ModelManifest.read(path)
            found[offer.id] = offer
    return found


def offer_of(model_id: str) -> ModelManifest:
    """The offer of that id; EncoderError, which names those that there are, if there is none."""
    known = offers()
    if model_id not in known:
        raise EncoderError(
            "is not a model that can be pulled", subject=model_id, hint=f"known: {', '.join(known)}"
        )
    return known[model_id]


def installed_ids() -> list[str]:
    """The ids of the models that have a folder, whole or not."""
    return sorted(path.parent.name for path in models_folder().glob(f"*/{MANIFEST_FILE}"))


def folder_of(model_id: str) -> Path:
    """Where a model lies once it is installed."""
    return models_folder() / model_id


def installed(model_id: str) -> ModelManifest:
    """The manifest of an installed model, whose files have their right sizes.

    Raises EncoderError, with what to do, if it is not installed or a file is missing or cut short.
    """
    if model_id not in installed_ids():
        raise EncoderError("is not installed", subject=model_id, hint=_how_to_get(model_id))
    manifest = ModelManifest.read(folder_of(model_id) / MANIFEST_FILE)
    check_files(manifest, folder_of(model_id), _how_to_get(model_id))
    return manifest


def known_as(model_id: str) -> ModelManifest:
    """What is said of a model whose files may be missing: by its folder if it has one, else by its offer."""
    try:
        return ModelManifest.read(folder_of(model_id) / MANIFEST_FILE)
    except EncoderError:
        if model_id in (known := offers()):
            return known[model_id]
        raise


def verify(model_id: str, tick: Tick | None = None) -> ModelManifest:
    """As ``installed``, but every byte is read; EncoderError for the first file that is not as it was."""
    manifest = installed(model_id)
    check_files(manifest, folder_of(model_id), _how_to_get(model_id), verify=True, tick=tick)
    return manifest


def check_files(
    manifest: ModelManifest, folder: Path, hint: str, *, verify: bool = False, tick: Tick | None = None
) -> None:
    """EncoderError for the first file in ``folder`` that has not its size or, with ``verify``, its bytes."""
    for file in manifest.files:
        _check_size(folder / file.name, file, hint)
    for file in manifest.files if verify else ():
        path = folder / file.name
        if sha256_of(path, tick) != file.sha256:
            raise EncoderError("weights are damaged", subject=str(path), hint=hint)


def remove(model_id: str) -> int:
    """Delete a model and what was fetched of it; returns how many bytes that frees.

    Raises EncoderError if there is nothing of it, or if another model is bound to it.
    """
    for other in installed_ids():
        if other != model_id and (base_of(folder_of(other)) or "").partition("@")[0] == model_id:
            hint = f"'bindsearch models remove {other}' first"
            raise EncoderError(f"is what {other} is bound to", subject=model_id, hint=hint)
    doomed = [folder for folder in (folder_of(model_id), partial_of(model_id)) if folder.is_dir()]
    if model_id not in installed_ids() and not partial_of(model_id).is_dir():
        raise EncoderError("is not installed", subject=model_id)
    freed = sum(path.stat().st_size for folder in doomed for path in folder.rglob("*") if path.is_file())
    for folder in doomed:
        shutil.rmtree(folder)
    return freed


def base_of(folder: Path) -> str | None:
    """The name of the space that the model in ``folder`` was bound to; None where none was."""
    try:
        content = read_content(folder / MANIFEST_FILE)
        return str(content["base"]["name"]) if content["family"] == MADE_HERE else None
    except (EncoderError, KeyError, TypeError):
        return None


def partial_of(model_id: str) -> Path:
    """Where a model is kept while it is fetched and converted."""
    return models_folder() / PARTIAL / model_id


def sha256_of(path: Path, tick: Tick | None = None) -> str:
    """The sha256 of a file, in hexadecimal; EncoderError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                if tick is not None:
                    tick(len(chunk))
    except OSError as error:
        raise EncoderError(error.strerror or "cannot be read", subject=str(path)) from error
    return digest.hexdigest()


def _check_size(path: Path, file: TowerFile, hint: str) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise EncoderError("weights are missing", subject=str(path), hint=hint) from error
    if size != file.size:
        raise EncoderError(f"weights have {size} bytes instead of {file.size}", subject=str(path), hint=hint)


def _how_to_get(model_id: str) -> str:
    known = offers()
    if model_id in known:
        return f"'bindsearch models pull {model_id}' fetches it"
    if folder_of(model_id).is_dir():
        return "'bindsearch models add FOLDER' installs it again"
    return f"models that can be pulled: {', '.join(known)}"
