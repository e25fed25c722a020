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
        make_pictures(media, 4)
        (media / "note.txt").write_text("a cat on the sofa\n")
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
        measured("index, 4 pictures and a note", "index", environment=environment)
        measured("search with words", "search", "a cat", environment=environment)
        measured("search with a picture", "search", str(media / "00000.jpg"), environment=environment)


if __name__ == "__main__":
    main()
