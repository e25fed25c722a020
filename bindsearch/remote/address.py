"""Where a daemon listens: ``daemon.json`` in the folder of its library.

    <library>/daemon.json     what Address says; mode 0600
    <library>/daemon.sock     the socket, mode 0600; elsewhere where that name is too long for one, or the
                              file system holds none
    <library>/daemon.token    what searches over TCP have to show, mode 0600
    <library>/daemon.lock     held as long as the daemon lives

A daemon that was killed leaves these behind, so they are a hint and never a proof: only who answers is there.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from bindsearch.folders import SETTINGS_FILE

ADDRESS_FILE = "daemon.json"
SOCKET_FILE = "daemon.sock"
TOKEN_FILE = "daemon.token"
LOCK_FILE = "daemon.lock"

_MOST_BYTES = 10_000
_SAMPLES = range(0, 2**31, 91 * 86_400)


@dataclass(frozen=True, slots=True)
class Address:
    """What a daemon tells of where it is; ``zone`` is ``zone_mark()`` of its process, ``home`` what
    ``~`` is to it, ``settings`` the ``settings_mark`` of what it has read.
    """

    pid: int
    version: str
    library: str
    zone: str
    home: str
    settings: str
    socket: str | None
    port: int

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What the daemon of the library in ``folder`` has left there; None if that cannot be used.

        Only what our own user has written is believed.
        """
        try:
            with (folder / ADDRESS_FILE).open("rb") as file:
                if os.fstat(file.fileno()).st_uid != os.geteuid():
                    return None
                return cls(**json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Leave it in ``folder``, at once or not at all. Raises OSError."""
        write_private(folder / ADDRESS_FILE, json.dumps(asdict(self)) + "\n")


def write_private(path: Path, text: str) -> None:
    """A file that only its owner may read, replaced as a whole. Raises OSError."""
    draft = path.with_name(f"{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def read_token(folder: Path) -> str:
    """What searches over TCP have to show; made if there is none that is private. Raises OSError."""
    path = folder / TOKEN_FILE
    with suppress(OSError, UnicodeDecodeError):
        told = path.lstat()
        private = stat.S_ISREG(told.st_mode) and not told.st_mode & 0o077 and told.st_uid == os.geteuid()
        token = path.read_text(encoding="ascii").strip() if private else ""
        if len(token) >= 32:
            return token
    token = os.urandom(32).hex()
    write_private(path, token + "\n")
    return token


def settings_mark(folder: Path) -> str:
    """Tells one state of a library's ``settings.toml`` from another."""
    try:
        told = (folder / SETTINGS_FILE).stat()
    except OSError:
        return ""
    return f"{told.st_ino}-{told.st_size}-{told.st_mtime_ns}"


def zone_mark() -> str:
    """Tells one local time from another: "yesterday" must mean the same to those who ask and who answer."""
    offsets = (time.localtime(second).tm_gmtoff for second in _SAMPLES)
    return f"{'/'.join(time.tzname)} {sum(number * offset for number, offset in enumerate(offsets, 1))}"
