"""What a daemon tells of itself: plain values that cross the socket as JSON and back.

The supervisor makes a ``DaemonStatus``, the server sends it; ``bindsearch status``, ``bindsearch service
status`` and the metrics show it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Activity(StrEnum):
    """What a daemon is doing about new files."""

    INDEXING = "indexing"
    IDLE = "idle"
    PAUSED = "paused"  # because somebody asked for it
    WAITING = "waiting"  # for the hours, the mains or the quiet that the settings ask for
    STALLED = "stalled"  # something is wrong, such as a full disk; it is tried again
    STOPPING = "stopping"


class WatchMode(StrEnum):
    """How changes below a root become known."""

    EVENTS = "events"
    POLLING = "polling"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class WatchedRoot:
    """One root: how it is watched, why not by events (``note``), and when it was last walked whole.

    Times are seconds since 1970 UTC.
    """

    path: str
    mode: WatchMode
    note: str | None = None
    walked_at: float | None = None


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """One look at a daemon.

    ``why`` says why it is paused, waits or is stalled. ``queue`` files are known to need reading and are not
    done; ``restless`` paths have changed and are not quiet yet. ``settled`` is true when neither is left and
    every root was walked since it last gave cause for doubt: the library then is what a fresh scan would
    give. ``rate`` is files a second over the last minute; ``done``, ``failed`` and ``searches`` count files
    and answers since the start. ``degraded`` are sentences about what does not work as it should, ``loaded``
    the encoders in memory; ``memory`` is bytes, of the daemon, ``worker_memory`` of the process that
    indexes. Times are seconds since 1970 UTC.
    """

    pid: int
    version: str
    library: str
    started_at: float
    activity: Activity
    why: str | None = None
    queue: int = 0
    restless: int = 0
    settled: bool = False
    rate: float = 0.0
    done: int = 0
    failed: int = 0
    searches: int = 0
    memory: int = 0
    worker_memory: int = 0
    loaded: tuple[str, ...] = ()
    roots: tuple[WatchedRoot, ...] = ()
    degraded: tuple[str, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """The status as JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, record: dict[str, Any]) -> Self:
        """The status that a record tells of; keys that a newer daemon has added are left out.

        Raises TypeError and ValueError for what is no such record.
        """
        known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        fields = WatchedRoot.__dataclass_fields__
        roots = [{name: one[name] for name in fields if name in one} for one in known.pop("roots", ())]
        known["roots"] = tuple(WatchedRoot(**one | {"mode": WatchMode(one["mode"])}) for one in roots)
        known["degraded"] = tuple(known.get("degraded", ()))
        known["loaded"] = tuple(known.get("loaded", ()))
        return cls(**known | {"activity": Activity(known["activity"])})
