"""What the daemon and its worker say to each other: one JSON object to a line.

The daemon writes orders (run, pause, resume, stop), the worker events. Paths may hold bytes that are not
UTF-8; as lone surrogates they pass through JSON's escapes unharmed.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bindsearch.errors import BindsearchError
from bindsearch.ingest.progress import Outcome, RunReport


@dataclass(frozen=True, slots=True)
class Work:
    """One run: ``paths`` (none: every root), and how; see Library.index.

    After ``seconds`` no further file is begun, so that others can write. ``adds_roots`` says whether a path
    that lies in no root becomes one; if not, it is passed over.
    """

    paths: tuple[Path, ...] = ()
    retry_failed: bool = False
    quiet: float = 0.0
    seconds: float = 60.0
    adds_roots: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What ended a run: the class of an error of bindsearch or of the system, and what it carries."""

    kind: str
    message: str
    subject: str | None = None
    hint: str | None = None
    errno: int | None = None

    def __str__(self) -> str:
        text = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{text} ({self.hint})" if self.hint else text

    @classmethod
    def of(cls, error: BindsearchError | OSError) -> Fault:
        """The record of an error; of one that the disk is behind, with the disk's own number."""
        kind = type(error).__name__
        if isinstance(error, OSError):
            subject = None if error.filename is None else str(error.filename)
            return cls(kind, error.strerror or str(error), subject, errno=error.errno)
        return cls(kind, error.message, error.subject, error.hint, _errno(error.__cause__))


@dataclass(frozen=True, slots=True)
class Started:
    """The worker has begun a run."""

    pid: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The worker holds itself up, and why; None when it goes on."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Walked:
    """A root, or the part of it that was asked for, has been walked and holds so many files."""

    root: Path
    files: int


@dataclass(frozen=True, slots=True)
class Planned:
    """So many files of so many bytes together must be read."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A file is done and its outcome committed."""

    path: Path
    size: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over: what it did (a RunReport's fields), and what is left to do.

    ``unfinished`` if it ended before its end, ``error`` if something was in its way.
    """

    report: dict[str, Any] = field(default_factory=dict)
    restless: tuple[Path, ...] = ()
    unfinished: bool = False
    error: Fault | None = None

    @classmethod
    def of(cls, report: RunReport) -> Ended:
        """The end of a run that came to its report."""
        record = {name: _plain(value) for name, value in asdict(report).items()}
        return cls(record, tuple(report.restless), report.unfinished)


Event = Started | Waiting | Walked | Planned | Finished | Ended
_EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Waiting, Walked, Planned, Finished, Ended)
}


def write_event(event: Event) -> bytes:
    """An event as a line."""
    return _line({"event": type(event).__name__} | asdict(event))


def read_event(line: bytes) -> Event:
    """The event of a line. Raises ValueError for what is none."""
    record = json.loads(line)
    try:
        kind = _EVENTS[record.pop("event")]
        return kind(**{name: _READ.get(name, _same)(value) for name, value in record.items()})
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError(f"not an event: {line[:200]!r}") from fault


def write_order(order: str, work: Work | None = None) -> bytes:
    """An order as a line; "run" comes with its work."""
    return _line({"order": order} | (asdict(work) if work else {}))


def read_order(line: bytes) -> tuple[str, Work]:
    """The order of a line, and its work. Raises ValueError for what is none."""
    record = json.loads(line)
    known = {one.name for one in fields(Work)}
    work = {name: value for name, value in record.items() if name in known}
    if "paths" in work:
        work["paths"] = _paths(work["paths"])
    return str(record["order"]), Work(**work)


def _errno(cause: BaseException | None) -> int | None:
    """The system's number for what is behind an error, SQLite's own ways of saying it among them."""
    if isinstance(cause, OSError):
        return cause.errno
    said = getattr(getattr(cause, "orig", cause), "sqlite_errorcode", 0) & 0xFF
    return {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EROFS,
        sqlite3.SQLITE_IOERR: errno.EIO,
    }.get(said)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, default=_plain).encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Counter):
        return dict(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _paths(names: list[str]) -> tuple[Path, ...]:
    return tuple(map(Path, names))


def _fault(record: dict[str, Any] | None) -> Fault | None:
    return None if record is None else Fault(**record)


def _same(value: Any) -> Any:
    return value


_READ: dict[str, Any] = {
    "root": Path,
    "path": Path,
    "outcome": Outcome,
    "restless": _paths,
    "error": _fault,
}
