"""The hand: the worker process as the daemon sees it. Given work, held up, let go on, ended.

The worker starts with the first work and ends by itself when it has had none for a while, which gives back
the memory of its encoders; the next work starts another. It lives in the daemon's session, so that the kernel
shares the processor out among both by their priorities, but leads a process group of its own: Ctrl-C in a
terminal does not reach it, and its decoders can be killed along with it. It dies with the daemon, however
that ends.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bindsearch.errors import BindsearchError
from bindsearch.ingest.daemon.messages import (
    Ended,
    Event,
    Fault,
    Finished,
    Planned,
    Started,
    Waiting,
    Walked,
    Work,
    read_event,
    write_order,
)
from bindsearch.sandbox.process import how_it_ended, import_path

__all__ = ["Ended", "Event", "Fault", "Finished", "Hand", "Planned", "Started", "Waiting", "Walked", "Work"]

log = logging.getLogger("bindsearch.worker")

# Told on the command line how to import, for the worker must import just what the daemon did.
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from bindsearch.ingest.daemon.worker import main; main()"
)
_LAST_LINES = 5


class _Child:
    """One worker process with the pipes to it."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        lifeline, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, "--lifeline", str(lifeline)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[lifeline],
                process_group=0,
                env={**os.environ, **_thread_bounds(threads)},
            )
        except OSError:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)
        self._complaints: deque[str] = deque(maxlen=_LAST_LINES)
        self._listener = threading.Thread(target=self._listen, name="worker-complaints", daemon=True)
        self._listener.start()
        self.pid = self._process.pid
        self.has_begun = False  # the work that it was given last

    def send(self, line: bytes) -> None:
        """Write an order. Raises OSError when the worker has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def events(self) -> Iterator[bytes]:
        """The lines that it writes, as they come, until it has ended."""
        assert self._process.stdout is not None
        return iter(self._process.stdout)

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Wait for it to end; whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.is_alive()

    def kill(self) -> None:
        """End it and its decoders at once."""
        if self.is_alive():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def last_status(self) -> int:
        """See it to its end, which must have begun; its exit status."""
        status = self._process.wait()
        self._listener.join()
        return status

    def close(self) -> None:
        """Let go of the pipes; nothing can be sent from then on."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            with suppress(OSError):  # an order that it never read
                pipe.close()
        os.close(self._lifeline)

    def complaint(self) -> str:
        """The last thing that it wrote to standard error."""
        return self._complaints[-1] if self._complaints else ""

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            self._complaints.append(text)
            log.warning("%s", text)


