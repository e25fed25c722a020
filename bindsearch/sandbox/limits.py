"""What a worker process does to itself before it touches a file: bounds, and an end with its host.

The memory cap is kept by the kernel on Linux. Elsewhere it is asked for and may have no effect; macOS knows
the limit but lets programs pass it.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

_PAGES_RESIDENT = 1  # the second number of statm


def limit_memory(most_bytes: int) -> None:
    """Let allocations past ``most_bytes`` fail, and leave no core dump behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # RLIMIT_DATA counts private memory that can be written: heap, mappings and stacks in use. RLIMIT_AS would
    # count what is only reserved too, as each thread's arena, and so fail by the number of processors.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, most))


def go_first_when_memory_ends() -> None:
    """Have the kernel end this process before any other when the whole machine is out of memory."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def yield_as_host_does() -> None:
    """Where the host yields to everybody, do so as a session too.

    A process takes its host's priority over, but Linux shares the processor out among sessions first (see
    sched(7), "The autogroup feature"), so that one of idle processes would get as much as one of busy ones.
    """
    idle = getattr(os, "SCHED_IDLE", None)
    if idle is not None and os.sched_getscheduler(0) == idle:
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text("19")


def die_with(lifeline: int) -> None:
    """Have this process group killed as soon as the other end of the pipe ``lifeline`` is closed.

    The host holds that end open and never writes, so it closes whenever the host ends, however it ends. The
    process must lead its group. On Linux the kernel itself sends SIGKILL, even while a decoder holds the
    interpreter; elsewhere a thread does, as soon as it is let. PR_SET_PDEATHSIG would be shorter, but fires
    when the thread that started the worker ends, though the host lives on.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if _is_cut(lifeline, 0):  # before the kernel was asked to watch
            _end_group()
    else:
        watch(lifeline)


def watch(lifeline: int) -> None:
    """Wait in a thread for the pipe ``lifeline`` to close, then kill this process group."""

    def wait() -> None:
        _is_cut(lifeline, None)
        _end_group()

    threading.Thread(target=wait, daemon=True).start()


def _is_cut(lifeline: int, timeout: int | None) -> bool:
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    return bool(poller.poll(timeout))


def _end_group() -> None:
    os.killpg(os.getpid(), signal.SIGKILL)


def resident_bytes() -> int:
    """How much memory this process takes now; on systems without /proc, the most that it took so far."""
    try:
        statm = Path("/proc/self/statm").read_bytes()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(statm.split()[_PAGES_RESIDENT]) * resource.getpagesize()
