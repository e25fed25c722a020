"""Small checkpoints in the official layout: the same names in every section of every tower, tiny tensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from bindsearch.models.split import MASK, TOWERS

State = dict[str, torch.Tensor]


def state_dict(seed: int = 0) -> State:
    """About 300 kB of weights, most of them the vision tower's."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for tower in TOWERS:
        width = 64 if tower == "vision" else 16
        state[f"modality_preprocessors.{tower}.cls_token"] = torch.randn(1, 1, width, generator=generator)
        state[f"modality_trunks.{tower}.blocks.0.mlp.fc1.weight"] = torch.randn(
            16 * width, width, generator=generator
        )
        state[f"modality_heads.{tower}.2.weight"] = torch.randn(8, width, generator=generator)
        if tower != "vision":
            state[f"modality_postprocessors.{tower}.1.log_logit_scale"] = torch.tensor(2.5)
    state[MASK] = torch.full((7, 7), float("-inf")).triu(1)
    return state


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
        "dimensions": 8,
        "preprocessing": "1",
        "modalities": ["image", "text"],
        "licence": "Example Licence (non-commercial)",
        "licence_url": "https://licence.example/",
        "terms": "For tests.",
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
