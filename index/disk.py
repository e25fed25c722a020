"""What the disk refuses, as one clear error: full, read-only, or not ours to write to."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bindsearch.errors import LibraryDamaged, LibraryError

HINTS = {
    errno.ENOSPC: "free some room and try again; nothing was lost",
    errno.EDQUOT: "free some room and try again; nothing was lost",
    errno.EFBIG: "this disk or this account allows no file of that size; nothing was lost",
    errno.EROFS: "the disk is mounted read-only; nothing was changed",
    errno.EACCES: "this account may not write there; nothing was changed",
    errno.EPERM: "this account may not write there; nothing was changed",
    errno.EIO: "the disk reports a fault: look at its health, and restore a backup onto another",
}


@contextmanager
def disk_errors(subject: Path) -> Iterator[None]:
    """Turn what the operating system and SQLite say of the disk at ``subject`` into library errors."""
    try:
        yield
    except OSError as error:
        raise LibraryError(
            (error.strerror or str(error)).lower(), subject=str(subject), hint=HINTS.get(error.errno or 0)
        ) from error
    except sqlite3.OperationalError as error:
        hint = HINTS[errno.ENOSPC] if "full" in str(error) else None
        raise LibraryError(f"cannot be written: {error}", subject=str(subject), hint=hint) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise LibraryDamaged(
            f"damaged: {error}", subject=str(subject), hint="'bindsearch verify' tells what is left"
        ) from error


def need_room(folder: Path, size: int, purpose: str) -> None:
    """Raise LibraryError unless the disk of ``folder`` has ``size`` bytes free for ``purpose``."""
    with disk_errors(folder):
        free = shutil.disk_usage(folder).free
    if free < size:
        raise LibraryError(
            f"{purpose} needs {in_megabytes(size)} and {in_megabytes(free)} are free",
            subject=str(folder),
            hint="free some room; nothing was changed",
        )


def in_megabytes(size: int) -> str:
    """A number of bytes, for a person."""
    return f"{size / 1e6:,.1f} MB"
