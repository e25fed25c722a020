"""Bound spaces made by hand: a tower that takes the mean over time and turns channels into axes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from bindsearch.encoders import Space

STEPS, CHANNELS = 8, 3
TOWER = {
    "modality": "sensor",
    "model": "tower.onnx",
    "recipe": "readings",
    "steps": STEPS,
    "channels": CHANNELS,
}


def tower(dimensions: int, channels: int = CHANNELS) -> bytes:
    """A network of which channel n is axis n: readings (1, STEPS, channels) to a vector (1, dimensions)."""
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.eye(channels, dimensions, dtype=np.float32), "weights")
    axes = numpy_helper.from_array(np.array([1]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["readings", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["vector"]),
    ]
    taken = helper.make_tensor_value_info("readings", TensorProto.FLOAT, [1, STEPS, channels])
    given = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, dimensions])
    graph = helper.make_graph(nodes, "tower", [taken], [given], [weights, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def bound_folder(folder: Path, below: Space, base_name: str | None = None, **changes: Any) -> Path:
    """A folder as ``bindsearch bind`` makes it; ``changes`` replace what its manifest says."""
    folder.mkdir(parents=True)
    files = {"tower.onnx": tower(below.dimensions), "tower.safetensors": b"\x02\0\0\0\0\0\0\0{}"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    content = {
        "format": 1,
        "family": "bound",
        "id": "radar",
        "revision": "1",
        "base": {"name": base_name or below.id, "key": below.key},
        "dimensions": below.dimensions,
        "modalities": sorted(below.modalities | {"sensor"}),
        "preprocessing": f"{below.preprocessing}.1",
        "licence": "none",
        "tower": TOWER,
        "trained_pairs": [["sensor", "image"]],
        "files": [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in files.items()
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(content | changes))
    return folder
