"""The watcher: from what happens below the roots to paths that are due for a look.

Events are hints, never the truth: what is due is to be compared with the catalog by a walk of just that path.
A root is due as a whole at the start, after events were lost, when it vanishes, returns or is replaced, after
the machine has slept, and every ``walk_minutes``. Where no events come, it is polled.

    attendant (one thread a root)   is it there, the same, well watched?      --> doubts
    descriptor (one thread)         what the kernel tells (Linux)             --> changes
    the caller                      ``take_due``, ``put_back``, ``reconciled``

Everything but ``start``, ``set_roots`` and ``stop`` only looks at memory and small folders, so that a disk
which does not answer holds up nobody.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.index.paths import descends
from bindsearch.ingest.walk import Identity
from bindsearch.ingest.watching.attendant import LOOK_SECONDS, Attendant, Duties, Ears, IsRemote
from bindsearch.ingest.watching.clocks import Alarm, asleep_seconds
from bindsearch.ingest.watching.ignoring import Ignoring
from bindsearch.ingest.watching.mounts import Mount, read_mounts
from bindsearch.ingest.watching.naming import CAMERA_FILES, has_kin, kin
from bindsearch.ingest.watching.standing import Standing
from bindsearch.ingest.watching.table import Table
from bindsearch.remote.status import WatchedRoot, WatchMode
from bindsearch.settings import WatchSettings

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyFD

SOON_SECONDS = 0.3  # what is gone need not become quiet
STOP_SECONDS = 2.0
REPLACE_SECONDS = 10.0
HAS_INOTIFY = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Due:
    """A path to compare with the catalog: a root (``whole``), a folder with all below, or a file."""

    path: Path
    whole: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks that a watcher goes by: a steady one, the wall clock, and how long the machine slept."""

    steady: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    asleep: Callable[[], float] = asleep_seconds


