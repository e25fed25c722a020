"""The attendant of one root: a thread that keeps its changes becoming known, by events or by polling.

Every ``LOOK_SECONDS`` it sees whether the root is there, still the same folder on the same file system, and
well watched; whenever it is not, the watches are made anew and the whole root is in doubt, as nobody knows
what happened meanwhile. Only this thread touches the root's disk, so that one which does not answer holds up
nothing else.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from bindsearch.ingest.walk import Identity, WalkOptions
from bindsearch.ingest.watching.limits import advice, limit_of
from bindsearch.ingest.watching.mounts import Mount, mount_of, mounts_about, read_mounts
from bindsearch.ingest.watching.polling import Poll
from bindsearch.loaders.rules import RULES_FILE
from bindsearch.remote.status import WatchMode

LOOK_SECONDS = 2.0
BREATHER_SECONDS = 0.2
PATIENCE_SECONDS = 10.0  # a look that takes longer is told of
BREATH_SECONDS = 0.002
TRY_AGAIN_SECONDS = 600.0  # a limit, unless its value changes before
MENDED_SECONDS = 60.0  # the longest wait after any other fault, such as a root that vanished for a moment
POLL_SHARE = 10  # polling takes at most one part in so many of the time

IsRemote = Callable[[str, int], bool]


class Ears(Protocol):
    """What hears of changes below a root: ``Tree`` or ``PortableTree``."""

    lost: str | None
    blind: list[str]
    links: set[str]

    def grow(self) -> None:
        """Begin. Raises OSError where that is not possible."""

    def regrow(self, path: str) -> None:
        """Cover what a link has begun to lead to."""

    def close(self) -> None:
        """End."""

    def is_well(self) -> bool:
        """Whether changes become known."""


@dataclass(frozen=True, slots=True)
class Duties:
    """What an attendant needs from the watcher.

    ``ears`` makes what hears, for a root and its surface; ``changed(path, soon)`` and ``doubted(reason)``
    take what is found. ``skip`` are folders that are never looked into.
    """

    ears: Callable[[str, frozenset[Identity], IsRemote], Ears]
    changed: Callable[[str, bool], None]
    doubted: Callable[[str], None]
    skip: Callable[[], frozenset[Identity]]
    poll_seconds: float
    look_seconds: float = LOOK_SECONDS
    mounts: Callable[[], tuple[Mount, ...]] = read_mounts


@dataclass(frozen=True, slots=True)
class Sight:
    """What a root was at a look: ``about`` are the file systems that it lies on and that lie in it."""

    identity: Identity
    about: tuple[Mount, ...]


class Attendant(threading.Thread):
    """Attends to ``root`` until ``end``; ``mode`` and ``note`` say how it goes."""

    def __init__(self, root: str, duties: Duties) -> None:
        super().__init__(name=f"watching {root}", daemon=True)
        self.root = root
        self.mode = WatchMode.EVENTS
        self.note: str | None = "not looked at yet"
        self.looking_since: float | None = None
        self._duties = duties
        self._ears: Ears | None = None
        self._sight: Sight | None = None
        self._was_there = True
        self._rules: tuple[object, ...] | None = None
        self._fault: tuple[OSError, int | None] | None = None  # a limit, and its value when it was reached
        self._polls: list[Poll] = []
        self._next_poll = 0.0
        self._try_again = 0.0
        self._tries = 0  # to listen, one after the other
        self._links: dict[str, object] = {}
        self._nudged = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Look, and look again."""
        try:
            while not self._ended.is_set():
                self.looking_since = time.monotonic()
                self._look()
                self.looking_since = None
                self._nudged.wait(self._duties.look_seconds)
                self._ended.wait(BREATHER_SECONDS)  # what goes wrong goes wrong many times in a row
                self._nudged.clear()
        finally:
            self._close()

    def nudge(self) -> None:
        """Have it look at once."""
        self._nudged.set()

    def end(self) -> None:
        """Have the thread end; it is not waited for."""
        self._ended.set()
        self._nudged.set()

    def does_not_answer(self, now: float) -> bool:
        """Whether the root's disk has been silent for long."""
        since = self.looking_since
        return since is not None and now - since > PATIENCE_SECONDS

    def _look(self) -> None:
        mounts = self._duties.mounts()
        sight = self._see(mounts)
        if sight is None:
            self._leave()
            return
        rules = self._rules_above()
        reason = self._why_anew(sight)
        if reason is not None:
            self._begin(mounts)
            self._sight, self._was_there = sight, True
            self._duties.doubted(reason)
        elif rules != self._rules:
            self._duties.doubted("rules above the root changed")
        self._rules = rules
        if time.monotonic() >= self._next_poll:
            self._poll()

    def _see(self, mounts: tuple[Mount, ...]) -> Sight | None:
        """The root as it is now; of a file, the folder that it lies in."""
        try:
            os.stat(self.root)  # noqa: PTH116
            is_folder = os.path.isdir(self.root)  # noqa: PTH112
            status = os.stat(self.root if is_folder else os.path.dirname(self.root))  # noqa: PTH116, PTH120
        except OSError:
            return None
        about = mounts_about(os.path.realpath(self.root), mounts)
        return Sight((status.st_dev, status.st_ino), about)

    def _leave(self) -> None:
        if self._was_there:
            self._close()
            self._sight, self._was_there = None, False
            self.mode, self.note = WatchMode.OFFLINE, "not there"
            self._duties.doubted("vanished")

    def _why_anew(self, sight: Sight) -> str | None:
        if self._sight is None:
            return "start" if self._was_there else "returned"
        if sight.identity != self._sight.identity:
            return "replaced by another folder"
        if sight.about != self._sight.about:
            return "mounts changed"
        if self._ears is not None and not self._ears.is_well():
            return self._ears.lost or "watching had ended"
        if self._fault is not None and self._may_listen_again(*self._fault):
            return "another try to listen"
        return None

    def _may_listen_again(self, fault: OSError, limit: int | None) -> bool:
        """Whether a limit has been raised, or so much time has passed that others may have let go."""
        return limit_of(fault) != limit or time.monotonic() >= self._try_again

    def _begin(self, mounts: tuple[Mount, ...]) -> None:
        """Listen and poll anew; what is polled is looked at once before the root is walked."""
        self._close()
        blind = self._listen(mounts)
        skip = WalkOptions(skip=self._duties.skip() - _identities(self.root))
        self._polls = [Poll(path, skip) for path in blind]
        self._poll()

    def _listen(self, mounts: tuple[Mount, ...]) -> list[str]:
        """Start listening; returns what must be polled."""
        remote = _Remote(mounts)
        own = mount_of(os.path.realpath(self.root), mounts)
        if own is not None and own.is_remote:
            return self._poll_all(f"on a network file system ({own.kind})")
        ears = self._duties.ears(self.root, self._duties.skip(), remote)
        try:
            ears.grow()
        except OSError as fault:
            limit = limit_of(fault)
            self._fault = (fault, limit)
            self._try_again = time.monotonic() + (TRY_AGAIN_SECONDS if limit is not None else self._wait())
            return self._poll_all(advice(fault))
        self._ears, self._tries = ears, 0
        self.mode, self.note = WatchMode.EVENTS, None
        if ears.blind:
            self.note = f"polled in part: {', '.join(ears.blind[:3])}{' ...' * (len(ears.blind) > 3)}"
        self._links = {path: _leads_to(path) for path in list(ears.links)}
        return ears.blind

    def _wait(self) -> float:
        """How long to wait for another try to listen: at first not at all, as the root may just have gone."""
        self._tries += 1
        if self._tries == 1:
            self.nudge()
            return 0.0
        return min(MENDED_SECONDS, self._duties.look_seconds * 2.0 ** min(self._tries, 10))

    def _poll_all(self, why: str) -> list[str]:
        self.mode, self.note = WatchMode.POLLING, why
        return [self.root]

    def _poll(self) -> None:
        started = time.monotonic()
        for poll in self._polls:
            for folder in poll.look(self._breathe):
                self._duties.changed(folder, False)
        self._look_at_links()
        now = time.monotonic()
        self._next_poll = now + max(self._duties.poll_seconds, POLL_SHARE * (now - started))

    def _look_at_links(self) -> None:
        if self._ears is None:
            return
        before = self._links
        self._links = {path: _leads_to(path) for path in list(self._ears.links)}
        for path, target in self._links.items():
            if path in before and before[path] != target:
                self._ears.regrow(path)
                self._duties.changed(path, False)

    def _breathe(self) -> bool:
        """Leave the processor, and the lock that Python's threads share, to others for a moment."""
        self.looking_since = time.monotonic()
        return not self._ended.wait(BREATH_SECONDS)

    def _close(self) -> None:
        if self._ears is not None:
            self._ears.close()
        self._ears = None
        self._fault = None
        self._polls = []
        self._links = {}

    def _rules_above(self) -> tuple[object, ...]:
        """Files of rules above the root are valid in it, and no event tells of them."""
        return tuple(map(partial(_stamp, name=RULES_FILE), Path(self.root).parents))


class _Remote:
    """Tells which folders lie on file systems of other machines; asks once for each device."""

    def __init__(self, mounts: tuple[Mount, ...]) -> None:
        self._mounts = mounts
        self._known: dict[int, bool] = {}

    def __call__(self, path: str, device: int) -> bool:
        if device not in self._known:
            mount = mount_of(os.path.realpath(path), self._mounts)
            self._known[device] = mount is not None and mount.is_remote
        return self._known[device]


def _stamp(folder: Path, name: str) -> object:
    try:
        status = folder.joinpath(name).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _leads_to(path: str) -> object:
    """What changes when a link leads elsewhere or the file behind it is written; None for nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as fault:
        return None if fault.errno == errno.ENOENT else fault.errno
    if os.path.isdir(path):  # noqa: PTH112 - what happens inside is heard
        return status.st_dev, status.st_ino
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identities(path: str) -> frozenset[Identity]:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return frozenset()
    return frozenset({(status.st_dev, status.st_ino)})
