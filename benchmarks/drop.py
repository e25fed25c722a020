"""Many small files dropped at once: a plain ``index`` run beside the daemon's worker, which works in slices.

Prints the time of both, how many slices it took, and the most memory that the worker and its decoders had in
each quarter of the time: a leak, or anything that grows with the number of files, shows as a slope.

The tiny encoder of the tests takes no time worth mentioning, so what is measured is all the rest; with
``--compact`` the compact space encodes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from _timing import ROOT

from bindsearch.ingest.daemon.hand import Ended, Event, Hand, Work
from bindsearch.ingest.library import Library

_PLAIN = """
import sys
from pathlib import Path
from bindsearch.ingest.library import Library
from tests.tiny import TinyEncoder
with Library.open(sys.argv[1], encoder=TinyEncoder() if sys.argv[3] == "tiny" else None) as library:
    library.index(sys.argv[2])
"""


def make_files(folder: Path, count: int) -> None:
    """``count`` small pictures, no two alike, a thousand to a folder."""
    import numpy as np
    from PIL import Image

    colours = np.random.default_rng(7).integers(0, 256, (count, 4, 4, 3), np.uint8)
    for n in range(count):
        place = folder / f"{n // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(colours[n]).resize((32, 32)).save(place / f"{n:06}.png", compress_level=1)


class Drop:
    """The worker's side: slices until all is done, with the memory sampled meanwhile."""

    def __init__(self, library: Path, folder: Path, slice_seconds: float, command: list[str] | None) -> None:
        self._work = Work((folder,), quiet=2.0, seconds=slice_seconds)
        self._ended = threading.Event()
        self.slices = 0
        self.samples: list[int] = []
        self._end = Ended()
        self._hand = Hand(library, on_event=self._hear, command=command)

    def run(self) -> float:
        """Seconds until nothing is left to do."""
        started = time.perf_counter()
        while not self.slices or self._end.unfinished or self._end.restless:
            self._ended.clear()
            self._hand.run(self._work)
            while not self._ended.wait(0.5):
                self.samples.append(self._hand.memory())
            if self._end.error is not None:
                raise SystemExit(str(self._end.error))
            self.slices += 1
        seconds = time.perf_counter() - started
        self._hand.stop(5)
        return seconds

    def _hear(self, event: Event) -> None:
        if isinstance(event, Ended):
            self._end = event
            self._ended.set()


def main() -> None:
    """Drop the files twice, into a library each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--slice", type=float, default=10.0)
    parser.add_argument("--compact", action="store_true")
    options = parser.parse_args()
    encoder = "compact" if options.compact else "tiny"
    command = None if options.compact else [sys.executable, "-m", "tests.tiny_worker"]
    with tempfile.TemporaryDirectory() as temporary:
        folder, plain, sliced = (Path(temporary, name) for name in ("files", "plain", "sliced"))
        make_files(folder, options.files)
        started = time.perf_counter()
        arguments = [sys.executable, "-c", _PLAIN, str(plain), str(folder), encoder]
        subprocess.run(arguments, check=True, cwd=ROOT)
        seconds = time.perf_counter() - started
        _tell("plain index", seconds, options.files, plain)
        drop = Drop(sliced, folder, options.slice, command)
        _tell(f"worker, slices of {options.slice:g} s", drop.run(), options.files, sliced)
        quarter = -(-len(drop.samples) // 4)
        parts = [max(drop.samples[at : at + quarter]) for at in range(0, len(drop.samples), quarter)]
        print(f"  {drop.slices} slices; most memory, by quarters of the time:", end=" ")
        print(", ".join(f"{part / 1e6:.0f} MB" for part in parts))


def _tell(name: str, seconds: float, files: int, library: Path) -> None:
    with Library.open(library) as opened:
        present = sum(root.present for root in opened.roots())
    print(f"  {name:<26}{seconds:7.1f} s   {files / seconds:6.0f} files/s   {present} of {files} indexed")


if __name__ == "__main__":
    main()
