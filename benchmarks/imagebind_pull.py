"""A model of ImageBind-huge's shape through its whole life: pulled, split, indexed with, asked.

The checkpoint is made here, in the official layout, with random weights: one block a tower, 0.4 GB, or with
--full all of them, 4.8 GB. Thrice as much must be free among the temporary files, or in --folder. It is
served by a local server and pulled as the real one would be. Beside each step stands the peak memory of the
whole process that did it. What is found means nothing; what it costs does.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from _timing import ROOT, command, make_pictures

MODEL = "imagebind-random"


def make_checkpoint(path: Path, *, full: bool) -> None:
    """Random weights under the names and shapes of the published model."""
    import torch

    from bindsearch.encoders.imagebind import HUGE
    from bindsearch.encoders.imagebind.load import expected_shapes

    torch.manual_seed(0)
    towers = HUGE if full else {name: replace(config, blocks=1) for name, config in HUGE.items()}
    state = {name: 0.02 * torch.randn(shape) for name, shape in expected_shapes(towers).items()}
    torch.save(state, path)


def make_files(folder: Path) -> None:
    """A few small files of each modality but films."""
    import numpy as np
    import soundfile
    from PIL import Image

    chance = np.random.default_rng(0)
    make_pictures(folder, 4)
    (folder / "note.txt").write_text("a cat on the sofa\n")
    (folder / "depth").mkdir()
    (folder / "thermal").mkdir()
    header = "t_s,ax_g,ay_g,az_g,gx_rad_s,gy_rad_s,gz_rad_s\n"
    for number in range(3):
        noise = 0.1 * chance.standard_normal(6 * 16_000)
        soundfile.write(folder / f"{number}.wav", noise, 16_000)
        metres = np.linspace(1, 2 + number, 320 * 240).reshape(240, 320)
        Image.fromarray((metres * 1000).astype(np.uint16)).save(folder / "depth" / f"{number}.png")
        grey = np.linspace(number, 255, 320 * 240).reshape(240, 320)
        Image.fromarray(grey.astype(np.uint8)).save(folder / "thermal" / f"{number}.png")
        rows = [f"{n / 50},0.0{number},{n % 7 / 100},0.98,0.1,0.{n % 9},0.2" for n in range(300)]
        (folder / f"walk{number}.csv").write_text(header + "\n".join(rows))


def offer_it(models: Path, path: Path, port: int) -> None:
    """An offer of the checkpoint in the models folder, beside those that come with bindsearch."""
    published = ROOT / "bindsearch" / "models" / "offers" / "imagebind-huge.json"
    offer = json.loads(published.read_text())
    source = {"url": f"http://127.0.0.1:{port}/{path.name}", "size": path.stat().st_size, "sha256": None}
    (models / "manifests").mkdir(parents=True)
    (models / "manifests" / f"{MODEL}.json").write_text(json.dumps(offer | {"id": MODEL, "source": source}))


def measured(name: str, *arguments: str, environment: dict[str, str]) -> None:
    """Run one bindsearch command; print its wall time and the peak memory of its process."""
    probe = (
        "import resource, subprocess, sys;"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", probe, *command(*arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, peak = done.stdout.split()
    seconds = time.perf_counter() - started
    print(f"  {name:<34}{seconds:8.1f} s   peak {int(peak) / 1e6:5.2f} GB   exit {code}", flush=True)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main() -> None:
    """Make, serve, pull, use, index, ask."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        served, models, media = folder / "served", folder / "models", folder / "media"
        served.mkdir()
        checkpoint = served / "random.pth"
        make_checkpoint(checkpoint, full=options.full)
        make_files(media)
        handler = functools.partial(QuietHandler, directory=str(served))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        offer_it(models, checkpoint, server.server_address[1])
        environment = {"BINDSEARCH_MODELS": str(models), "BINDSEARCH_LIBRARY": str(folder / "library")}
        measured("models pull", "models", "pull", MODEL, "--yes", environment=environment)
        server.shutdown()
        checkpoint.unlink()
        measured("models verify", "models", "verify", MODEL, environment=environment)
        measured("index, compact", "index", str(media), environment=environment)
        measured("models use", "models", "use", MODEL, environment=environment)
        measured("index, files of six modalities", "index", environment=environment)
        measured("search with words", "search", "a cat", environment=environment)
        measured("search with a picture", "search", str(media / "00000.jpg"), environment=environment)


if __name__ == "__main__":
    main()
