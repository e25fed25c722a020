"""Searches through a daemon with a large library: at rest, and while it indexes as fast as it can.

    python benchmarks/daemon_latency.py --library FOLDER [--searches 400] [--pictures 6000]

FOLDER is a library of the compact space such as benchmarks/warm_search.py makes; a copy of it is searched, to
which a root of pictures is added. Every query differs from the last one of its kind.

* a whole ``bindsearch search`` process, median of 20: under 0.2 s
* the same over the socket, from Python: median under 25 ms
* 99 % of searches while indexing: within twice the time of 99 % at rest
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from _daemon import percentile, say, verdict, workplace
from _timing import command, make_pictures, run

from bindsearch.ingest.library import Library
from bindsearch.remote.client import Daemon
from bindsearch.remote.status import Activity
from tests.ingest.daemon.driving import Driver

NOUNS = ("dog", "cat", "bird", "child", "woman", "man", "car", "train", "boat", "guitar", "horse", "bicycle")
PLACES = ("beach", "street", "kitchen", "snow", "garden", "forest", "river", "station", "night", "rain")
PROCESS_SECONDS, SOCKET_MS, RATIO = 0.2, 25.0, 2.0
PROCESSES, WARMING = 20, 20
INDEXED_SECONDS = 3600.0


def main() -> None:
    """Measure and tell."""
    options = parser().parse_args()
    with workplace() as base:
        library, drop = base / "library", base / "pictures"
        shutil.copytree(options.library, library, ignore=shutil.ignore_patterns("daemon*", "*.lock"))
        make_pictures(base / "ready", options.pictures)
        make_pictures(drop / "first", WARMING)
        with Library.open(library) as opened:
            opened.index(drop)
            say(
                f"{sum(opened.segments_by_modality().values()):,} segments, {options.pictures} pictures ready"
            )
        driver = Driver(library, [*_bindsearch(library), "watch", "--on-battery"])
        driver.start()
        try:
            driver.settle(INDEXED_SECONDS)
            trial = Trial(driver, options.seed)
            trial.at_rest(options.searches)
            (base / "ready").rename(drop / "more")
            trial.under_load()
        finally:
            driver.kill()
        trial.tell()


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--library", type=Path, required=True)
    made.add_argument("--searches", type=int, default=400, help="at rest")
    made.add_argument("--pictures", type=int, default=3_000, help="to be indexed meanwhile")
    made.add_argument("--seed", type=int, default=1)
    return made


class Trial:
    """What was measured of one daemon."""

    def __init__(self, driver: Driver, seed: int) -> None:
        self.driver = driver
        self.queries = queries(random.Random(seed))
        self.processes: list[float] = []
        self.alone: list[float] = []
        self.resting: list[float] = []
        self.loaded: list[float] = []
        self.rate = 0.0
        self.faults: list[str] = []

    def at_rest(self, count: int) -> None:
        """Whole processes, with the daemon and (a few) without it; then the socket."""
        library = self.driver.library
        for turn in range(PROCESSES + 1):
            seconds = run([*_bindsearch(library), "search", next(self.queries)])
            self.processes += [seconds] if turn else []
        for _ in range(WARMING):
            self._ask()
        self.resting = [self._ask() for _ in range(count)]
        say(f"at rest: {_spread(self.resting)}; a process {statistics.median(self.processes):.3f} s")

    def under_load(self) -> None:
        """The socket, as long as the daemon indexes."""
        self.driver.wait_for(self._is_indexing, 120.0, "does not begin to index")
        started = time.monotonic()
        before = self._done()
        while self._is_indexing():
            self.loaded += [self._ask() for _ in range(10)]
            if len(self.loaded) % 500 == 0:
                say(f"while indexing: {_spread(self.loaded)}")
        self.rate = (self._done() - before) / (time.monotonic() - started)

    def tell(self) -> None:
        """The verdict."""
        process, socket = statistics.median(self.processes), statistics.median(self.resting)
        ratio = percentile(self.loaded, 0.99) / percentile(self.resting, 0.99)
        if process >= PROCESS_SECONDS:
            self.faults.append(f"a whole process takes {process:.3f} s")
        if socket >= SOCKET_MS:
            self.faults.append(f"a search over the socket takes {socket:.1f} ms")
        if ratio > RATIO:
            self.faults.append(f"99 % of searches while indexing take {ratio:.2f} times as long as at rest")
        figures = f"process {process:.3f} s (median of {len(self.processes)}, {min(self.processes):.3f} to "
        figures += f"{max(self.processes):.3f}); socket at rest {_spread(self.resting)}; while indexing "
        figures += f"{self.rate:.1f} files/s {_spread(self.loaded)}; ratio at 99 % {ratio:.2f}"
        verdict("daemon_latency", figures, self.faults)

    def _ask(self) -> float:
        """Milliseconds of one search on a connection of its own."""
        query = next(self.queries)
        started = time.perf_counter()
        daemon = Daemon.find(self.driver.library)
        assert daemon is not None
        with daemon:
            daemon.search(query)
        return 1e3 * (time.perf_counter() - started)

    def _is_indexing(self) -> bool:
        status = self.driver.status()
        return status is not None and status.activity is Activity.INDEXING

    def _done(self) -> int:
        status = self.driver.status()
        return status.done if status else 0


def queries(chance: random.Random) -> Iterator[str]:
    """Plain queries of several kinds, never twice the same."""
    for number in itertools.count():
        noun, place = chance.choice(NOUNS), chance.choice(PLACES)
        kinds = (
            f"a {noun} in the {place} {number}",
            f"{noun} {number}",
            f"{noun} + {place} - people {number}",
        )
        yield kinds[number % len(kinds)]


def _bindsearch(library: Path) -> list[str]:
    os.environ["BINDSEARCH_LIBRARY"] = str(library)
    return command()


def _spread(ms: list[float]) -> str:
    return f"{statistics.median(ms):.1f} ms, 99 % {percentile(ms, 0.99):.1f} ms (of {len(ms)})"


if __name__ == "__main__":
    main()
