"""Opening files that strangers made: only regular ones, never a wait on a pipe, all failures explained."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from bindsearch.errors import DamagedFile

_SORTS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def open_regular(path: Path) -> BinaryIO:
    """Open ``path`` for reading; symbolic links are followed.

    Raises DamagedFile for anything but a regular file, and for whatever the operating system refuses.
    The kind is asked for before opening, because opening a device can act on it, and again afterwards,
    because the path may have been given to something else in between.
    """
    try:
        _refuse_unless_regular(path, path.stat().st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except OSError as fault:
        raise refusal(path, fault) from fault
    except ValueError as fault:  # a NUL in the name
        raise DamagedFile(f"cannot be opened: {fault}", subject=os.fspath(path)) from fault
    try:
        _refuse_unless_regular(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_head(path: Path, size: int) -> bytes:
    """The first ``size`` bytes of a regular file. Raises DamagedFile, also when there are none."""
    with open_regular(path) as file:
        try:
            head = file.read(size)
        except OSError as fault:
            raise refusal(path, fault) from fault
    if not head:
        raise DamagedFile("empty file", subject=os.fspath(path))
    return head


def refusal(path: Path, fault: OSError) -> DamagedFile:
    """``fault`` in the operating system's own words."""
    if fault.errno == errno.ENOENT and path.is_symlink():
        return DamagedFile("a symbolic link to nothing", subject=os.fspath(path))
    reason = (fault.strerror or str(fault) or type(fault).__name__).lower()
    return DamagedFile(f"cannot be read: {reason}", subject=os.fspath(path))


def sort_of_file(mode: int) -> str:
    """What a file of this ``st_mode`` is, in words, as "a named pipe"."""
    return _SORTS.get(stat.S_IFMT(mode), "something else")


def _refuse_unless_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DamagedFile(f"not a regular file but {sort_of_file(mode)}", subject=os.fspath(path))