class Hand:
    """The worker of the library in ``folder``; safe to use from several threads.

    ``on_event`` is called from a thread of the hand's own, one event at a time, and must not call ``stop``.
    Each work comes to exactly one Ended, also when the worker crashes. ``command`` starts another program
    that understands the worker's options and orders. A worker without work ends after ``idle_seconds``.
    ``threads`` is how many processors decoders and encoder may take up together, ``max_load`` the load
    average for each processor, this work apart, above which the worker waits (0: whatever the load).
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_event: Callable[[Event], None],
        command: Sequence[str] | None = None,
        idle_seconds: float = 60.0,
        threads: int = 0,
        max_load: float = 0.0,
    ) -> None:
        usual = [sys.executable, "-P", "-s", "-c", _BOOTSTRAP, json.dumps(import_path())]
        options = ("--library", folder, "--idle", idle_seconds, "--max-load", max_load, "--threads", threads)
        self._command = [*(command or usual), *map(str, options)]
        self._threads = threads
        self._on_event = on_event
        self._lock = threading.RLock()
        self._child: _Child | None = None
        self._reader: threading.Thread | None = None
        self._work: Work | None = None
        self._paused = False
        self._stopping = False

    def run(self, work: Work) -> None:
        """Give the worker work, and start one if there is none.

        Raises BindsearchError if it is busy or cannot be started.
        """
        with self._lock:
            if self._work is not None:
                raise BindsearchError("the worker is busy")
            self._work = work
            if self._child is None:
                self._start()
            else:
                self._give(self._child, work)

    def pause(self) -> None:
        """Have a run wait; one that waits for long ends, so that the library is not kept from others."""
        self._hold(paused=True)

    def resume(self) -> None:
        """Let a run go on."""
        self._hold(paused=False)

    def stop(self, seconds: float) -> None:
        """End the worker: what is finished is committed if that takes no longer than ``seconds``.

        Work that comes later starts another.
        """
        with self._lock:
            child, reader = self._child, self._reader
            if child is None or reader is None:
                return
            self._stopping = True
            self._order("stop")
        if self._work is not None and not child.has_begun:
            child.kill()  # it is still being loaded: there is nothing yet that could be committed
        if not child.wait(seconds):
            log.warning("the worker did not end within %g s and is killed", seconds)
            child.kill()
        reader.join()

    @property
    def is_busy(self) -> bool:
        """Whether there is work that has not ended."""
        return self._work is not None

    @property
    def pid(self) -> int | None:
        """The process id of the worker, if there is one."""
        child = self._child
        return child.pid if child is not None and child.is_alive() else None

    def memory(self) -> int:
        """How many bytes the worker and its decoders have in memory now."""
        pid = self.pid
        if pid is None:
            return 0
        import psutil

        total = 0
        with suppress(psutil.Error):
            worker = psutil.Process(pid)
            for process in (worker, *worker.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
        return total

    def _start(self) -> None:
        try:
            self._child = _Child(self._command, self._threads)
        except OSError as fault:
            self._work = None
            reason = fault.strerror or str(fault)
            raise BindsearchError(f"the process that indexes cannot be started: {reason}") from fault
        self._reader = threading.Thread(target=self._read, args=(self._child,), name="worker-events")
        self._reader.start()
        if self._paused:
            self._order("pause")
        assert self._work is not None
        self._give(self._child, self._work)

    def _give(self, child: _Child, work: Work) -> None:
        child.has_begun = False
        with suppress(OSError):  # it has just ended; the reader sees that and starts another
            child.send(write_order("run", work))

    def _hold(self, *, paused: bool) -> None:
        with self._lock:
            if paused != self._paused:
                self._paused = paused
                self._order("pause" if paused else "resume")

    def _order(self, order: str) -> None:
        with self._lock, suppress(OSError):
            if self._child is not None:
                self._child.send(write_order(order))

    def _read(self, child: _Child) -> None:
        """Pass on what the worker says, to its end."""
        for line in child.events():
            self._pass_on(child, line)
        status = child.last_status()
        end: Ended | None = None
        with self._lock:  # whoever still finds it here may send, to pipes that are open
            child.close()
            self._child = None
            stopping, self._stopping = self._stopping, False
            if self._work is not None:
                end = Ended(unfinished=True)
                if status or child.has_begun:
                    end = Ended(unfinished=True, error=_death(status, child.complaint()))
                elif not stopping:  # it ended for want of work just when some came
                    end = self._start_again()
        if end is not None:
            self._end(end)

    def _start_again(self) -> Ended | None:
        try:
            self._start()
        except BindsearchError as fault:
            return Ended(unfinished=True, error=Fault.of(fault))
        return None

    def _pass_on(self, child: _Child, line: bytes) -> None:
        try:
            event = read_event(line)
        except ValueError as fault:
            log.error("the worker said what makes no sense: %s", fault)
            child.kill()
            return
        child.has_begun = True
        if isinstance(event, Ended):
            self._end(event)
        else:
            self._on_event(event)

    def _end(self, event: Ended) -> None:
        with self._lock:
            self._work = None
        self._on_event(event)


def _death(status: int, complaint: str) -> Fault:
    message = f"the process that indexes {how_it_ended(status)}"
    return Fault("WorkerDied", f"{message}: {complaint}" if complaint else message)


def _thread_bounds(threads: int) -> dict[str, str]:
    """The environment that keeps numerical libraries to so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return dict.fromkeys(names, str(threads)) if threads else {}
