"""Small checkpoints in the official layout, of which small towers can be made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.encoders.imagebind import small

# Without most of the words, so that tests are quick.
CONFIGS = small.CONFIGS | {"text": replace(small.CONFIGS["text"], vocabulary=100)}

State = dict[str, torch.Tensor]


def state_dict(seed: int = 0) -> State:
    """About 1 MB of weights, of which the towers can be made."""
    return small.random_state(CONFIGS, seed)


def save(path: Path, state: State | None = None) -> Path:
    """Write a checkpoint as the suffix of ``path`` says."""
    state = state_dict() if state is None else state
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def offer(
    models: Path, checkpoint: Path, url: str, *, known_sha256: bool = True, model: str = "small"
) -> Path:
    """An offer of one's own in the models folder, for a checkpoint that ``url`` serves."""
    content = {
        "format": 1,
        "id": model,
        "family": "imagebind",
        "revision": "1",
        "dimensions": small.OUTPUT,
        "preprocessing": "1",
        "modalities": ["image", "text"],
        "licence": "Example Licence (non-commercial)",
        "licence_url": "https://licence.example/",
        "terms": "For tests.",
        "config": small.SETTINGS,
        "source": {
            "url": url,
            "size": checkpoint.stat().st_size,
            "sha256": sha256(checkpoint) if known_sha256 else None,
        },
    }
    folder = models / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}.json"
    path.write_text(json.dumps(content))
    return path
