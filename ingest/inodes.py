"""Inode numbers that mean something, and those that are made up.

By its inode a file is known again under another name, and a replaced one told from the one before. FAT has
none: the system makes numbers up as it comes across files, gives them to other files after the next mount,
and even changes those of files that were not looked at for long. Some network drives in user space do the
same. A file there has inode 0 in the catalog: at its own path it is the same if size and time are, and under
another name its bytes are read to know it again.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bindsearch.index.records import FileStat

MOUNTS = Path("/proc/self/mountinfo")
UNKNOWN = 0  # no file has it

_MAKES_UP = frozenset({"vfat", "msdos", "exfat", "vboxsf", "prl_fs"})
_IN_USER_SPACE = "fuse."  # fuse.sshfs, fuse.rclone...; NTFS, which has numbers of its own, is "fuseblk"


class Inodes:
    """Which devices make their inode numbers up, as of now."""

    def __init__(self, mounts: Path = MOUNTS) -> None:
        self._made_up = _devices(mounts) if sys.platform == "linux" else frozenset()

    def checked(self, stat: FileStat) -> FileStat:
        """``stat``, without its inode where that is made up."""
        return stat._replace(inode=UNKNOWN) if stat.device in self._made_up else stat


def same_file(known: FileStat, found: FileStat) -> bool:
    """Whether a file at a known path is unchanged; device numbers change from mount to mount."""
    if UNKNOWN in (known.inode, found.inode):
        return known[:2] == found[:2]
    return known[:3] == found[:3]


def _devices(mounts: Path) -> frozenset[int]:
    """The numbers of the devices, as ``st_dev`` has them (see proc_pid_mountinfo(5) for the format)."""
    found: set[int] = set()
    with suppress(OSError):
        for line in mounts.read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            kind = after.split(" ", 1)[0]
            if kind in _MAKES_UP or kind.startswith(_IN_USER_SPACE):
                major, _, minor = before.split(" ")[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)
