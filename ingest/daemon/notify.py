"""Word to the service manager: ready, busy with what, alive, stopping.

The protocol is sd_notify(3): datagrams of ``KEY=value`` lines to the socket that ``NOTIFY_SOCKET`` names.
Where there is no such socket, and where nobody listens any more, all of this does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_SHARE = 0.5  # of the time after which the manager gives up on us: leaves room for a slow moment


class Notifier:
    """Speaks to the manager that ``environment`` tells of."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        self._address = _address(known.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(known) if self._address else None
        """How often ``alive`` is to be called at least; None if the manager does not ask for it."""

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager to speak to."""
        return self._address is not None

    def ready(self, doing: str = "") -> None:
        """The daemon answers from now on."""
        self._send(f"READY=1\n{_status(doing)}")

    def status(self, doing: str) -> None:
        """What the daemon does, in one line for people."""
        self._send(_status(doing))

    def alive(self) -> None:
        """The daemon has not hung."""
        self._send("WATCHDOG=1")

    def stopping(self, why: str = "") -> None:
        """The daemon is about to end."""
        self._send(f"STOPPING=1\n{_status(why)}")

    def _send(self, message: str) -> None:
        if self._address is None or not message:
            return
        # Never waits: a manager that does not read must not hold up the daemon.
        kind = socket.SOCK_DGRAM
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as speaker:
            speaker.setblocking(False)
            speaker.sendto(message.encode("utf-8", "backslashreplace"), self._address)


def _address(named: str) -> bytes | None:
    """The socket's address; an abstract one is written with ``@`` in the place of its leading zero byte."""
    if named.startswith("@"):
        return b"\0" + os.fsencode(named[1:])
    return os.fsencode(named) if named.startswith("/") and hasattr(socket, "AF_UNIX") else None


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """Half of what the manager allows between two signs of life, if it is this process that it asks."""
    allowed, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or int(allowed) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(allowed) / 1e6 * _SHARE


def _status(doing: str) -> str:
    return f"STATUS={' '.join(doing.split())}" if doing else ""
