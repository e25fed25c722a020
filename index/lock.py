"""The writer lock: one process at a time changes a library, any number read it.

The lock is the operating system's (it falls with the process, even after kill -9); the file beside it
holds the pid of the holder, for the message only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bindsearch.errors import LibraryBusy
from bindsearch.index.disk import disk_errors

LOCK_FILE = "writer.lock"
PID_FILE = "writer.pid"


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of the library in ``folder``.

    Raises LibraryBusy at once if another holds it, LibraryError where the folder cannot be written.
    """
    lock = FileLock(folder / LOCK_FILE)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LibraryBusy(folder, _holder(folder)) from None
    try:
        with suppress(OSError):  # a full disk has room for the lock, which is empty, and none for this
            (folder / PID_FILE).write_text(f"{os.getpid()}\n")
        yield
    finally:
        with suppress(OSError):
            (folder / PID_FILE).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int((folder / PID_FILE).read_text())
    return None
