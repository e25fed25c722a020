"""What each ImageBind tower costs in each precision: processor seconds, memory, cosine to float32.

Weights are random: cost does not depend on them. How far a precision moves vectors does, so a cosine here
says that the arithmetic is right and how coarse it is, roughly; --outliers gives a few channels of every
layer thirty times the usual size, as trained transformers have them. Every row is from its own process.

The row ``plain`` is the same tower written without any of our savings, as published code is: torch's own
attention module, sequence first, and a still doubled into a film. Precisions are compared with it, run by run
in turns: how fast a shared machine is changes from one minute to the next.

By default towers have the published widths and two blocks, which takes a minute; --full has all blocks.

    python benchmarks/imagebind.py [--full] [--towers vision,text] [--precisions float32,int8] [--batch 4]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from bindsearch.encoders.imagebind import HUGE, TOWERS, ImageBindEncoder, TowerConfig, config_from_shapes
from bindsearch.encoders.imagebind.load import expected_shapes, load_tower, read_settings, shapes_of
from bindsearch.encoders.imagebind.recipes import samples_of
from bindsearch.encoders.protocol import Vectors
from bindsearch.media import DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Sound
from bindsearch.modality import Modality
from bindsearch.models.manifest import MANIFEST_FILE, ModelManifest, Source

PRECISIONS = ("plain", "float32", "bfloat16", "int8")
RUNS = 5
FEW_BLOCKS = 2
OUTLIERS = 30.0


def write_tower(folder: Path, tower: str, config: TowerConfig, *, outliers: bool = False) -> int:
    """Random weights for one tower, scaled so that values neither vanish nor grow; bytes written."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(7)
    state = {key: _random(key, shape) for key, shape in expected_shapes({tower: config}).items()}
    if outliers:
        for key, tensor in state.items():
            if key.endswith(("norm_1.weight", "norm_2.weight")):
                tensor[:: len(tensor) // 5] *= OUTLIERS
    path = folder / f"{tower}.safetensors"
    save_file(state, path)
    return path.stat().st_size


def _random(key: str, shape: tuple[int, ...]) -> object:
    import torch

    if key.endswith(".mask"):
        return torch.full(shape, float("-inf")).triu(1)
    if key.endswith("log_logit_scale"):
        return torch.tensor(3.0)
    if len(shape) == 1:
        return torch.randn(shape) * 0.02 + (1.0 if ".weight" in key else 0.0)
    return torch.randn(shape) / max(1, int(np.prod(shape[1:]))) ** 0.5


def write_manifest(folder: Path, settings: dict[str, int]) -> None:
    """A manifest that the encoder accepts."""
    manifest = ModelManifest(
        id="random",
        family="imagebind",
        revision="1",
        dimensions=1024,
        preprocessing="1",
        modalities=frozenset(Modality),
        licence="none",
        licence_url="",
        terms="",
        source=Source("file:random", 0, None),
        config=settings,
    )
    (folder / MANIFEST_FILE).write_text(manifest.to_json())


def media_for(tower: str, batch: int) -> list[Media]:
    """``batch`` media with something in them."""
    rng = np.random.default_rng(3)
    times = np.arange(2000) / 400
    texts = ("A dog.", "A car", "a photo of a cat sitting on a red sofa.", "rain on the window of a train")
    made: dict[str, list[Media]] = {
        "vision": [Picture(rng.integers(0, 256, (256, 320, 3), np.uint8)) for _ in range(batch)],
        "text": [Passage(texts[n % len(texts)]) for n in range(batch)],
        "audio": [Sound(rng.normal(0, 0.1, 32000).astype("f4"), 16000, 0, 2) for _ in range(batch)],
        "depth": [DepthMap(rng.uniform(1, 5, (240, 320)).astype("f4")) for _ in range(batch)],
        "thermal": [HeatMap(rng.uniform(0, 1, (240, 320)).astype("f4")) for _ in range(batch)],
        "imu": [
            MotionLog(times, *rng.normal(0, 1, (2, 2000, 3)).astype("f4"), start=0, end=5)
            for _ in range(batch)
        ],
    }
    return made[tower]


def measure(folder: Path, tower: str, precision: str, batch: int) -> None:
    """In a process of its own: figures as JSON, then for each line that comes in the seconds of an item."""
    import torch

    torch.set_num_threads(1)
    encoder = ImageBindEncoder(folder, precision.replace("plain", "float32"), threads=1, device="cpu")
    media = media_for(tower, batch)
    before, started = _peak(), time.process_time()
    encoder.warm(media[0].modality)
    load, loaded = time.process_time() - started, _peak()
    encode = plain(folder, tower) if precision == "plain" else encoder.encode
    np.save(folder / f"{tower}-{precision}.npy", encode(media))
    print(json.dumps({"load": load, "before": before, "loaded": loaded, "peak": _peak()}), flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        encode(media)
        print((time.process_time() - started) / batch, flush=True)


def plain(folder: Path, tower: str) -> Callable[[list[Media]], Vectors]:
    """What encodes media by the tower's plain form."""
    import torch
    from _plain import plain_tower

    config = config_from_shapes(shapes_of(folder / f"{tower}.safetensors"), read_settings(folder))[tower]
    model = plain_tower(load_tower(folder, tower), tower)

    def encode(media: list[Media]) -> Vectors:
        samples = np.concatenate([samples_of(item, config, "span") for item in media])
        with torch.inference_mode():
            vectors: Vectors = model(torch.from_numpy(samples)).numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return encode


def _peak() -> float:
    """The most memory this process has had so far, mapped weights included, in GB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what this process's parent had when it forked
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


class Measured:
    """A tower in a precision, in a process that waits to be told to encode once more."""

    def __init__(self, folder: Path, tower: str, precision: str, batch: int) -> None:
        command = [sys.executable, __file__, "--child", str(folder), tower, precision, str(batch)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.figures = json.loads(self._line())
        self.vectors = np.load(folder / f"{tower}-{precision}.npy")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seconds(self) -> float:
        """Of an item, encoding all of them once more."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def show(tower: str, precision: str, one: Measured, peer: Measured | None, size: int) -> None:
    """Measure and print one row, in turns with ``peer`` if there is one: both have the same weather."""
    pairs = []
    for _ in range(RUNS):
        own = one.seconds()
        pairs.append((own, own if peer is one else peer.seconds() if peer else math.nan))
    faster = statistics.median(other / own for own, other in pairs)
    cosine = (one.vectors * peer.vectors).sum(1).mean() if peer else math.nan
    item, f = statistics.median(own for own, _ in pairs), one.figures
    print(
        f"  {tower:<8} {precision:<9} {item:8.3f} {faster:8.2f} {cosine:8.5f} {f['load']:7.2f} "
        f"{size / 1e9:8.2f} {f['before']:7.2f} {f['loaded']:7.2f} {f['peak']:7.2f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--outliers", action="store_true")
    parser.add_argument("--towers", default=",".join(TOWERS))
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--batch", type=int, default=4)
    options = parser.parse_args()
    precisions = options.precisions.split(",")
    blocks = "all blocks" if options.full else f"{FEW_BLOCKS} blocks"
    print(f"  one thread, batch of {options.batch}, {blocks}, pre-processing included; memory in GB")
    print("  tower    precision s a item   faster   cosine  load s  weights  before  loaded    peak")
    for tower in options.towers.split(","):
        config = HUGE[tower] if options.full else dataclasses.replace(HUGE[tower], blocks=FEW_BLOCKS)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_manifest(folder, {f"{tower}_num_heads": config.heads})
            size = write_tower(folder, tower, config, outliers=options.outliers)
            measured = partial(Measured, folder, tower, batch=options.batch)
            with measured("plain") if "plain" in precisions else nullcontext() as peer:
                for precision in precisions:
                    with nullcontext(peer) if precision == "plain" else measured(precision) as one:
                        show(tower, precision, one, peer, size)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        measure(Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
    else:
        main()
