"""Playing a sequence: operations in a world, a daemon that is killed and started, and what must hold.

A step is an operation of the world, or one of ``DAEMON_STEPS``. ``check`` waits until the daemon is settled
and compares its library with a fresh one.
"""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bindsearch.errors import LibraryBusy, QueryError
from bindsearch.index.store import Store
from bindsearch.ingest.library import Library
from bindsearch.ingest.tagging import tag_by_hand
from bindsearch.settings import Settings
from tests.ingest.daemon.comparing import differences, fresh_library, lost_tags
from tests.ingest.daemon.driving import Driver, Stuck
from tests.ingest.daemon.world import ANCHOR, COMMON, OPERATIONS, RARE, Operation, World
from tests.tiny import TinyEncoder

LATER_SECONDS = 3.0
TAGS = 2  # new ones at each check


class Violation(AssertionError):
    """The library of the daemon is not what a fresh scan gives, or the daemon did what it must not."""


class Play:
    """One sequence in the folder ``base``, which must be empty."""

    def __init__(self, base: Path, driver: Callable[[Path], Driver] = Driver) -> None:
        self.world = World.make(base / "world")
        self.library = base / "library"
        self.driver = driver(self.library)
        self.steps: list[Operation] = []
        self.checks = self.kills = self.walks = 0
        self._base = base
        with Library(self.library, Settings(), TinyEncoder()) as library:
            library.index(self.world.roots)
        self.driver.start()

    def do(self, step: Operation) -> None:
        """One step. Raises Violation and Stuck."""
        self.steps.append(step)
        name = step[0]
        if name in DAEMON_STEPS:
            DAEMON_STEPS[name](self, *step[1:])
        else:
            self.world.apply(step)

    def close(self) -> None:
        """End whatever runs, and leave a world that can be deleted."""
        self.driver.kill()
        for file, _ in self.world.open_files:
            file.close()
        self.world.make_readable()

    def wait(self, milliseconds: int, _: int, __: int) -> None:
        """Nothing happens for a while."""
        time.sleep(milliseconds % 10_000 / 1000)

    def kill(self, _: int, __: int, ___: int) -> None:
        """The daemon is killed."""
        self.driver.kill()
        self.kills += 1

    def kill_worker(self, _: int, __: int, ___: int) -> None:
        """What indexes is killed."""
        self.driver.kill_worker()
        self.kills += 1

    def stop(self, _: int, __: int, ___: int) -> None:
        """The daemon is asked to end."""
        self.driver.stop()

    def start(self, waits: int, _: int, __: int) -> None:
        """The daemon is started if it does not run."""
        if self.driver.pid is None:
            self.driver.start(wait=waits % 2 == 1)

    def check(self, number: int, leaves_unreadable: int, _: int) -> None:
        """Whoever writes is done, the daemon is settled, and its library is that of a fresh scan."""
        self.checks += 1
        self.world.finish_writing()
        if leaves_unreadable % 2 == 0:
            self.world.make_readable()
        if self.driver.pid is None:
            self.driver.start()
        self.driver.settle()
        found = self._differences()
        if found and self.world.linked():
            found = self._after_a_walk()
        if found:
            raise Violation(f"{self._how_lasting()}\n" + "\n".join(found))
        self._tag(number)

    def _differences(self) -> list[str]:
        fresh = self._base / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        roots = self.world.present_roots
        if not roots:
            return []
        fresh_library(fresh, roots)
        found = differences(self.library, fresh, roots, self.world.unreadable())
        return found + lost_tags(self.library, fresh, self.world.tagged)

    def _after_a_walk(self) -> list[str]:
        """What is written under one name of a file is heard of under its others by the next walk only."""
        self.walks += 1
        self.driver.rescan()
        self.driver.settle()
        return self._differences()

    def _how_lasting(self) -> str:
        """Whether the differences go away by themselves, or by a walk."""
        time.sleep(LATER_SECONDS)
        if not self._differences():
            return "settled too early: right a little later"
        try:
            self.driver.rescan()
            time.sleep(1.0)
            self.driver.settle()
        except Stuck as stuck:
            return f"wrong, and then {stuck}"
        return "wrong, even after a walk" if self._differences() else "wrong until the next walk"

    def _tag(self, number: int) -> None:
        """Give some files tags that they must keep."""
        files = [path for path in self.world.files() if path.name != ANCHOR]
        for path in random.Random(number).sample(files, min(TAGS, len(files))):
            name = f"tag {next(_NUMBERS)}"
            if self._has_tagged(name, path):
                self.world.tag(name, path)

    def _has_tagged(self, name: str, path: Path) -> bool:
        try:
            with Store.writing(self.library) as store:
                return tag_by_hand(store, name, [str(path)]) > 0
        except (QueryError, LibraryBusy):  # not taken in, or somebody writes
            return False


_NUMBERS = itertools.count()
DAEMON_STEPS: dict[str, Callable[[Play, int, int, int], None]] = {
    name: getattr(Play, name) for name in ("wait", "kill", "kill_worker", "stop", "start", "check")
}


def draw(seed: int, length: int, checks: int = 4) -> list[Operation]:
    """A random sequence that ends with a check."""
    chance = random.Random(seed)
    names = list(OPERATIONS)
    weights = [1 if name in RARE else 10 if name in COMMON else 4 for name in names]
    steps: list[Operation] = []
    while len(steps) < length:
        if chance.random() < 0.12:
            steps += _daemon_steps(chance)
        else:
            numbers = (chance.randrange(10_000) for _ in range(3))
            steps.append((chance.choices(names, weights)[0], *numbers))  # type: ignore[arg-type]
    for n in range(1, checks):
        steps.insert(n * length // checks, ("check", chance.randrange(10_000), chance.randrange(2), 0))
    return [*steps, ("check", 0, 0, 0)]


def _daemon_steps(chance: random.Random) -> list[Operation]:
    match chance.randrange(20):
        case 0:
            ending = chance.choice(("kill", "kill", "kill", "stop"))
            return [(ending, 0, 0, 0), *_some_waiting(chance), ("start", chance.randrange(2), 0, 0)]
        case 1:
            return [("kill_worker", 0, 0, 0)]
        case 2 | 3:
            return [("wait", chance.randrange(500, 2500), 0, 0)]
        case _:
            return [("wait", chance.randrange(300), 0, 0)]


def _some_waiting(chance: random.Random) -> list[Operation]:
    return [("wait", chance.randrange(200), 0, 0)] if chance.random() < 0.5 else []


def play(base: Path, steps: Sequence[Operation], driver: Callable[[Path], Driver] = Driver) -> Play:
    """Play a sequence to its end, and end the daemon. Raises Violation and Stuck."""
    one = Play(base, driver)
    try:
        for step in steps:
            one.do(step)
        one.driver.stop()
    finally:
        one.close()
    return one
