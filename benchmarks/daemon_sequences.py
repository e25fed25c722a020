"""Random sequences of what happens to files, and to a daemon: does its library stay that of a fresh scan?

    python benchmarks/daemon_sequences.py --minutes 20 --length 300 --jobs 2
    python benchmarks/daemon_sequences.py --replay FILE        # one that went wrong, again
    python benchmarks/daemon_sequences.py --shrink FILE        # and made as short as it can be

Each sequence begins with a world of three roots and a daemon, and is compared several times on its way and
at its end (see tests/ingest/daemon/playing.py). What goes wrong is kept in --keep, with its operations.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from _daemon import say, verdict, without_privileges, workplace

from tests.ingest.daemon.driving import Driver, LoopDriver, Stuck
from tests.ingest.daemon.playing import Play, Violation, draw, play
from tests.ingest.daemon.world import Operation

SHRINK_SECONDS = 1200.0
MOST_FAULTS = 10


def main() -> None:
    """Play sequences until the time is over, or one again."""
    options = parser().parse_args()
    without_privileges()
    driver = LoopDriver if options.loop else Driver
    with workplace() as base:
        if options.replay or options.shrink:
            path = options.replay or options.shrink
            steps = [tuple(step) for step in json.loads(path.read_text())["steps"]]
            (again if options.replay else shrink)(base, steps, driver, path)
        else:
            many(base, options)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--minutes", type=float, default=1.0)
    made.add_argument("--length", type=int, default=300, help="steps of a sequence")
    made.add_argument("--seed", type=int, default=int(time.time()), help="of the first sequence")
    made.add_argument("--jobs", type=int, default=1, help="how many are played at the same time")
    made.add_argument("--keep", type=Path, default=Path("daemon_faults"))
    made.add_argument("--loop", action="store_true", help="a loop that walks for ever instead of the daemon")
    made.add_argument("--replay", type=Path)
    made.add_argument("--shrink", type=Path)
    return made


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sequence went; ``fault`` is what went wrong."""

    seed: int
    steps: int
    checks: int
    kills: int
    walks: int
    seconds: float
    fault: str | None


def many(base: Path, options: argparse.Namespace) -> None:
    """One sequence after the other, each with a seed of its own, some at the same time."""
    end = time.monotonic() + 60 * options.minutes
    seeds = itertools.count(options.seed)
    outcomes: list[Outcome] = []
    faults: list[str] = []
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            while len(running) < options.jobs and time.monotonic() < end and len(faults) < MOST_FAULTS:
                running.add(pool.submit(one_sequence, base, next(seeds), options))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            outcomes += (one.result() for one in done)
            faults = [f"seed {one.seed}: {one.fault}" for one in outcomes if one.fault]
            for one in done:
                tell(one.result(), len(outcomes), len(faults), options.keep)
    counted = ("steps", "checks", "kills", "walks")
    steps, checks, kills, walks = (sum(getattr(one, name) for one in outcomes) for name in counted)
    figures = (
        f"{len(outcomes)} sequences of {steps} steps in all, {kills} kills, {checks} comparisons, of which "
    )
    figures += (
        f"{walks} needed a walk for the sake of files with several names; {len(faults)} sequences wrong"
    )
    verdict("daemon_sequences", figures, faults)


def tell(one: Outcome, count: int, wrong: int, kept: Path) -> None:
    """A line about a sequence that is over."""
    told = (
        f"seed {one.seed}: {one.steps} steps, {one.checks} checks, {one.kills} kills, {one.seconds:.0f} s: "
    )
    told += f"WRONG, kept in {kept}: {one.fault}" if one.fault else "as fresh"
    say(f"{told}; {count} so far, {wrong} wrong")


def one_sequence(base: Path, seed: int, options: argparse.Namespace) -> Outcome:
    """Draw a sequence, play it, and keep what is left if it goes wrong."""
    place = base / f"{seed}"
    steps = draw(seed, random.Random(seed).randrange(options.length // 3, options.length + 1))
    started = time.monotonic()
    one, fault = attempt(place, steps, LoopDriver if options.loop else Driver)
    if fault:
        keep(options.keep, place, seed, steps, fault)
    shutil.rmtree(place, ignore_errors=True)
    seconds = time.monotonic() - started
    counts = (one.checks, one.kills, one.walks) if one else (0, 0, 0)
    return Outcome(seed, len(steps), *counts, seconds, fault)


def attempt(
    base: Path, steps: Sequence[Operation], driver: Callable[[Path], Driver]
) -> tuple[Play | None, str | None]:
    """A sequence that ended well, or what went wrong."""
    shutil.rmtree(base, ignore_errors=True)
    try:
        return play(base, steps, driver), None
    except (Violation, Stuck) as fault:
        return None, f"{type(fault).__name__}: {fault}"


def keep(folder: Path, base: Path, seed: int, steps: Sequence[Operation], fault: str | None) -> Path:
    """Put away all that is left of a sequence; returns the file with its operations."""
    kept = folder / f"{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    with_faults = shutil.ignore_patterns("*.sock")
    shutil.copytree(base, kept, symlinks=True, ignore=with_faults)
    (folder / f"{seed}.json").write_text(json.dumps({"seed": seed, "fault": fault, "steps": steps}))
    return folder / f"{seed}.json"


def again(base: Path, steps: Sequence[Operation], driver: Callable[[Path], Driver], path: Path) -> None:
    """Play what went wrong once more."""
    _, fault = attempt(base / "again", steps, driver)
    if fault:
        keep(path.parent, base / "again", 0, steps, fault)
    verdict("daemon_sequences", f"{len(steps)} steps of {path}", [fault] if fault else [])


def shrink(base: Path, steps: Sequence[Operation], driver: Callable[[Path], Driver], path: Path) -> None:
    """Leave out what can be left out, larger pieces first, as long as it goes wrong without them."""
    end = time.monotonic() + SHRINK_SECONDS
    left, size, reason = list(steps), max(1, len(steps) // 2), None
    while size and time.monotonic() < end:
        at, shorter = 0, False
        while at < len(left) and time.monotonic() < end:
            tried = left[:at] + left[at + size :]
            _, fault = attempt(base / "shrink", tried, driver)
            if fault:
                left, reason, shorter = tried, fault, True
                path.with_suffix(".short.json").write_text(json.dumps({"fault": reason, "steps": left}))
                say(f"{len(left)} steps: {fault.splitlines()[-1][:150]}")
            else:
                at += size
        size = size if shorter and size == 1 else size // 2
    verdict("daemon_sequences", f"shrunk to {len(left)} steps: {left}", [reason] if reason else [])


if __name__ == "__main__":
    main()
