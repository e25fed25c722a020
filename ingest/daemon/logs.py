"""The daemon's log: JSON, one object a line, in ``logs/daemon.log`` below the library's folder.

Every record has ``time`` (UTC, ISO 8601), ``level``, ``logger`` and ``message``; what is given as ``extra``
to a logging call is added under its own name, and ``error`` holds the traceback of an exception. Loggers are
named ``bindsearch.daemon``, ``bindsearch.watching``, ``bindsearch.serving`` and so on; warnings of other
packages are logged too. At ROTATE_BYTES the file becomes ``daemon.log.1``, and so on up to KEEP.

A disk that is full or gone costs lines of the log and never more; the next line that can be written is
preceded by one that says how many were lost.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from bindsearch.errors import BindsearchError

FOLDER = "logs"
FILE = "daemon.log"
ROTATE_BYTES = 2_000_000
KEEP = 4

FOLLOW_SECONDS = 0.3

_ALWAYS = frozenset({"time", "level", "logger", "message", "error"})
_REASONS = frozenset({"why", "fault", "reason"})  # speak for themselves
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def log_file(library: Path) -> Path:
    """Where the daemon of the library in this folder logs to."""
    return library / FOLDER / FILE


@contextmanager
def logging_to(library: Path) -> Iterator[None]:
    """Within the block, log to the file of this library, also the exception that ends it."""
    own = logging.getLogger("bindsearch")
    level = own.level
    own.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with _handled_by(LogFile(log_file(library))), _last_words():
            yield
    finally:
        logging.captureWarnings(False)
        own.setLevel(level)


@contextmanager
def telling(people: TextIO) -> Iterator[None]:
    """Within the block, what is logged is shown to people, too, in plain lines."""
    with _handled_by(_Plain(people)):
        yield


@contextmanager
def _handled_by(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


@contextmanager
def _last_words() -> Iterator[None]:
    log = logging.getLogger("bindsearch.daemon")
    try:
        yield
    except BindsearchError as error:
        log.error("the daemon cannot go on", extra={"why": str(error)})
        raise
    except Exception:
        log.exception("the daemon failed")
        raise


class LogFile(logging.Handler):
    """Writes records to a file that is rotated.

    Each line is one ``write``, with no buffer in which lines could pile up while the disk is full.
    """

    def __init__(self, path: Path, *, rotate_bytes: int = ROTATE_BYTES, keep: int = KEEP) -> None:
        super().__init__()
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._file: int | None = None
        self._is_torn = False
        self.lost = 0
        """Lines that could not be written since the last that could."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        line = _line(_told(record))
        try:
            self._write(line)
        except OSError:
            self.lost += 1
            self._let_go()

    def close(self) -> None:
        """See logging.Handler."""
        self.acquire()
        try:
            self._let_go()
        finally:
            self.release()
        super().close()

    def _write(self, line: bytes) -> None:
        file = self._open()
        if self.lost:
            line = _told_of_loss(self.lost) + line
        if self._is_torn:
            line = b"\n" + line
        written = os.write(file, line)
        self._is_torn = written < len(line)
        if self._is_torn:
            raise OSError("the disk took only a part of a line")
        self.lost = 0

    def _open(self) -> int:
        """The file, a new one if it is full, or has been moved or removed by somebody."""
        if self._file is not None:
            size, moved = os.fstat(self._file).st_size, not _is_at(self._file, self._path)
            if size < self._rotate_bytes and not moved:
                return self._file
            self._let_go()
            if not moved:
                self._rotate()
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        self._file = os.open(self._path, flags, 0o600)
        return self._file

    def _rotate(self) -> None:
        for number in range(self._keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                _numbered(self._path, number).replace(_numbered(self._path, number + 1))
        self._path.replace(_numbered(self._path, 1))

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.close(self._file)
            self._file = None


class _Plain(logging.StreamHandler[TextIO]):
    """Lines for people: the time and what happened."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Handler."""
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {in_words(_told(record))}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A terminal that has gone away is no reason to stop, nor to say so."""


def in_words(told: Mapping[str, Any]) -> str:
    """What a record says, in one line for people: what happened, and with what."""
    known = [(name, value) for name, value in told.items() if name not in _ALWAYS and value is not None]
    names = ["" if name in _REASONS else name.replace("_", " ") + " " for name, _ in known]
    parts = [name + _plain(value) for name, (_, value) in zip(names, known, strict=True)]
    error = str(told.get("error", "")).strip().splitlines()[-1:]
    line = ": ".join(part for part in (str(told.get("message", "")), ", ".join(parts), *error) if part)
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(line.split()))


def read_logs(library: Path, lines: int = 50, follow: bool = False) -> Iterator[dict[str, Any]]:
    """The last ``lines`` records, the oldest first; with ``follow`` also all that come, for ever."""
    tail = _Tail(log_file(library))
    try:
        newest = tail.lines()
        older = _older_lines(log_file(library), lines - len(newest))
        yield from map(_record, [*older, *newest][max(0, len(older) + len(newest) - lines) :])
        while follow:
            yield from map(_record, tail.lines())
            time.sleep(FOLLOW_SECONDS)
    finally:
        tail.close()


class _Tail:
    """Whole lines as they are added to a file, through rotations of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._begun = b""

    def lines(self) -> list[bytes]:
        """The lines since last time."""
        lines: list[bytes] = []
        if self._file is not None and not _is_at(self._file, self._path):
            lines = self._read()
            self.close()
        if self._file is None:
            with suppress(OSError):
                self._file = os.open(self._path, os.O_RDONLY)
        return lines + self._read()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._begun = None, b""

    def _read(self) -> list[bytes]:
        if self._file is None:
            return []
        parts = [self._begun]
        while part := os.read(self._file, 1 << 20):
            parts.append(part)
        *lines, self._begun = b"".join(parts).split(b"\n")
        return lines


def _older_lines(path: Path, wanted: int) -> list[bytes]:
    """The last lines of the rotated files, the oldest first."""
    lines: list[bytes] = []
    for number in range(1, KEEP + 1):
        if len(lines) >= wanted:
            break
        with suppress(OSError):
            lines = _numbered(path, number).read_bytes().splitlines() + lines
    return lines


def _record(line: bytes) -> dict[str, Any]:
    """What a line says; one that is torn is a message of its own."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"message": line.decode("utf-8", "replace")}


def _told(record: logging.LogRecord) -> dict[str, Any]:
    told: dict[str, Any] = {
        "time": _time(record.created),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }
    told |= {key: value for key, value in vars(record).items() if key not in _STANDARD and key not in told}
    if record.exc_info:
        told["error"] = logging.Formatter().formatException(record.exc_info)
    return told


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _told_of_loss(lost: int) -> bytes:
    told = {"time": _time(time.time()), "level": "WARNING", "logger": __name__}
    return _line(told | {"message": f"{lost} lines of the log could not be written"})


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, default=str).encode("ascii") + b"\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _is_at(file: int, path: Path) -> bool:
    """Whether the open file is the one that is at ``path`` now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False