class Watcher:
    """Watches roots. ``wake`` is set when something may be due before the caller thinks.

    ``skip`` are folders whose changes mean nothing, such as the library's own, wherever they lie. Moments
    that are handed in and out are those of ``clocks.steady``.
    """

    def __init__(
        self,
        settings: WatchSettings,
        *,
        skip: Sequence[Path] = (),
        clocks: Clocks | None = None,
        look_seconds: float = LOOK_SECONDS,
        inotify: bool = HAS_INOTIFY,
        mounts: Callable[[], tuple[Mount, ...]] = read_mounts,
    ) -> None:
        self.wake = threading.Event()
        self._settings = settings
        self._skip = tuple(os.path.abspath(path) for path in skip)  # noqa: PTH100 - links stay
        self._clocks = clocks or Clocks()
        self._look_seconds = look_seconds
        self._inotify = inotify
        self._mounts = mounts
        self._alarm = Alarm(self._clocks.asleep)
        self._lock = threading.Lock()  # of the standings; nothing slow is done under it
        self._standings: dict[str, Standing] = {}
        self._attendants: dict[str, Attendant] = {}
        self._descriptor: InotifyFD | None = None
        self._making = threading.Lock()
        self._replaced: dict[str, float] = {}  # when an attendant had to be

    def start(self, roots: Sequence[Path]) -> None:
        """Begin with ``roots``; each is due as a whole as soon as it is listened to."""
        self.set_roots(roots)

    def set_roots(self, roots: Sequence[Path]) -> None:
        """Watch ``roots`` from now on; those that were watched before go on undisturbed."""
        wanted = dict.fromkeys(os.path.abspath(root) for root in roots)  # noqa: PTH100 - links stay
        gone = [self._attendants.pop(root) for root in list(self._attendants) if root not in wanted]
        with self._lock:
            for attendant in gone:
                del self._standings[attendant.root]
            new = [root for root in wanted if root not in self._standings]
            self._standings |= {root: Standing(Table(root)) for root in new}
        _end(gone)
        for root in new:
            self._attendants[root] = Attendant(root, self._duties(root))
            self._attendants[root].start()

    def stop(self) -> None:
        """End all threads; one whose disk does not answer is left behind."""
        _end(self._attendants.values())
        self._attendants.clear()
        with self._making:
            if self._descriptor is not None:
                _close(self._descriptor)
            self._descriptor = None

    def take_due(self, now: float) -> list[Due]:
        """What is due; it counts as handed out."""
        if self._alarm.rang():
            self.doubt_all("sleep")
        self._replace_the_dead(now)
        found: list[Due] = []
        period = 60.0 * self._settings.walk_minutes
        with self._lock:
            for standing in self._standings.values():
                paths, reason = standing.take(now, period)
                whole = reason is not None
                found += [Due(Path(path), whole, reason or "changed") for path in paths]
        return _with_kin(found)

    def next_due(self) -> float | None:
        """A moment before which nothing is due as far as is known now; None if nothing is known."""
        with self._lock:
            soonest = min((one.next_due for one in self._standings.values()), default=float("inf"))
        return None if soonest == float("inf") else soonest

    def put_back(self, path: Path, seconds: float) -> None:
        """A look at ``path`` came too early: it is due again in ``seconds``, in more from time to time."""
        with self._lock:
            standing = self._standing_of(os.fspath(path))
            if standing is not None:
                standing.table.put_back(os.fspath(path), self._clocks.steady(), seconds)

    def reconciled(self, root: Path) -> None:
        """All of ``root`` has been compared with the catalog."""
        with self._lock:
            standing = self._standings.get(os.fspath(root))
            if standing is not None:
                period = 60.0 * self._settings.walk_minutes
                standing.reconciled(self._clocks.wall(), self._clocks.steady() + period)

    def doubt_all(self, reason: str) -> None:
        """Have every root walked."""
        for root in list(self._standings):
            self._doubted(root, reason)

    @property
    def restless(self) -> int:
        """How many paths have changed and are not due yet."""
        with self._lock:
            return sum(len(standing.table) for standing in self._standings.values())

    @property
    def settled(self) -> bool:
        """Whether nothing is restless and every root was walked since it last gave cause for doubt."""
        with self._lock:
            return all(standing.is_settled for standing in self._standings.values())

    def roots(self) -> list[WatchedRoot]:
        """How each root is watched."""
        with self._lock:
            walked = {root: standing.walked_at for root, standing in self._standings.items()}
        return [
            WatchedRoot(root, one.mode, one.note, walked.get(root))
            for root, one in list(self._attendants.items())
        ]

    def degraded(self) -> list[str]:
        """What does not go as it should, a sentence each."""
        now = self._clocks.steady()
        told = []
        for root, one in list(self._attendants.items()):
            if not one.is_alive():
                told.append(f"{root}: watching failed, and is tried again")
            elif one.does_not_answer(now):
                told.append(f"{root}: the disk does not answer")
            elif one.mode is WatchMode.OFFLINE:
                told.append(f"{root}: {one.note}")
            elif one.mode is WatchMode.POLLING:
                told.append(f"{root}: looked at every {self._settings.poll_seconds:g} s only, {one.note}")
            elif one.note:
                told.append(f"{root}: {one.note}")
        return told

    def _replace_the_dead(self, now: float) -> None:
        """An attendant ends only when it is told to; should one end by a fault, another takes its place."""
        for root, one in list(self._attendants.items()):
            if not one.is_alive() and now >= self._replaced.get(root, float("-inf")) + REPLACE_SECONDS:
                self._replaced[root] = now
                self._attendants[root] = Attendant(root, self._duties(root))
                self._attendants[root].start()

    def _duties(self, root: str) -> Duties:
        return Duties(
            ears=partial(self._ears, root),
            changed=partial(self._changed, root),
            doubted=partial(self._doubted, root),
            skip=self._skipped,
            poll_seconds=self._settings.poll_seconds,
            look_seconds=self._look_seconds,
            mounts=self._mounts,
        )

    def _ears(self, owner: str, root: str, skip: frozenset[Identity], is_remote: IsRemote) -> Ears:
        # Rules that change make their folder due after a longer time than verdicts on them are kept.
        ignoring = Ignoring(owner, min(1.0, self._settings.quiet_seconds / 2))
        hear = partial(self._heard, owner, ignoring)
        if not self._inotify:
            from bindsearch.ingest.watching.portable import PortableTree

            return PortableTree(root, hear)
        from bindsearch.ingest.watching.tree import Surface, Tree

        return Tree(self._listening, root, Surface(skip, is_remote), hear)

    def _listening(self) -> InotifyFD:
        """The descriptor that all roots share, made anew if its thread has ended."""
        from watchdog.observers.inotify_c import InotifyFD

        with self._making:
            if self._descriptor is not None and not self._descriptor.is_alive():
                _close(self._descriptor)
                self._descriptor = None
            if self._descriptor is None:
                descriptor = InotifyFD()
                descriptor.start()
                self._descriptor = descriptor
            return self._descriptor

    def _heard(self, root: str, ignoring: Ignoring, path: str, soon: bool) -> None:
        if not ignoring.leaves_out(path, time.monotonic()):
            self._changed(root, path, soon)

    def _changed(self, root: str, path: str, soon: bool) -> None:
        if any(descends(path, folder) for folder in self._skip):
            return
        if os.path.basename(path).lower() in CAMERA_FILES and path != root:  # noqa: PTH119
            path = os.path.dirname(path)  # noqa: PTH120 - of all maps that lie there or below
        now = self._clocks.steady()
        with self._lock:
            standing = self._standings.get(root)
            if standing is None:
                return
            before = standing.next_due
            standing.table.touch(path, now, SOON_SECONDS if soon else self._settings.quiet_seconds)
            sooner = standing.next_due < before
        if sooner:
            self.wake.set()
        if path == root and (attendant := self._attendants.get(root)) is not None:
            attendant.nudge()

    def _doubted(self, root: str, reason: str) -> None:
        with self._lock:
            standing = self._standings.get(root)
            if standing is not None:
                standing.doubt(reason, self._clocks.steady())
        self.wake.set()

    def _standing_of(self, path: str) -> Standing | None:
        holders = [root for root in self._standings if descends(path, root)]
        return self._standings[max(holders, key=len)] if holders else None

    def _skipped(self) -> frozenset[Identity]:
        found = set()
        for folder in self._skip:
            with suppress(OSError):
                status = os.stat(folder)  # noqa: PTH116
                found.add((status.st_dev, status.st_ino))
        return frozenset(found)


