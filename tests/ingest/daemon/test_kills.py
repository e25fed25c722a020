"""Kills and full disks under load: no answer is wrong, nothing is lost, and all goes on by itself.

Two kills here; ``benchmarks/daemon_kills.py`` does as many as one likes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindsearch.ingest.library import Library
from bindsearch.remote.status import Activity
from bindsearch.settings import Settings
from tests.ingest.daemon.clients import Clients, Load, filled, make_stable, of_session, small_disk
from tests.ingest.daemon.comparing import differences, fresh_library, unsound
from tests.ingest.daemon.driving import Driver
from tests.tiny import TinyEncoder

SLOW = {"SECONDS_A_MEDIUM": "0.01"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a stable part and one that will fill up."""
    make_stable(tmp_path / "files" / "stable", 40)
    (tmp_path / "files" / "load").mkdir()
    return tmp_path / "files"


@pytest.fixture
def library_of_root(tmp_path: Path, root: Path) -> Path:
    """A library in which the stable part is."""
    with Library(tmp_path / "library", Settings(), TinyEncoder()) as library:
        library.index(root)
    return tmp_path / "library"


@pytest.fixture
def driver(library_of_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A daemon with a slow encoder that runs."""
    monkeypatch.setenv("SECONDS_A_MEDIUM", SLOW["SECONDS_A_MEDIUM"])
    one = Driver(library_of_root)
    one.start()
    yield one
    one.kill()


def test_a_daemon_that_is_killed_under_load_loses_nothing_and_says_nothing_wrong(
    tmp_path: Path, root: Path, driver: Driver
) -> None:
    with Clients(driver.library, root, 2, pause=0.05) as clients:
        for turn in range(2):
            with Load(root / "load" / f"{turn}", 0.01, 1000 * turn):
                wait_for_answers(driver, clients, 8)
                kill(driver, only_worker=turn == 1)
            assert unsound(driver.library) == []
            clients.check_nothing_is_lost()
        driver.settle()
    fresh = fresh_library(tmp_path / "fresh", [root])
    clients.check_what_was_said(fresh)
    assert clients.faults == []
    assert differences(driver.library, fresh, [root]) == []


def test_a_daemon_whose_disk_is_full_says_so_answers_and_goes_on_when_there_is_room_again(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a small disk")
    monkeypatch.setenv("SECONDS_A_MEDIUM", SLOW["SECONDS_A_MEDIUM"])
    try:
        mounted = small_disk(tmp_path / "disk", "8m")
        disk = mounted.__enter__()
    except OSError as error:
        pytest.skip(f"no small disk can be made here: {error}")
    driver = Driver(disk / "library")
    try:
        with Library(driver.library, Settings(), TinyEncoder()) as library:
            library.index(root)
        driver.start()
        fill_up(driver, root, disk)
        driver.settle()
        fresh = fresh_library(tmp_path / "fresh", [root])
        assert differences(driver.library, fresh, [root]) == []
        assert driver.stop() < 5
    finally:
        driver.kill()
        mounted.__exit__(None, None, None)


def fill_up(driver: Driver, root: Path, disk: Path) -> None:
    """Let the disk be full until the daemon says so, while files come and clients search."""
    clients = Clients(driver.library, root, 2, pause=0.05)
    with clients, filled(disk, 0), Load(root / "load" / "full", 0.01):
        driver.wait_for(lambda: is_stalled(driver), 20.0, "does not say that it is stalled")
        wait_for_answers(driver, clients, 10)
    assert clients.faults == []
    assert unsound(driver.library) == []


def is_stalled(driver: Driver) -> bool:
    status = driver.status()
    return status is not None and status.activity is Activity.STALLED


def kill(driver: Driver, only_worker: bool) -> None:
    """End the daemon and see that nothing outlives it, and start another; or end its worker."""
    pid = driver.pid
    assert pid is not None
    if only_worker:
        driver.kill_worker()
        return
    driver.kill()
    driver.start(wait=False)
    driver.wait_for(lambda: of_session(pid) == [], 5.0, "has left processes behind")


def wait_for_answers(driver: Driver, clients: Clients, count: int) -> None:
    """Until the daemon has answered so many more searches."""
    before = len(clients.seconds)
    driver.wait_for(lambda: len(clients.seconds) >= before + count, 30.0, "does not answer searches")
