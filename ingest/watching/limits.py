"""The kernel's limits on watching, in words that say what to do about them."""

from __future__ import annotations

import errno
from pathlib import Path

SYSCTL = Path("/proc/sys")

_LIMITS = {
    errno.ENOSPC: ("fs.inotify.max_user_watches", "folders that may be watched", 524_288),
    errno.EMFILE: ("fs.inotify.max_user_instances", "programs that may watch", 512),
}


def limit_of(fault: OSError, sysctl: Path = SYSCTL) -> int | None:
    """The present value of the limit that ``fault`` is about; None for any other fault."""
    if fault.errno not in _LIMITS:
        return None
    try:
        return int(sysctl.joinpath(*_LIMITS[fault.errno][0].split(".")).read_text())
    except (OSError, ValueError):
        return 0


def advice(fault: OSError, sysctl: Path = SYSCTL) -> str:
    """Why changes do not become known at once, and the command that mends it."""
    present = limit_of(fault, sysctl)
    if present is None:
        return f"changes cannot be listened for ({fault.strerror or fault})"
    name, what, least = _LIMITS[fault.errno or 0]
    return (
        f"the system's limit on {what} is reached ({name} = {present or 'unknown'}); raise it: "
        f"sudo sysctl {name}={max(least, present * 2)}, and put that line into /etc/sysctl.d/ to keep it"
    )
