"""kill -9 at random moments under load while clients search: is anything wrong or lost?

    python benchmarks/daemon_kills.py --kills 50
    python benchmarks/daemon_kills.py --kills 10 --full 10     # and a full disk, as root

Files pour in all the time. Each kill hits the daemon, its worker, or both at once; then the catalog is
verified, what was ever found is looked for, and the daemon is started again. With --full the library lies on
a small disk that is filled up in the midst of commits; every second time the daemon is killed besides.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from _daemon import percentile, say, verdict, workplace

from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.ingest.daemon.clients import Clients, Load, filled, make_stable, of_session, small_disk
from tests.ingest.daemon.comparing import differences, fresh_library, unsound
from tests.ingest.daemon.driving import Driver, Stuck
from tests.tiny import TinyEncoder

ENDED_SECONDS = 3.0  # what a killed daemon had started must be gone after so long
SERVED_SECONDS = 20.0  # after a start the daemon must have answered a search by then
FULL_SECONDS = 3.0
DISK = "96m"
MOST_LOAD = 8_000


def main() -> None:
    """Kill, fill, look, and tell."""
    options = parser().parse_args()
    chance = random.Random(options.seed)
    os.environ["SECONDS_A_MEDIUM"] = "0.005"
    with workplace() as base, disk_of(base, options.full > 0) as library:
        root = base / "files"
        make_stable(root / "stable")
        (root / "load").mkdir()
        with Library(library, Settings(), TinyEncoder()) as opened:
            opened.index(root)
        trial = Trial(library, root, chance, options.pause)
        with trial.clients:
            trial.kills(options.kills)
            trial.full_disks(options.full)
            trial.settle()
        if not trial.clients.faults:
            fresh_library(base / "fresh", [root])
            trial.compare(base / "fresh")
        trial.driver.kill()
        trial.tell(options)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--kills", type=int, default=5)
    made.add_argument("--full", type=int, default=0, help="how often the disk is filled")
    made.add_argument("--seed", type=int, default=int(time.time()))
    made.add_argument("--pause", type=float, default=0.02, help="seconds between two files that come")
    return made


@contextmanager
def disk_of(base: Path, small: bool) -> Iterator[Path]:
    """The folder of the library, on a disk of its own if that is asked for."""
    if small:
        with small_disk(base / "disk", DISK) as disk:
            yield disk / "library"
    else:
        yield base / "library"


class Trial:
    """One daemon, its clients, and what was seen of them."""

    def __init__(self, library: Path, root: Path, chance: random.Random, pause: float) -> None:
        self.library, self.root = library, root
        self.driver = Driver(library)
        self.clients = Clients(library, root)
        self.killed: list[str] = []
        self.starts: list[float] = []
        self.events: list[str] = []
        self.files = 0
        self._chance = chance
        self._pause = pause
        self.driver.start()

    @contextmanager
    def _load(self) -> Iterator[None]:
        """Files come in, as long as there are not too many."""
        folder = self.root / "load" / f"{len(self.events):04}"
        with Load(folder, self._pause if self.files < MOST_LOAD else 1.0, self.files) as load:
            yield
        self.files += load.count

    def kills(self, count: int) -> None:
        """So many kills, each at a random moment."""
        for number in range(count):
            self._event(f"kill {number}")
            with self._load():
                time.sleep(self._chance.uniform(0.1, 3.0))
                self._kill(self._chance.choice(("daemon", "daemon", "worker", "both")))
            self._look()
            say(f"kill {number + 1} of {count} ({self.killed[-1]}): {self._so_far()}")

    def full_disks(self, count: int) -> None:
        """So many times, the disk is full for a while."""
        for number in range(count):
            self._event(f"full {number}")
            with (
                self._load(),
                filled(self.library.parent, self._chance.choice((0, 0, 8_192, 65_536, 262_144))),
            ):
                time.sleep(self._chance.uniform(0.5, FULL_SECONDS))
                if number % 2:
                    self._kill("daemon")
                status = self.driver.status()
                activity = f"{status.activity}, {status.why}" if status else "no answer"
                self._look()
            say(f"full disk {number + 1} of {count} ({activity}): {self._so_far()}")

    def settle(self) -> None:
        """Let the daemon come to rest."""
        self._event("settle")
        with self._blaming():
            self.driver.settle(600.0)

    def compare(self, fresh: Path) -> None:
        """The library, and whatever was said, against a fresh one."""
        self._event("compare")
        for line in differences(self.library, fresh, [self.root]):
            self.clients.blame(line)
        self.clients.check_what_was_said(fresh)

    def tell(self, options: argparse.Namespace) -> None:
        """The verdict."""
        if self.clients.faults:
            Path("daemon_kills.json").write_text(json.dumps({"seed": options.seed, "events": self.events}))
        ms = [1e3 * one for one in self.clients.seconds] or [0.0]
        figures = (
            f"{len(self.killed)} kills, {options.full} full disks, seed {options.seed}; {self._so_far()}; "
        )
        figures += (
            f"answers of the daemon {statistics.median(ms):.1f} ms, 99 % {percentile(ms, 0.99):.0f} ms; "
        )
        slowest = max(self.starts, default=0.0)
        verdict(
            "daemon_kills", f"{figures}searchable again after at most {slowest:.1f} s", self.clients.faults
        )

    def _kill(self, what: str) -> None:
        pid = self.driver.pid
        if pid is None:
            return
        self.killed.append(what)
        if what in ("worker", "both"):
            self._kill_worker(pid)
        if what != "worker":
            self.driver.kill()
            self._await_end(pid)
            started = time.monotonic()
            self.driver.start(wait=False)
            self._await_service(started)

    def _kill_worker(self, pid: int) -> None:
        for other in of_session(pid):
            with suppress(ProcessLookupError):
                if other != pid:
                    os.kill(other, signal.SIGKILL)

    def _await_end(self, pid: int) -> None:
        end = time.monotonic() + ENDED_SECONDS
        while left := of_session(pid):
            if time.monotonic() > end:
                self.clients.blame(f"outlived their daemon: processes {left}")
                return
            time.sleep(0.05)

    def _await_service(self, started: float) -> None:
        before = len(self.clients.seconds)
        with self._blaming():
            self.driver.wait_for(lambda: len(self.clients.seconds) > before, SERVED_SECONDS, "does not serve")
        self.starts.append(time.monotonic() - started)

    def _look(self) -> None:
        for line in unsound(self.library):
            self.clients.blame(f"after {self.events[-1]}: {line}")
        self.clients.check_nothing_is_lost()

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        try:
            yield
        except Stuck as stuck:
            self.clients.blame(f"{self.events[-1]}: {stuck}")

    def _event(self, what: str) -> None:
        self.events.append(f"{time.monotonic():.2f} {what}")

    def _so_far(self) -> str:
        told = f"{len(self.clients.seconds)} answers of the daemon, {self.clients.alone} without it, "
        return f"{told}{self.files} files, {len(self.clients.faults)} faults"


if __name__ == "__main__":
    main()
