"""What a binding leaves: the weights as safetensors, the network as ONNX, and what both are, as JSON.

Each file appears whole, the manifest last: an interrupted writing leaves a folder that its manifest's sizes
and sums refuse. See ``encoders/bound/manifest`` for what it says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import nn

from bindsearch.encoders.bound.manifest import FAMILY, READINGS
from bindsearch.encoders.protocol import Space
from bindsearch.modality import Modality
from bindsearch.models.manifest import FORMAT, MANIFEST_FILE
from bindsearch.training.bind.fit import Epoch
from bindsearch.training.export import input_name, packed

WEIGHTS_FILE, MODEL_FILE = "tower.safetensors", "tower.onnx"
LICENCE = "that of the data it was trained on; the space that it was bound to keeps its own"


def write_bound(
    folder: Path,
    tower: nn.Module,
    example: NDArray[Any],
    modality: Modality,
    base: tuple[str, Space],
    name: str,
    partners: frozenset[Modality],
    epoch: Epoch,
) -> None:
    """Write the space ``name``: the one that ``base`` calls and identifies, and ``tower`` for ``modality``.

    ``example`` is what the tower takes of one item, (1, ...); ``partners`` are the modalities it was
    trained with.
    """
    from safetensors.torch import save

    recipe = READINGS if modality is Modality.SENSOR else str(modality)
    state = {key: value.contiguous() for key, value in tower.state_dict().items()}
    files = {
        WEIGHTS_FILE: save(state, {"modality": str(modality)}),
        MODEL_FILE: packed(tower, example, input_name(modality)),
    }
    described: dict[str, Any] = {"modality": modality, "model": MODEL_FILE, "recipe": recipe}
    if modality is Modality.SENSOR:
        described |= {"steps": example.shape[1], "channels": example.shape[2]}
    content = {
        **_model(name, base, modality, files),
        "base": {"name": base[0], "key": base[1].key},
        "tower": described,
        "trained_pairs": sorted([str(modality), str(partner)] for partner in partners),
        "figures": asdict(epoch),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        _replace(folder / file, data)
    _replace(folder / MANIFEST_FILE, (json.dumps(content, indent=2) + "\n").encode())


def _replace(path: Path, data: bytes) -> None:
    half_done = path.with_name(f"{path.name}.part")
    half_done.write_bytes(data)
    half_done.replace(path)


def _model(
    name: str, base: tuple[str, Space], modality: Modality, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """What the manifest of any model says."""
    space = base[1]
    return {
        "format": FORMAT,
        "id": name,
        "family": FAMILY,
        "revision": "1",
        "dimensions": space.dimensions,
        "preprocessing": f"{space.preprocessing}.1",
        "modalities": sorted(space.modalities | {modality}),
        "licence": LICENCE,
        "source": {"url": "", "size": sum(map(len, files.values())), "sha256": None},
        "files": [
            {"name": file, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for file, data in files.items()
        ],
    }
