"""``bindsearch watch`` as a process of its own, and the commands that speak to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest

from bindsearch.cli.standing import ask_status
from bindsearch.cli.watching import WatchOptions
from bindsearch.ingest.daemon.logs import log_file, read_logs
from bindsearch.remote.client import Daemon
from bindsearch.remote.status import Activity
from bindsearch.settings import Settings, WatchSettings
from tests.cli.runner import ROOT, bindsearch

PATIENCE = 60.0  # seconds


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.05)


def settled(library: Path) -> bool:
    status = ask_status(library)
    return status is not None and status.settled


def best(library: Path, words: str) -> Path:
    """What the daemon finds first."""
    daemon = Daemon.find(library)
    assert daemon is not None
    with daemon:
        return daemon.search(words, 1).hits[0].path


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notes")
    (folder / "vet.md").write_text("The cat has to see the vet.\n")
    return folder


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path_factory.mktemp("manager") / "notify"))
        listener.settimeout(PATIENCE)
        yield listener


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, notes: Path, manager: socket.socket) -> Iterator[Path]:
    """A library that is watched and has taken in all there is; stopped cleanly in the end."""
    folder = tmp_path_factory.mktemp("library")
    command = [sys.executable, "-m", "bindsearch", "--library", folder, "watch", notes]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": manager.getsockname()}
    options = ["--quiet-for", "0.2", "--on-battery"]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as daemon:
        try:
            until(lambda: daemon.poll() is not None or settled(folder))
            assert daemon.poll() is None, daemon.communicate()[1]
            yield folder
            daemon.send_signal(signal.SIGTERM)
            _, told = daemon.communicate(timeout=10)
            assert daemon.returncode == 0, told
            assert str(notes) in told
            assert "Traceback" not in told
        finally:
            daemon.kill()


def test_every_setting_of_watching_has_an_option() -> None:
    assert {field.name for field in fields(WatchOptions)} == {field.name for field in fields(WatchSettings)}


def test_what_is_given_stands_over_what_is_set_and_the_rest_stays() -> None:
    known = Settings(threads=3, watch=WatchSettings(hours="1:00-2:00", max_load=0.5, port=8000))
    changed = WatchOptions(max_load=0.0, on_battery=False, hours="").over(known)
    assert changed == replace(known, watch=WatchSettings(hours="", max_load=0.0, port=8000))
    assert WatchOptions().over(known) == known


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--hours", "late"], "22:00-6:00"),
        (["/there/is/no/such/folder"], "no such file"),
    ],
)
def test_what_cannot_be_watched_is_told_in_one_line(options: list[str], told: str, tmp_path: Path) -> None:
    done = bindsearch(tmp_path, "watch", *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert told in done.stderr.decode()
    (record,) = read_logs(tmp_path)
    assert told in record["why"]


def test_a_new_file_is_found_soon_and_status_says_when_all_is_in(library: Path, notes: Path) -> None:
    (notes / "shop.md").write_text("Milk, bread and a rubber duck.\n")
    until(lambda: best(library, "rubber duck") == notes / "shop.md")
    until(lambda: settled(library))
    done = bindsearch(library, "service", "status")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "doing       idle, all is taken in" in text
    assert f"root        {notes}\tevents" in text
    record = json.loads(bindsearch(library, "service", "status", "--json").stdout)
    assert (record["running"], record["settled"], record["failed"]) == (True, True, 0)
    assert bindsearch(library, "status").stdout.endswith(b"daemon    idle, all is taken in\n")
    assert json.loads(bindsearch(library, "status", "--json").stdout)["daemon"]["pid"] == record["pid"]


def test_a_pause_holds_new_files_back_until_it_ends(library: Path, notes: Path) -> None:
    done = bindsearch(library, "service", "pause", "--for", "10")
    assert (done.returncode, done.stderr) == (0, b"indexing is paused for 10 minutes\n")
    paused = ask_status(library)
    assert paused is not None
    assert paused.activity is Activity.PAUSED
    (notes / "later.md").write_text("An umbrella for the trip.\n")
    assert bindsearch(library, "service", "resume").returncode == 0
    until(lambda: best(library, "umbrella") == notes / "later.md")


def test_a_library_has_one_daemon_only(library: Path) -> None:
    done = bindsearch(library, "watch")
    assert done.returncode == 3
    assert done.stderr.count(b"bindsearch:") == 1
    assert b"Traceback" not in done.stderr
    assert ask_status(library) is not None


def test_the_log_tells_what_happened_and_the_manager_hears_that_it_is_ready(
    library: Path, manager: socket.socket
) -> None:
    lines = bindsearch(library, "service", "logs", "-n", "1000").stdout.decode()
    assert "watching: roots " in lines
    assert all(json.loads(line)["time"] for line in log_file(library).read_bytes().splitlines())
    heard = manager.recv(4096).decode()
    while "READY=1" not in heard:
        heard = manager.recv(4096).decode()
