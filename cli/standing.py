"""How the daemon stands, in lines for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bindsearch.cli.common import count_files, printable

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.remote.status import DaemonStatus, WatchedRoot


def ask_status(folder: Path) -> DaemonStatus | None:
    """What the daemon of the library in ``folder`` tells of itself; None if none answers."""
    from bindsearch.remote.client import Daemon, DaemonGone

    daemon = Daemon.find(folder, anyhow=True)
    if daemon is None:
        return None
    with daemon, suppress(DaemonGone):
        return daemon.status()
    return None


def lines_of(status: DaemonStatus | None) -> Iterator[str]:
    """All that a daemon tells, or that there is none."""
    if status is None:
        yield "daemon      does not run: searches load what they need themselves"
        return
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.started_at))
    yield f"daemon      runs since {since} (pid {status.pid}, bindsearch {printable(status.version)})"
    yield f"doing       {doing(status)}"
    if status.restless:
        yield f"changing    {status.restless:,} paths, which are taken in when they are quiet"
    failed = f", {status.failed:,} failed" if status.failed else ""
    yield f"since then  {count_files(status.done)} done{failed}, {status.searches:,} searches answered"
    yield f"memory      {_memory(status)}"
    yield from (f"root        {_of_root(root)}" for root in status.roots)
    yield from (f"attention   {printable(sentence)}" for sentence in status.degraded)


def doing(status: DaemonStatus) -> str:
    """What a daemon does about new files, in a line."""
    told = [status.activity.value]
    if status.why:
        told.append(f": {printable(status.why)}")
    if status.queue:
        told.append(f", {count_files(status.queue)} to go")
        if status.rate > 0:
            told.append(f", {status.rate:.2g} a second, {_duration(status.queue / status.rate)} left")
    elif status.settled:
        told.append(", all is taken in")
    return "".join(told)


def line_of_log(record: dict[str, Any]) -> str:
    """One record of the daemon's log: when, how bad if it is bad, and what happened."""
    from bindsearch.ingest.daemon.logs import in_words

    told = [_local(record.get("time"))]
    if record.get("level", "INFO") != "INFO":
        told.append(str(record["level"]))
    return " ".join(part for part in (*told, in_words(record)) if part)


def _of_root(root: WatchedRoot) -> str:
    walked = "not walked yet" if root.walked_at is None else f"walked {_ago(time.time() - root.walked_at)}"
    note = f" ({printable(root.note)})" if root.note else ""
    return f"{printable(root.path)}\t{root.mode}{note}, {walked}"


def _memory(status: DaemonStatus) -> str:
    told = f"{status.memory / 1e6:,.0f} MB"
    if status.worker_memory:
        told += f", and {status.worker_memory / 1e6:,.0f} MB for indexing"
    if status.loaded:
        told += f"; loaded: {printable(', '.join(status.loaded))}"
    return told


def _ago(seconds: float) -> str:
    return "just now" if seconds < 1.0 else f"{_duration(seconds)} ago"


def _duration(seconds: float) -> str:
    """About how long, in the largest unit of which there are two."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _local(text: object) -> str:
    """A record's time on the local clock; as it is if it is no time."""
    try:
        return datetime.fromisoformat(str(text)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return "" if text is None else str(text)
