"""One worker process as its host sees it: started, spoken with, ended.

Three pipes lead to it: requests, answers, and a lifeline that is only there to close with the host. It runs
in a session of its own, so Ctrl-C in a terminal does not reach it and its children can be killed with it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import bindsearch
from bindsearch.errors import BindsearchError
from bindsearch.sandbox.wire import Garbled, Message, Ready, pack, unpack

START_SECONDS = 60.0

# Told by words on the command line how to import, for the worker must import just what its host did.
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from bindsearch.sandbox.worker import main; main(*sys.argv[2:])"
)
# Threads would multiply with the workers. A heap that gives memory back after every picture takes it again,
# page by page, for the next, which costs as much as decoding a small one; so glibc keeps up to 64 MiB.
_ENVIRONMENT = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
    ),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
}
_GLANCE_SECONDS = 0.5
_PIPE_BYTES = 1 << 20  # the most that Linux lets any user have
_MOST_AT_ONCE = 1 << 30
_READ_AHEAD = 4096


class Silent(Exception):
    """The worker did not say in time what was awaited."""


class Died(Exception):
    """The worker has ended, or closed its pipe."""


class Process:
    """A worker process that is ready for its first request.

    All methods but ``kill`` belong to one thread. Raises BindsearchError when it cannot be started.
    """

    def __init__(self, loader: str, memory: int) -> None:
        self._memory = memory
        self._reaping = threading.Lock()
        self._spare = memoryview(bytearray(_READ_AHEAD))
        self._ahead = self._spare[:0]  # what was read already of what comes next
        with ExitStack() as undo:
            self._start(loader, undo)
            # Even of a process that is forgotten the lifeline closes, and with it the process ends.
            self._release = weakref.finalize(self, undo.pop_all().close)
        try:
            self._await_ready()
        except BaseException:
            self.close()
            raise
        finally:
            assert self._child.stderr is not None
            self._child.stderr.close()

    def _start(self, loader: str, undo: ExitStack) -> None:
        with ExitStack() as given:
            requests, self._requests = _pipe(given, undo)
            self._answers, answers = _pipe(undo, given)
            lifeline, _ = _pipe(given, undo)
            _widen(self._answers)
            self._child = _spawn(loader, self._memory, [requests, answers, lifeline])
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self._writable.register(self._requests, select.POLLOUT)
        os.set_blocking(self._answers, False)
        os.set_blocking(self._requests, False)

    def _await_ready(self) -> None:
        here = str(bindsearch.__file__)
        try:
            ready = self.receive((Ready,), START_SECONDS)
        except (Silent, Died, Garbled):
            self.close()
            raise _not_started(self._complaint()) from None
        if not os.path.samefile(ready.package, here):  # noqa: PTH121 - both are plain strings
            self.close()
            raise _not_started(f"it imports {ready.package}, not {here}")

    def _complaint(self) -> str:
        """The last line that the ended child wrote to standard error."""
        assert self._child.stderr is not None
        lines = self._child.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else how_it_ended(self._child.returncode)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        with self._reaping:
            return self._child.poll() is None

    def send(self, message: Message, seconds: float) -> None:
        """Write all of ``message``. Raises Silent when it is not taken in time, Died."""
        deadline = time.monotonic() + seconds
        buffers = pack(message)
        while buffers:
            try:
                written = os.write(self._requests, buffers[0])
            except BlockingIOError:
                self._wait(self._writable, deadline)
                continue
            except BrokenPipeError:
                raise Died from None
            buffers[0] = buffers[0][written:]
            if not buffers[0]:
                buffers.pop(0)

    def receive(self, awaited: tuple[type, ...], seconds: float) -> Any:
        """The next message. Raises Silent when it is not complete in time, Died, Garbled."""
        deadline = time.monotonic() + seconds
        return unpack(lambda view: self._fill(view, deadline), awaited, self._memory)

    def _fill(self, view: memoryview, deadline: float) -> None:
        """Fill ``view``; what comes with it and belongs to later ones is kept, to spare system calls."""
        count = min(len(view), len(self._ahead))
        view[:count] = self._ahead[:count]
        view, self._ahead = view[count:], self._ahead[count:]
        while view:
            part = view[:_MOST_AT_ONCE]
            try:
                count = os.readv(self._answers, [part, self._spare] if len(part) == len(view) else [part])
            except BlockingIOError:
                self._wait(self._readable, deadline)
                continue
            if not count:
                raise Died
            self._ahead = self._spare[: max(0, count - len(part))]
            view = view[count:]

    def _wait(self, poller: select.poll, deadline: float) -> None:
        """Until the pipe is ready. A child of the worker may hold it open, so look after the worker too."""
        while True:
            left = max(0.0, deadline - time.monotonic())
            if poller.poll(1000 * min(left, _GLANCE_SECONDS)):
                return
            if not self.is_alive() and not poller.poll(0):
                raise Died
            if time.monotonic() >= deadline:
                raise Silent

    def kill(self) -> None:
        """End it and its children at once; from any thread."""
        with self._reaping, suppress(ProcessLookupError, PermissionError):
            if self._release.alive:  # afterwards its number may be that of a stranger
                os.killpg(self._child.pid, signal.SIGKILL)

    def close(self, grace: float = 0.0) -> int:
        """End it, unless it does so itself within ``grace`` seconds; its exit status, or minus the signal."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(grace)
        self.kill()
        status = self._child.wait()
        with self._reaping:
            self._release()
        return status


def how_it_ended(status: int) -> str:
    """An exit status, or minus a signal's number, in words."""
    if status == -signal.SIGKILL:
        return "was killed (out of memory?)"
    if status < 0:
        return f"crashed ({(signal.strsignal(-status) or f'signal {-status}').lower()})"
    return f"ended without a result (exit status {status})"


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """A new pipe, whose ends the two stacks close."""
    source, sink = os.pipe()
    reading.callback(os.close, source)
    writing.callback(os.close, sink)
    return source, sink


def _spawn(loader: str, memory: int, descriptors: list[int]) -> subprocess.Popen[bytes]:
    # The encoding of file names must be the host's own; -P and -s keep surprises out of sys.path.
    flags = ["-P", "-s", "-X", f"utf8={sys.flags.utf8_mode}"]
    arguments = [json.dumps(import_path()), loader, str(memory), *map(str, descriptors)]
    command = [sys.executable, *flags, "-c", _BOOTSTRAP, *arguments]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as fault:
        raise _not_started(fault.strerror or str(fault)) from fault


def import_path() -> list[str]:
    """Where this process imports from, without the current folder, and with bindsearch in any case."""
    root = str(Path(str(bindsearch.__file__)).absolute().parents[1])
    entries = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return entries if root in entries else [root, *entries]


def _not_started(reason: str) -> BindsearchError:
    return BindsearchError(
        f"the process that decodes files cannot be started: {reason}",
        hint=f"{sys.executable} must be able to import bindsearch",
    )


def _widen(pipe: int) -> None:
    """Make room for a picture in ``pipe``, where the system allows: fewer changes between processes."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
