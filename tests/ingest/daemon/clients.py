"""Clients that search while files pour in and the daemon dies, and note every answer that is wrong.

Two folders make the root: ``stable`` was indexed before anything began, so whatever happens a search within
it must give the very same answer; ``load`` fills up meanwhile. What is said about a file there must be what a
fresh library says in the end, and a file that was found once must be found ever after.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bindsearch.answers import Answer
from bindsearch.errors import BindsearchError, DaemonGone
from bindsearch.index.wishing import filter_of
from bindsearch.ingest.library import Library
from bindsearch.remote.client import Daemon
from bindsearch.settings import Settings
from bindsearch.wishes import Wishes
from tests.ingest.daemon.comparing import EVERYTHING, QUERIES, moment_of
from tests.ingest.daemon.world import png
from tests.tiny import TinyEncoder

Scores = dict[tuple[str, str], float]  # (path, moment) -> score
MOST_HITS = 20_000
MOST_FAULTS = 20


def make_stable(folder: Path, count: int = 120) -> None:
    """Pictures and notes, all different."""
    folder.mkdir(parents=True)
    for number in range(count):
        if number % 4:
            (folder / f"{number:04}.png").write_bytes(png(50_000 + number))
        else:
            (folder / f"{number:04}.txt").write_text(
                f"note {number}\n\nred words\n\n{'blue words ' * number}"
            )


class Load:
    """Pours pictures into ``folder``, all new from number ``first`` on, until it is left."""

    def __init__(self, folder: Path, pause: float = 0.005, first: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.count = 0
        self._pause = pause
        self._first = first
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._pour, name="load")

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _pour(self) -> None:
        while not self._ending.wait(self._pause):
            spare = self.folder / ".arriving"
            spare.write_bytes(png(self._first + self.count))
            spare.rename(self.folder / f"{self.count:06}.png")
            self.count += 1


@dataclass
class Clients:
    """So many threads that search, each on its own, until the block is left."""

    library: Path
    root: Path
    count: int = 4
    pause: float = 0.0  # seconds between two searches of one of them
    faults: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # each answer of the daemon
    alone: int = 0  # answers while there was none
    said: dict[str, Scores] = field(default_factory=dict)  # of what lies in load, by query
    truth: dict[str, Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._search_on, args=(n,), name=f"client {n}") for n in range(self.count)
        ]
        stable = Wishes(folders=(str(self.root / "stable"),))
        for query in QUERIES:
            self.truth[query] = scores(search_alone(self.library, query, MOST_HITS, stable))
            self.said[query] = {}

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def check_nothing_is_lost(self) -> None:
        """Whatever an answer has held must be found now, by a search that asks no daemon."""
        load = Wishes(folders=(str(self.root / "load"),))
        for query in QUERIES:
            with self._lock:
                before = dict(self.said[query])
            now = scores(search_alone(self.library, query, MOST_HITS, load))
            for key in before.keys() - now.keys():
                self.blame(f"{query}: {key} was found once and is lost")

    def check_what_was_said(self, fresh: Path) -> None:
        """Whatever was said of files that came meanwhile must be what a fresh library says."""
        load = Wishes(folders=(str(self.root / "load"),))
        for query in QUERIES:
            right = scores(search_alone(fresh, query, MOST_HITS, load))
            for key, score in self.said[query].items():
                if right.get(key) != score:
                    self.blame(f"{query}: {key} was said to score {score}, not {right.get(key)}")

    def blame(self, fault: str) -> None:
        """Note what is wrong; the first few faults are enough."""
        with self._lock:
            if len(self.faults) < MOST_FAULTS:
                self.faults.append(fault)

    def _search_on(self, number: int) -> None:
        for turn in itertools.count(number):
            if self._ending.wait(self.pause):
                return
            query = QUERIES[turn % len(QUERIES)]
            try:
                self._search(query, "load" if turn % 4 == 0 else "stable")
            except BindsearchError as error:
                self.blame(f"{query}: {type(error).__name__}: {error}")
                time.sleep(0.1)

    def _search(self, query: str, part: str) -> None:
        wishes = Wishes(folders=(str(self.root / part),))
        most = 50 if part == "load" else MOST_HITS
        found = scores(self._ask(query, most, wishes))
        if part == "load":
            self._note(query, found)
        elif found != self.truth[query]:
            wrong = found.items() ^ self.truth[query].items()
            self.blame(f"{query}: {len(wrong)} wrong among {len(found)} hits, such as {sorted(wrong)[:3]}")

    def _note(self, query: str, found: Scores) -> None:
        with self._lock:
            for key, score in found.items():
                before = self.said[query].setdefault(key, score)
                if before != score and len(self.faults) < MOST_FAULTS:
                    self.faults.append(f"{query}: {key} scored {before} once, now {score}")

    def _ask(self, query: str, most: int, wishes: Wishes) -> Answer:
        """As the command line does: the daemon if there is one, else alone."""
        started = time.perf_counter()
        daemon = Daemon.find(self.library)
        if daemon is not None:
            with daemon, suppress(DaemonGone):
                answer = daemon.search(query, most, wishes, EVERYTHING)
                self.seconds.append(time.perf_counter() - started)
                return answer
        self.alone += 1
        return search_alone(self.library, query, most, wishes)


def search_alone(library: Path, query: str, most: int, wishes: Wishes) -> Answer:
    """A search that asks no daemon."""
    with Library(library, Settings(), TinyEncoder()) as opened:
        return opened.search(query, most, filter_of(wishes), EVERYTHING)


def scores(answer: Answer) -> Scores:
    """What an answer says of each moment."""
    return {
        (os.fspath(path), str(moment_of(hit))): round(hit.score, 5)
        for hit in answer
        for path in (hit.path, *hit.other_paths)
    }


def of_session(leader: int) -> list[int]:
    """The processes of a session, which is all that a daemon has started, and what that has."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own at ``folder``; needs root. Raises OSError where there can be none."""
    folder.mkdir(parents=True)
    command: Sequence[str] = ("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@contextmanager
def filled(disk: Path, leave: int) -> Iterator[None]:
    """No more than ``leave`` bytes are free on ``disk``."""
    filler = disk / "filler"
    status = os.statvfs(disk)
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            for _ in range((status.f_bavail * status.f_frsize - leave) // 4096):
                file.write(b"x" * 4096)
        yield
    finally:
        filler.unlink()
