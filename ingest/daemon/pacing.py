"""When the worker works: not while it is told to wait or others need the machine, and for a slice at a time.

The load average of the system counts every thread that runs or would like to, the worker's own among them,
and so does not tell how much others want. So the worker counts its own threads as the kernel does, lets the
count fade as the kernel lets the load fade, and takes it off.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bindsearch.index.lock import is_wanted

PATIENCE = 30.0  # seconds that a run waits, with the library held, before it ends
POLITENESS = 10.0  # seconds that a run waits for others who want to write, before it begins
LOOK_SECONDS = 1.0
WALK_SHARE = 3.0  # a slice lasts at least so many times as long as it took to find out what there is to do
_FADING_SECONDS = 60.0  # of the first of the three load averages


class Orders:
    """What the worker has been told; set by the thread that listens, looked at by the one that works."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.paused = False
        self.stopped = False

    def pause(self) -> None:
        """Have the work wait."""
        self._set(paused=True)

    def resume(self) -> None:
        """Have it go on."""
        self._set(paused=False)

    def stop(self) -> None:
        """Have it end, for good."""
        self._set(stopped=True)

    def _set(self, *, paused: bool | None = None, stopped: bool = False) -> None:
        with self._changed:
            self.paused = self.paused if paused is None else paused
            self.stopped = self.stopped or stopped
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Until something is said, or the time is over."""
        with self._changed:
            if not self.stopped:
                self._changed.wait(seconds)


class OthersLoad:
    """The load average of all but this process and its children, for each processor."""

    def __init__(self, children: Callable[[], list[int]] | None = None) -> None:
        self._children = children or _children
        self._own = 0.0
        self._seen_at = time.monotonic()

    def look(self, *, resting: bool = False) -> float:
        """The load now; between two looks the own part is taken to have been as it is now.

        ``resting`` says that nothing was done since the last look.
        """
        now = time.monotonic()
        kept = math.exp((self._seen_at - now) / _FADING_SECONDS)
        working = 0 if resting else _working_threads([os.getpid(), *self._children()])
        self._own = self._own * kept + working * (1 - kept)
        self._seen_at = now
        with suppress(OSError):
            return max(0.0, os.getloadavg()[0] - self._own) / (os.cpu_count() or 1)
        return 0.0


class SlicePace:
    """The pace of one run; see ingest.pace.

    ``most_load`` is the load of others above which it waits (0: never), ``seconds`` how long its slice is,
    ``library`` the folder that others may want to write to. ``say`` is told why it waits, and None when it
    goes on.
    """

    def __init__(
        self,
        orders: Orders,
        load: OthersLoad,
        most_load: float,
        seconds: float,
        library: Path,
        say: Callable[[str | None], None],
    ) -> None:
        self._orders = orders
        self._load = load
        self._most_load = most_load
        self._seconds = seconds
        self._library = library
        self._say = say
        self._began = time.monotonic()
        self._ends: float | None = None
        self._next_look = 0.0
        self._is_wanted = False

    def begin(self) -> bool:
        """Wait until the run may begin, without end; False when it is to be none."""
        if self._most_load:
            self._load.look(resting=True)
        may = self._wait(math.inf, resting=True)
        until = time.monotonic() + POLITENESS
        while may and is_wanted(self._library) and time.monotonic() < until:
            self._orders.wait(0.1)
            may = not self._orders.stopped
        self._began = time.monotonic()
        return may

    def go_on(self) -> bool:
        """See Pace."""
        if self._orders.stopped:
            return False
        if not self._orders.paused and time.monotonic() < self._next_look:
            return True
        self._is_wanted = is_wanted(self._library)
        may = self._wait(PATIENCE)
        self._next_look = time.monotonic() + LOOK_SECONDS
        return may

    def begin_more(self) -> bool:
        """See Pace."""
        now = time.monotonic()
        if self._ends is None:
            self._ends = now + max(self._seconds, WALK_SHARE * (now - self._began))
        return now < self._ends and not self._is_wanted

    def _wait(self, patience: float, *, resting: bool = False) -> bool:
        """Wait while there is a reason to; whether there is none any more."""
        until = time.monotonic() + patience
        told: str | None = None
        while not self._orders.stopped:
            reason = self._reason(told is not None, resting=resting)
            if reason != told:
                self._say(reason)
            if reason is None:
                return True
            if time.monotonic() >= until:
                self._say(None)
                return False
            told = reason
            self._orders.wait(LOOK_SECONDS)
            resting = True
        return False

    def _reason(self, waits: bool, *, resting: bool) -> str | None:
        if self._orders.paused:
            return "paused"
        if not self._most_load:
            return None
        # Who has begun to wait goes on at a lower load, so as not to change his mind every second.
        most = 0.9 * self._most_load if waits else self._most_load
        load = self._load.look(resting=resting)
        return f"others load the machine ({load:.1f} for each processor)" if load > most else None


def _working_threads(pids: list[int]) -> int:
    """How many threads of these processes run or would like to, as Linux counts the load."""
    count = 0
    for pid in pids:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    state = (task / "stat").read_bytes().rpartition(b")")[2]
                    count += state.split(None, 1)[0] in (b"R", b"D")
    return count


def _children() -> list[int]:
    import psutil

    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process().children(recursive=True)]
    return []
