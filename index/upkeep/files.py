"""The files against what the catalog says of them: a stat each or, on demand, every byte.

Nothing but regular files is opened. A file whose size and time are as they were and whose bytes are not has
rotted on its disk, or was changed by a program that hides it; nothing else in bindsearch would notice.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from typing import NamedTuple

from bindsearch.index.hits import absolute
from bindsearch.index.upkeep.findings import INDEX, YOURS, Check, Finding, Severity
from bindsearch.index.upkeep.opening import UNREADABLE

CHUNK_BYTES = 1 << 20
NO_INODE = 0  # in the catalog, of files on disks that make the numbers up

PRESENT = """
    SELECT roots.path, locations.path, locations.size, locations.mtime_ns, locations.inode, locations.device,
        contents.sha256
    FROM locations JOIN roots ON roots.id = locations.root_id
    JOIN contents ON contents.id = locations.content_id
    WHERE locations.state = 'present' AND roots.state = 'present' ORDER BY locations.id
"""


class _Known(NamedTuple):
    """A present location."""

    path: str
    stat: tuple[int, int, int, int]
    sha256: bytes | None


def check_files(connection: sqlite3.Connection, *, contents: bool) -> Iterator[Finding]:
    """Every finding about the files of roots that are there; with ``contents`` they are read through."""
    try:
        for root, path, *status, sha256 in connection.execute(PRESENT):
            if not isinstance(root, bytes) or not isinstance(path, bytes):
                continue
            place = os.fspath(absolute(os.fsdecode(root), os.fsdecode(path)))
            known = _Known(place, (status[0], status[1], status[2], status[3]), sha256)
            yield from _check_file(known, contents)
    except UNREADABLE as error:
        yield Finding(Check.STRUCTURE, "catalog", f"its locations cannot be read: {error}")


def _check_file(known: _Known, contents: bool) -> Iterator[Finding]:
    try:
        status = os.stat(known.path)  # noqa: PTH116 - str paths throughout
        changed = _change(status, known)
        rotten = contents and changed is None and _differs(known)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Finding(Check.FILES, known.path, reason.lower(), Severity.CHANGED, INDEX)
        return
    if changed is not None:
        yield Finding(Check.FILES, known.path, changed, Severity.CHANGED, INDEX)
    elif rotten:
        problem = "its bytes have changed, though its size and time have not"
        yield Finding(Check.FILES, known.path, problem, Severity.DAMAGE, YOURS)


def _change(status: os.stat_result, known: _Known) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file any more"
    now = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
    if now[:2] != known.stat[:2]:
        return "has changed since it was indexed"
    if known.stat[2] == NO_INODE:
        return None
    return "was replaced, or its disk was mounted anew" if now != known.stat else None


def _differs(known: _Known) -> bool:
    if not known.sha256:
        return False
    digest = hashlib.sha256()
    with open(known.path, "rb", buffering=0) as file:  # noqa: PTH123 - str paths throughout
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest() != known.sha256
