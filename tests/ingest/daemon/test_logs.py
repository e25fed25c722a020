"""The daemon's log: JSON lines, rotated, on disks that are full and with readers that follow."""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import sys
import threading
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from bindsearch.errors import LibraryMissing
from bindsearch.ingest.daemon.logs import LogFile, in_words, log_file, logging_to, read_logs, telling

LOG = logging.getLogger("bindsearch.daemon")


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[LogFile]:
    handler = LogFile(log_file(tmp_path), rotate_bytes=2000, keep=3)
    yield handler
    handler.close()


def say(handler: LogFile, message: str, **extra: object) -> None:
    handler.handle(
        logging.makeLogRecord({"name": "bindsearch.x", "msg": message, "levelname": "INFO"} | extra)
    )


def messages(library: Path, lines: int = 1000) -> list[str]:
    return [record["message"] for record in read_logs(library, lines)]


def test_a_record_is_one_line_with_its_time_and_all_that_was_given(tmp_path: Path) -> None:
    odd = os.fsdecode(b"/a\nb\xe9")
    people = io.StringIO()
    with logging_to(tmp_path), telling(people):
        LOG.info("reconciled %s", "all", extra={"seen": 3, "path": Path(odd), "left": None})
        LOG.debug("not this")
        logging.getLogger("other").warning("something else")
        try:
            raise ValueError("why")
        except ValueError:
            LOG.exception("it went wrong")
    lines = log_file(tmp_path).read_bytes().splitlines()
    first, other, wrong = map(json.loads, lines)
    assert first.pop("time").endswith("+00:00")
    told = {"level": "INFO", "logger": "bindsearch.daemon", "message": "reconciled all"}
    assert first == told | {"seen": 3, "path": odd, "left": None}
    assert (other["logger"], other["level"]) == ("other", "WARNING")
    assert wrong["error"].startswith("Traceback")
    shown = [line.partition(" ")[2] for line in people.getvalue().splitlines()]
    assert shown == ["reconciled all: seen 3, path /a b?", "something else", "it went wrong: ValueError: why"]
    assert log_file(tmp_path).stat().st_mode & 0o777 == 0o600


def test_after_the_block_nothing_is_logged_there_any_more(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers), logging.getLogger("bindsearch").level
    with logging_to(tmp_path), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("a warning of Python's", stacklevel=1)
    LOG.warning("too late")
    assert (list(logging.getLogger().handlers), logging.getLogger("bindsearch").level) == before
    assert ["a warning of Python's" in message for message in messages(tmp_path)] == [True]


def test_why_a_daemon_ended_is_in_its_log_whatever_it_was(tmp_path: Path) -> None:
    people = io.StringIO()
    with pytest.raises(LibraryMissing), logging_to(tmp_path), telling(people):
        raise LibraryMissing("no library here", subject="/l")
    with pytest.raises(ZeroDivisionError), logging_to(tmp_path):
        raise ZeroDivisionError("a fault of ours")
    known, unknown = read_logs(tmp_path)
    assert (known["level"], known["why"], "error" in known) == ("ERROR", "/l: no library here", False)
    assert "a fault of ours" in unknown["error"]
    assert people.getvalue() == ""  # the command itself says it


def test_a_full_log_is_put_aside_and_only_so_many_are_kept(tmp_path: Path, handler: LogFile) -> None:
    for number in range(200):
        say(handler, f"line {number}")
    files = sorted(path.name for path in log_file(tmp_path).parent.iterdir())
    assert files == ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3"]
    assert all(path.stat().st_size < 2200 for path in log_file(tmp_path).parent.iterdir())
    kept = messages(tmp_path)
    assert kept == [f"line {number}" for number in range(200 - len(kept), 200)]
    assert messages(tmp_path, 40) == kept[-40:]
    assert len(kept) > 40
    assert messages(tmp_path, 0) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_costs_lines_and_the_log_says_how_many(tmp_path: Path, handler: LogFile) -> None:
    path = log_file(tmp_path)
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    for number in range(5):
        say(handler, f"lost {number}")
    assert handler.lost == 5
    path.unlink()
    say(handler, "there is room again")
    assert messages(tmp_path) == ["5 lines of the log could not be written", "there is room again"]
    assert handler.lost == 0


def test_a_line_that_was_torn_spoils_no_other(tmp_path: Path, handler: LogFile) -> None:
    say(handler, "whole")
    size, (soft, hard) = log_file(tmp_path).stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        say(handler, "torn")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    say(handler, "whole again")
    torn = messages(tmp_path)
    assert [torn[0], *torn[2:]] == ["whole", "1 lines of the log could not be written", "whole again"]
    assert torn[1].startswith("{")


def test_a_log_that_somebody_removed_begins_anew(tmp_path: Path, handler: LogFile) -> None:
    say(handler, "before")
    log_file(tmp_path).unlink()
    say(handler, "after")
    assert messages(tmp_path) == ["after"]
    log_file(tmp_path).unlink()
    log_file(tmp_path).parent.rmdir()
    tmp_path.chmod(0o700)
    say(handler, "with its folder")
    assert messages(tmp_path) == ["with its folder"]


def test_a_library_that_is_gone_is_not_made_by_its_log(tmp_path: Path) -> None:
    handler = LogFile(log_file(tmp_path / "gone"))
    say(handler, "into nothing")
    handler.close()
    assert handler.lost == 1
    assert not (tmp_path / "gone").exists()
    assert messages(tmp_path / "gone") == []


def test_a_reader_that_follows_sees_every_line_through_rotations(tmp_path: Path, handler: LogFile) -> None:
    say(handler, "first")
    seen: list[str] = []
    enough = threading.Event()

    def follow() -> None:
        for record in islice(read_logs(tmp_path, 10, follow=True), 21):
            seen.append(record["message"])
            enough.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert enough.wait(10)
    for number in range(20):
        say(handler, f"line {number} {'x' * 60}")
    reader.join(20)
    assert not reader.is_alive()
    assert [message.split(" x")[0] for message in seen] == ["first", *(f"line {n}" for n in range(20))]
    assert (log_file(tmp_path).parent / "daemon.log.1").exists()


def test_lines_that_are_no_records_are_shown_as_they_are(tmp_path: Path) -> None:
    log_file(tmp_path).parent.mkdir()
    log_file(tmp_path).write_bytes(b'[1]\n\xff\xfe\n{"message": "good"}\nunfinished')
    assert messages(tmp_path) == ["[1]", "\ufffd\ufffd", "good"]
    assert in_words({"message": "x", "odd": "\x1b[31m"}) == "x: odd ?[31m"
    assert in_words({"message": "x", "why": "disk full", "again_in": 2.0}) == "x: disk full, again in 2"


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors by /proc")
def test_many_rotations_leave_no_descriptor_open(tmp_path: Path) -> None:
    handler = LogFile(log_file(tmp_path), rotate_bytes=100, keep=2)
    say(handler, "one")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        say(handler, f"line {number} {'x' * 100}")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    handler.close()
