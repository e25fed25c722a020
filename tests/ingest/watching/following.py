"""A watcher with short times, and what became due in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bindsearch.ingest.watching.watcher import Due, Watcher
from bindsearch.settings import WatchSettings

PATIENCE = 60.0


@dataclass
class Follower:
    """Takes what is due, and says of every root that it was walked."""

    watcher: Watcher
    seen: list[Due] = field(default_factory=list)

    def take(self) -> None:
        for due in self.watcher.take_due(time.monotonic()):
            self.seen.append(due)
            if due.whole:
                self.watcher.reconciled(due.path)

    def until(self, done: Callable[[], bool]) -> None:
        """Go on until ``done``; fails where that takes long."""
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s; last seen: {self.seen[-5:]}"
            self.take()
            self.watcher.wake.wait(0.02)
            self.watcher.wake.clear()

    def until_due(self, *paths: Path) -> None:
        """Until each of ``paths`` is due, on its own or with a folder that holds it."""
        self.until(lambda: all(self.was_due(path) for path in paths))

    def until_whole(self, root: Path, reason: str) -> None:
        self.until(lambda: any(due == Due(root, whole=True, reason=reason) for due in self.seen))

    def was_due(self, path: Path) -> bool:
        return any(due.path == path or due.path in path.parents for due in self.seen)

    def settle(self) -> None:
        """Until everything is quiet; then what was seen is forgotten."""
        self.until(lambda: self.watcher.settled)
        self.seen.clear()


@contextmanager
def following(*roots: Path, **options: Any) -> Iterator[Follower]:
    """A watcher of ``roots`` that has had its first walk."""
    settings = options.pop("settings", WatchSettings(quiet_seconds=0.05, poll_seconds=0.05))
    watcher = Watcher(settings, look_seconds=0.02, **options)
    watcher.start(roots)
    try:
        follower = Follower(watcher)
        follower.settle()
        yield follower
    finally:
        watcher.stop()


def modes(watcher: Watcher) -> Sequence[str]:
    return [root.mode.value for root in watcher.roots()]
