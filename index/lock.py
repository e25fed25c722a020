"""The writer lock: one process at a time changes a library, any number read it.

The lock is the operating system's (it falls with the process, even after kill -9); the file beside it
holds the pid of the holder, for the message, and whether it gives way. Who gives way, as the daemon's worker
does, is waited for a while; any other holder is a reason to give up at once.

Who waits for the lock says so by touching a third file again and again, so that one who would hold it for
long, and can let go, does. Nothing needs to clean it up: a wish that is not renewed is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bindsearch.errors import LibraryBusy
from bindsearch.index.disk import disk_errors

LOCK_FILE = "writer.lock"
PID_FILE = "writer.pid"
WANTED_FILE = "writer.wanted"

_WISH_SECONDS = 2.0  # a wish that is older has been given up
_TRY_SECONDS = 0.25
_PATIENCE = 30.0  # with a holder that gives way, which it does when the files that it has in hand are done
_GIVES_WAY = "gives way"


@contextmanager
def writer_lock(folder: Path, seconds: float = 0.0, *, gives_way: bool = False) -> Iterator[None]:
    """Hold the lock of the library in ``folder``; wait for it for as long as ``seconds``.

    ``gives_way`` promises to look at ``is_wanted`` now and then and to let go soon. Raises LibraryBusy if
    another still holds the lock in the end, LibraryError where the folder cannot be written.
    """
    lock = FileLock(folder / LOCK_FILE)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _acquire(lock, folder, seconds)
        except Timeout:
            raise LibraryBusy(folder, _holder(folder)[0]) from None
    try:
        with suppress(OSError):  # a full disk has room for the lock, which is empty, and none for this
            (folder / PID_FILE).write_text(f"{os.getpid()} {_GIVES_WAY if gives_way else ''}\n")
        yield
    finally:
        with suppress(OSError):
            (folder / PID_FILE).unlink(missing_ok=True)
        lock.release()


def is_wanted(folder: Path) -> bool:
    """Whether somebody is waiting for the lock of the library in ``folder`` now."""
    with suppress(OSError):
        return abs(time.time() - (folder / WANTED_FILE).stat().st_mtime) < _WISH_SECONDS
    return False


def _acquire(lock: FileLock, folder: Path, seconds: float) -> None:
    """Take the lock. Raises Timeout."""
    started = time.monotonic()
    waited = False
    try:
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                patience = _PATIENCE if _holder(folder)[1] else seconds
                left = started + max(seconds, patience) - time.monotonic()
                if left <= 0:
                    raise
            waited = True
            with suppress(OSError):
                (folder / WANTED_FILE).touch()
            time.sleep(min(_TRY_SECONDS, left))
    finally:
        if waited:
            with suppress(OSError):
                (folder / WANTED_FILE).unlink(missing_ok=True)


def _holder(folder: Path) -> tuple[int | None, bool]:
    """Who holds the lock, as far as that is known, and whether it gives way."""
    with suppress(OSError, ValueError):
        pid, _, manner = (folder / PID_FILE).read_text().strip().partition(" ")
        return int(pid), manner == _GIVES_WAY
    return None, False
