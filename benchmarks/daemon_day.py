"""A day in a daemon's life, played in minutes: does anything grow that should not?

    python benchmarks/daemon_day.py --minutes 15

The day has four rounds of six hours. In each round the same happens, hour by hour: photos are imported, notes
are saved over and over, downloads arrive in pieces, folders are renamed and moved, a disk is unplugged and
plugged in again, thousands of small files come and go, a backup is made and an old one deleted; and somebody
searches all the time. At the end of each hour, when all is settled, memory, descriptors, threads, processes
and temporary files are counted. The first round warms up; the last one must need no more than the second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from _daemon import Sample, files_below, sample, say, verdict, workplace

from bindsearch.errors import BindsearchError
from bindsearch.ingest.library import Library
from bindsearch.remote.client import Daemon
from bindsearch.settings import Settings
from tests.ingest.daemon.comparing import differences, fresh_library
from tests.ingest.daemon.driving import Driver, Stuck
from tests.ingest.daemon.world import png
from tests.tiny import TinyEncoder

ROUNDS, HOURS = 4, 6
PHOTOS, NOTES, SMALL = 150, 20, 1_500
MEMORY_SHARE, MEMORY_SLACK = 1.05, 8_000_000  # what a process may grow without being blamed for it
DESCRIPTORS_SLACK, THREADS_SLACK = 3, 2


@dataclass(frozen=True, slots=True)
class Look:
    """One hour's end: the daemon alone, all of it, temporary files, the library's files and bytes."""

    alone: Sample
    whole: Sample
    temporary: int
    files: int
    size: int
    peak: int  # bytes that all of it had at most within the hour


Scene = Callable[[Callable[[], bool]], None]
"""What happens in an hour, as long as what it is given says that there is time."""


class Day:
    """Roots, a daemon, somebody who searches, and the hours."""

    def __init__(self, base: Path, hour_seconds: float) -> None:
        self.base, self.hour_seconds = base, hour_seconds
        self.photos, self.notes, self.disk = (base / name for name in ("photos", "notes", "disk"))
        self.library, self.temporary = base / "library", base / "tmp"
        for folder in (self.photos, self.notes, self.disk, self.temporary):
            folder.mkdir(parents=True)
        self.looks: list[list[Look]] = []
        self.faults: list[str] = []
        self.searches = 0
        self._number = 0
        self._peak = 0
        self._ending = threading.Event()
        os.environ["TMPDIR"] = str(self.temporary)
        self._fill()
        self.driver = Driver(self.library)

    def run(self) -> None:
        """All rounds."""
        self.driver.start()
        helpers = [threading.Thread(target=self._search_on), threading.Thread(target=self._watch_memory)]
        for helper in helpers:
            helper.start()
        try:
            for number in range(ROUNDS):
                self.looks.append([])
                for scene in (
                    self.import_photos,
                    self.write,
                    self.tidy,
                    self.unplug,
                    self.storm,
                    self.back_up,
                ):
                    self._hour(number, scene)
        finally:
            self._ending.set()
            for helper in helpers:
                helper.join()

    def _scenes(self) -> tuple[Scene, ...]:
        return (self.import_photos, self.write, self.tidy, self.unplug, self.storm, self.back_up)

    def _fill(self) -> None:
        for number in range(PHOTOS):
            (self.photos / f"{number:04}.png").write_bytes(self._picture())
        for number in range(NOTES):
            (self.notes / f"{number:02}.txt").write_text(f"note {number}\n\nred words")
        (self.disk / "anchor.png").write_bytes(self._picture())
        with Library(self.library, Settings(), TinyEncoder()) as library:
            library.index([self.photos, self.notes, self.disk])

    def _hour(self, number: int, scene: Scene) -> None:
        started = time.monotonic()
        self._peak = 0
        scene(lambda: time.monotonic() - started < 0.7 * self.hour_seconds)
        try:
            self.driver.settle(max(30.0, self.hour_seconds))
        except Stuck as stuck:
            self.faults.append(f"round {number + 1}, {scene.__name__}: {stuck}")
        time.sleep(max(0.0, started + self.hour_seconds - time.monotonic()))
        look = self._look()
        self.looks[-1].append(look)
        told = f"daemon {look.alone.memory / 1e6:.0f} MB, at most {look.peak / 1e6:.0f} MB in all; "
        told += f"{look.alone.descriptors} descriptors, {look.alone.threads} threads, "
        told += f"{look.whole.processes} processes, {look.temporary} temporary files; "
        told += f"library {look.files} files, {look.size / 1e6:.1f} MB; {self.searches} searches"
        say(f"round {number + 1} {scene.__name__:<14} {told}")

    def import_photos(self, goes_on: Callable[[], bool]) -> None:
        """A camera's folder is moved in whole, then another picture by picture."""
        made = self.base / "camera"
        made.mkdir()
        for number in range(PHOTOS):
            (made / f"IMG_{number:04}.png").write_bytes(self._picture())
        made.rename(self.photos / "import")
        while goes_on():
            (self.photos / "import" / f"late {self._number}.png").write_bytes(self._picture())
            time.sleep(0.25)

    def write(self, goes_on: Callable[[], bool]) -> None:
        """Notes are saved as editors do it, and downloads arrive piece by piece."""
        while goes_on():
            number = self._number = self._number + 1
            path = self.notes / f"{number % NOTES:02}.txt"
            spare = path.with_name(f".{path.name}.swp")
            spare.write_text(f"note {number}\n\n{'blue words ' * (number % 50)}")
            spare.rename(path)
            with (self.notes / f"download {number % 5}.txt").open("w") as file:
                for _ in range(4):
                    file.write("red words, piece by piece\n")
                    file.flush()
                    time.sleep(0.03)

    def tidy(self, goes_on: Callable[[], bool]) -> None:
        """Pictures go into folders, folders get other names and other places."""
        for number, path in enumerate(sorted((self.photos / "import").glob("*.png"))):
            place = self.photos / f"album {number % 5}"
            place.mkdir(exist_ok=True)
            path.rename(place / path.name)
        (self.photos / "import").rmdir()
        turn = 0
        while goes_on():
            turn += 1
            old, new = ("album 0", "Album 0") if turn % 2 else ("Album 0", "album 0")
            (self.photos / old).rename(self.photos / new)
            (self.photos / "album 1").rename(self.notes / "album 1")
            time.sleep(0.7)
            (self.notes / "album 1").rename(self.photos / "album 1")
            time.sleep(0.7)

    def unplug(self, goes_on: Callable[[], bool]) -> None:
        """A disk goes and comes, with other files each time."""
        while goes_on():
            away = self.base / "away"
            self.disk.rename(away)
            time.sleep(1.5)
            (away / f"other {self._number % 7}.png").write_bytes(self._picture())
            away.rename(self.disk)
            time.sleep(1.5)

    def storm(self, goes_on: Callable[[], bool]) -> None:
        """Thousands of small files are made and deleted, as by a program that is built."""
        place = self.notes / "build"
        while goes_on():
            place.mkdir()
            for number in range(SMALL):
                (place / f"{number}.xyz").write_bytes(b"\0\1")
            time.sleep(1.0)
            shutil.rmtree(place)
            time.sleep(1.0)

    def back_up(self, goes_on: Callable[[], bool]) -> None:
        """All is copied; then the copy and today's pictures are deleted, and forgotten."""
        for folder in self.photos.glob("[Aa]lbum *"):
            shutil.copytree(folder, self.disk / "backup" / folder.name)
        time.sleep(0.5 * self.hour_seconds)
        shutil.rmtree(self.disk / "backup")
        for folder in self.photos.glob("[Aa]lbum *"):
            shutil.rmtree(folder)
        with suppress(Stuck):
            self.driver.settle(self.hour_seconds)
        with suppress(BindsearchError), Library(self.library, Settings(), TinyEncoder()) as library:
            library.forget(missing=True)

    def compare(self) -> None:
        """The library in the evening against a fresh one."""
        roots = [self.photos, self.notes, self.disk]
        self.faults += differences(self.library, fresh_library(self.base / "fresh", roots), roots)

    def check_growth(self) -> None:
        """The last round must need no more than the second."""
        second, last = self.looks[1], self.looks[-1]
        for name, slack in (("descriptors", DESCRIPTORS_SLACK), ("threads", THREADS_SLACK)):
            before, after = (max(getattr(look.alone, name) for look in hours) for hours in (second, last))
            self._require(after <= before + slack, f"{name} grew from {before} to {after}")
        for name, read in (("daemon", lambda look: look.alone.memory), ("all of it", lambda look: look.peak)):
            before, after = (sorted(map(read, hours))[HOURS // 2] for hours in (second, last))
            fits = after <= MEMORY_SHARE * before + MEMORY_SLACK
            self._require(fits, f"memory of the {name} grew from {before / 1e6:.1f} to {after / 1e6:.1f} MB")
        for name in ("temporary", "files"):
            before, after = (getattr(hours[-1], name) for hours in (second, last))
            self._require(after <= before + 1, f"{name} files grew from {before} to {after}")

    def figures(self) -> str:
        """The second round against the last."""
        parts = []
        for name, hours in (("second", self.looks[1]), ("last", self.looks[-1])):
            memory = sorted(look.alone.memory for look in hours)[HOURS // 2] / 1e6
            most = max(hours, key=lambda look: look.alone.descriptors)
            peak = max(look.peak for look in hours) / 1e6
            told = f"{name} round: daemon {memory:.1f} MB, at most {peak:.0f} MB in all, "
            told += f"{most.alone.descriptors} descriptors, {most.alone.threads} threads, "
            told += f"{hours[-1].temporary} temporary files, library {hours[-1].size / 1e6:.2f} MB"
            parts.append(told)
        return f"{self.searches} searches; " + "; ".join(parts)

    def _require(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def _look(self) -> Look:
        pid = self.driver.pid
        if pid is None:
            raise Stuck("the daemon has ended")
        own = psutil.Process(pid)
        alone = Sample(own.memory_info().rss, own.num_fds(), own.num_threads(), 1)
        return Look(
            alone, sample(pid), files_below(self.temporary)[0], *files_below(self.library), self._peak
        )

    def _watch_memory(self) -> None:
        while not self._ending.wait(0.5):
            pid = self.driver.pid
            if pid is not None:
                self._peak = max(self._peak, sample(pid).memory)

    def _search_on(self) -> None:
        while not self._ending.wait(0.2):
            daemon = Daemon.find(self.library)
            if daemon is None:
                continue
            with daemon:
                try:
                    daemon.search(("red", "blue words", "green white")[self.searches % 3], 20)
                except BindsearchError as error:
                    self.faults.append(f"a search: {error}")
            self.searches += 1

    def _picture(self) -> bytes:
        self._number += 1
        return png(self._number)


def main() -> None:
    """Live a day, look back."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--minutes", type=float, default=2.0)
    options = made.parse_args()
    with workplace() as base:
        day = Day(base, 60 * options.minutes / (ROUNDS * HOURS))
        try:
            day.run()
            day.compare()
            seconds = day.driver.stop()
            day.check_growth()
            figures = f"stopped in {seconds:.1f} s; {day.figures()}"
        except Stuck as stuck:
            day.faults.append(str(stuck))
            figures = "not to its end"
        finally:
            day.driver.kill()
        verdict("daemon_day", figures, day.faults)


if __name__ == "__main__":
    main()
