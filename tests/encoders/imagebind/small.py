"""A model of all six towers that is small enough to be made for every test, with random weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from bindsearch.encoders.imagebind import TowerConfig, split_state_dict
from bindsearch.encoders.imagebind.load import expected_shapes
from bindsearch.encoders.imagebind.recipes import TOWER_FOR
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest, Source, TowerFile

OUTPUT = 24
CONFIGS = {
    "vision": TowerConfig(32, 2, 4, OUTPUT, 50, (3, 224, 224), (2, 32, 32), (2, 32, 32)),
    "text": TowerConfig(24, 2, 3, OUTPUT, 77, (77,), vocabulary=49408),
    "audio": TowerConfig(24, 1, 2, OUTPUT, 229, (1, 128, 204), (16, 16), (10, 10)),
    "depth": TowerConfig(16, 1, 2, OUTPUT, 50, (1, 224, 224), (32, 32), (32, 32)),
    "thermal": TowerConfig(16, 1, 4, OUTPUT, 50, (1, 224, 224), (32, 32), (32, 32)),
    "imu": TowerConfig(16, 1, 2, OUTPUT, 251, (6, 2000), (8,), (8,)),
}
SETTINGS = {f"{tower}_num_heads": config.heads for tower, config in CONFIGS.items()}


def random_state(configs: Mapping[str, TowerConfig] = CONFIGS, seed: int = 5) -> dict[str, Tensor]:
    """A state dict of random weights that keep values in range."""
    made = torch.Generator().manual_seed(seed)
    state = {}
    for key, shape in expected_shapes(configs).items():
        if key.endswith(".mask"):
            state[key] = torch.full(shape, float("-inf")).triu(1)
            continue
        fan_in = max(1, torch.Size(shape[1:]).numel()) if len(shape) > 1 else 4
        state[key] = torch.randn(shape, generator=made) / fan_in**0.5
    return state


def write_folder(folder: Path, state: Mapping[str, Tensor]) -> Path:
    """A folder of weights as it is installed: one file for each tower, and a manifest."""
    folder.mkdir(exist_ok=True)
    files = []
    for tower, weights in split_state_dict(state).items():
        path = folder / f"{tower}.safetensors"
        save_file({key: tensor.clone() for key, tensor in weights.items()}, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(TowerFile(path.name, path.stat().st_size, digest))
    write_manifest(folder, tuple(files))
    return folder


def write_manifest(folder: Path, files: tuple[TowerFile, ...] = ()) -> None:
    """The manifest of an installed model of ``CONFIGS``."""
    manifest = ModelManifest(
        id="small",
        family="imagebind",
        revision="3",
        dimensions=OUTPUT,
        preprocessing="1",
        modalities=frozenset(TOWER_FOR),
        licence="none",
        licence_url="",
        terms="",
        source=Source("file:small", 0, None),
        files=files,
        config=SETTINGS,
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())
