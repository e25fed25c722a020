"""Driving a daemon as a process: started, killed, stopped, and waited for until it is settled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.errors import BindsearchError

if TYPE_CHECKING:
    from bindsearch.remote.client import Daemon
    from bindsearch.remote.status import DaemonStatus

CHECKOUT = Path(__file__).resolve().parents[3]
QUIET_SECONDS = 0.3
HELD_SECONDS = 0.6  # settled for so long, since what has just happened may not have been heard of yet
START_SECONDS = 30.0
SETTLE_SECONDS = 90.0
STOP_SECONDS = 5.0
LOG = "daemon.out"
LIFELINE = "LIFELINE"


class Stuck(AssertionError):
    """The daemon did not come to do what was waited for."""


class Driver:
    """The daemon of the library in ``library``; ``command`` starts it, in a session of its own.

    What it prints goes to a file beside the library. The variable ``LIFELINE`` names a descriptor that is
    closed when who drives it ends, however that ends; the daemon is to end then, too.
    """

    def __init__(self, library: Path, command: Sequence[str] | None = None) -> None:
        self.library = library
        self.log = library.with_name(LOG)
        self._command = command or daemon_command(library)
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the daemon, if it runs."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if running and self._process else None

    def start(self, wait: bool = True) -> None:
        """Start the daemon; with ``wait``, until it answers. Raises Stuck if it does not."""
        assert self.pid is None
        self._cut_lifeline()
        lifeline, self._lifeline = os.pipe()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[lifeline],
                env={**os.environ, LIFELINE: str(lifeline)},
            )
        os.close(lifeline)
        if wait:
            self.wait_for(self._answers, START_SECONDS, "does not answer")

    def kill(self) -> None:
        """End the daemon as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._cut_lifeline()

    def kill_worker(self) -> None:
        """End the process that indexes, if there is one."""
        for pid in children(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, how: int = signal.SIGTERM) -> float:
        """Ask the daemon to end; how many seconds that took. Raises Stuck if it does not in time."""
        if self._process is None or self.pid is None:
            return 0.0
        started = time.monotonic()
        self._process.send_signal(how)
        try:
            status = self._process.wait(STOP_SECONDS + 1.0)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Stuck(f"still there {STOP_SECONDS:g} s after it was asked to stop") from None
        if status not in (0, -how):  # the signal itself ends one that is still being loaded
            raise Stuck(f"ended with status {status}")
        seconds = time.monotonic() - started
        self._cut_lifeline()
        return seconds

    def settle(self, seconds: float = SETTLE_SECONDS) -> DaemonStatus | None:
        """Wait until it has been settled for a while. Raises Stuck if it does not come to that."""
        since: list[float] = []
        last: list[DaemonStatus] = []

        def has_settled() -> bool:
            status = self.status()
            if status is None or not status.settled:
                since.clear()
            else:
                since.append(time.monotonic())
            last[:] = [status] if status else []
            return bool(since) and since[-1] - since[0] >= HELD_SECONDS

        time.sleep(QUIET_SECONDS)  # what happened just now may still be on its way
        self.wait_for(has_settled, seconds, lambda: f"is not settled: {last}")
        return last[0]

    def status(self) -> DaemonStatus | None:
        """What it says of itself, or None when it does not answer."""
        with self.client() as client, suppress(BindsearchError, OSError):
            return client.status() if client else None
        return None

    def rescan(self) -> None:
        """Have it walk every root."""
        with self.client() as client:
            if client:
                client.rescan()

    @contextmanager
    def client(self) -> Iterator[Daemon | None]:
        """A connection to it, if it answers."""
        from bindsearch.remote.client import Daemon

        found = Daemon.find(self.library)
        with found or nullcontext():
            yield found

    def wait_for(self, is_so: Callable[[], bool], seconds: float, otherwise: str | Callable[[], str]) -> None:
        """Wait until something is so. Raises Stuck if that takes too long or the daemon has ended."""
        end = time.monotonic() + seconds
        while not is_so():
            if self.pid is None:
                raise Stuck(f"the daemon has ended: {tail(self.log)}")
            if time.monotonic() > end:
                shown = otherwise if isinstance(otherwise, str) else otherwise()
                raise Stuck(f"after {seconds:g} s the daemon {shown}\n{tail(self.log)}")
            time.sleep(0.05)

    def _cut_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _answers(self) -> bool:
        return self.status() is not None


class LoopDriver(Driver):
    """Drives a loop that walks for ever instead of a daemon, which shows that the proof itself is sound."""

    def __init__(self, library: Path) -> None:
        super().__init__(library, [sys.executable, "-m", "tests.ingest.daemon.loop_child", str(library)])

    def start(self, wait: bool = True) -> None:
        """See Driver."""
        (self.library / "runs").unlink(missing_ok=True)
        super().start(wait=False)

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """See Driver. A run that began after this call has ended."""
        time.sleep(0.1)
        first = self._runs()
        self.wait_for(lambda: self._runs() > first + 1, seconds, "does not come to an end")

    def kill_worker(self) -> None:
        """See Driver; the loop does the work itself."""

    def stop(self, how: int = signal.SIGTERM) -> float:
        """See Driver; there is nothing that it would have to end in order."""
        self.kill()
        return 0.0

    def status(self) -> None:
        """See Driver."""

    def rescan(self) -> None:
        """See Driver."""

    def _runs(self) -> int:
        with suppress(OSError, ValueError):
            return int((self.library / "runs").read_text())
        return -1


def daemon_command(library: Path) -> list[str]:
    """What starts a daemon with the tiny encoder, which waits shortly for files to be quiet."""
    return [sys.executable, "-m", "tests.ingest.daemon.daemon_child", str(library), str(QUIET_SECONDS)]


def children(pid: int | None) -> list[int]:
    """The processes that ``pid`` has started."""
    if pid is None:
        return []
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found


def tail(path: Path, lines: int = 25) -> str:
    """The last lines of a text."""
    with suppress(OSError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    return ""
