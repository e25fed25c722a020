"""One root's attendant, and the moments in which what it is about to listen to changes."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bindsearch.ingest.watching.attendant import Attendant, Duties
from bindsearch.ingest.watching.mounts import read_mounts
from bindsearch.ingest.watching.watcher import HAS_INOTIFY
from bindsearch.remote.status import WatchMode

PATIENCE = 20.0


class Ears:
    """They cannot be opened as often as ``faults`` says, nor does anything ever happen."""

    def __init__(self, faults: list[OSError]) -> None:
        self.lost: str | None = None
        self.blind: list[str] = []
        self.links: set[str] = set()
        self._faults = faults

    def grow(self) -> None:
        if self._faults:
            raise self._faults.pop()

    def regrow(self, path: str) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def is_well(self) -> bool:
        return True


@contextmanager
def attending(
    root: Path, faults: list[OSError], doubts: list[str], look_seconds: float
) -> Iterator[Attendant]:
    duties = Duties(
        ears=lambda *_: Ears(faults),
        changed=lambda *_: None,
        doubted=doubts.append,
        skip=frozenset,
        poll_seconds=3600.0,
        look_seconds=look_seconds,
        mounts=read_mounts,
    )
    attendant = Attendant(str(root), duties)
    attendant.start()
    try:
        yield attendant
    finally:
        attendant.end()
        attendant.join(PATIENCE)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone() -> OSError:
    return OSError(errno.EACCES, "not to be watched just now")


def test_a_root_that_was_away_just_when_it_was_to_be_listened_to_is_listened_to_soon(tmp_path: Path) -> None:
    doubts: list[str] = []
    started = time.monotonic()
    with attending(tmp_path, [gone()], doubts, 60.0) as attendant:
        wait_for(lambda: attendant.mode is WatchMode.EVENTS and len(doubts) == 2)
    assert doubts == ["start", "another try to listen"], "what happened in between is looked for"
    assert time.monotonic() - started < 10


def test_a_root_that_can_never_be_listened_to_is_tried_less_and_less_often(tmp_path: Path) -> None:
    doubts: list[str] = []
    with attending(tmp_path, [gone() for _ in range(100)], doubts, 0.02) as attendant:
        time.sleep(3)
        assert attendant.mode is WatchMode.POLLING
    assert 3 <= len(doubts) <= 8


@pytest.mark.skipif(not HAS_INOTIFY, reason="inotify is Linux's")
def test_a_root_that_is_moved_away_just_as_its_watch_is_made_is_known_to_be_lost(tmp_path: Path) -> None:
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

    from bindsearch.ingest.watching.tree import Surface, Tree

    moved = InotifyEvent(WatchDescriptor(7), InotifyConstants.IN_MOVE_SELF, 0, b"")

    class Descriptor:
        def add_callback(self, path: bytes, mask: Any, tree: Any, number: Any) -> WatchDescriptor:
            teller = threading.Thread(target=tree.on_event, args=(moved,))
            teller.start()
            teller.join(0.2)
            return WatchDescriptor(7)

        def remove_callbacks(self, callbacks: Any) -> None:
            """Nothing to do."""

        def is_alive(self) -> bool:
            return True

    surface = Surface(frozenset(), lambda *_: False)
    tree = Tree(Descriptor, str(tmp_path), surface, lambda *_: None)  # type: ignore[arg-type]
    tree.grow()
    wait_for(lambda: not tree.is_well())
    assert tree.lost == "root moved or deleted"