def _with_kin(found: list[Due]) -> list[Due]:
    """What is due, and the files that belong to it or that it belongs to, each once."""
    every: dict[Path, Due] = {}
    for due in found:
        if due.path not in every or due.whole:  # a root may lie in another
            every[due.path] = due
    parts = [due.path for due in found if not due.whole]
    folders = {path.parent for path in parts}
    listed = {folder: _names(folder) for folder in folders}
    for path in parts:
        names = kin(path.name, listed[path.parent]) if has_kin(path.name) else ()
        _add(every, map(path.with_name, names))
    for folder in folders | {folder.parent for folder in folders}:
        # Whether such a file is a text of its own depends on whether there are depth maps near it.
        beside = (folder / name for name in CAMERA_FILES)
        _add(every, (path for path in beside if os.path.isfile(path)))  # noqa: PTH113 - no for what is closed
    return list(every.values())


def _add(every: dict[Path, Due], paths: Iterable[Path]) -> None:
    for path in paths:
        every.setdefault(path, Due(path, whole=False, reason="belongs to what changed"))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _end(attendants: Iterable[Attendant]) -> None:
    """End threads, all at once."""
    ending = list(attendants)
    for attendant in ending:
        attendant.end()
    deadline = time.monotonic() + STOP_SECONDS
    for attendant in ending:
        attendant.join(max(0.0, deadline - time.monotonic()))


def _close(descriptor: InotifyFD) -> None:
    descriptor.stop()
    descriptor.join(STOP_SECONDS)
