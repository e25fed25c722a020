"""Word to the service manager, over real sockets."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from bindsearch.ingest.daemon.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A manager's socket, and how NOTIFY_SOCKET names it."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("only Linux has abstract sockets")
    named = str(tmp_path / "notify") if request.param == "file" else f"@{uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(named.replace("@", "\0"))
        listener.settimeout(5)
        yield named, listener


def test_a_manager_hears_that_the_daemon_is_ready_busy_alive_and_stopping(
    manager: tuple[str, socket.socket],
) -> None:
    named, listener = manager
    notifier = Notifier({"NOTIFY_SOCKET": named})
    notifier.ready("watches 2 roots")
    notifier.status("indexing\n1,200 files")
    notifier.alive()
    notifier.stopping()
    heard = [listener.recv(4096).decode().splitlines() for _ in range(4)]
    assert heard == [
        ["READY=1", "STATUS=watches 2 roots"],
        ["STATUS=indexing 1,200 files"],
        ["WATCHDOG=1"],
        ["STOPPING=1"],
    ]


def test_a_manager_that_does_not_listen_holds_nobody_up(manager: tuple[str, socket.socket]) -> None:
    named, listener = manager
    notifier = Notifier({"NOTIFY_SOCKET": named})
    for _ in range(2000):
        notifier.alive()
    assert listener.recv(100) == b"WATCHDOG=1"
    listener.close()
    notifier.alive()


@pytest.mark.parametrize("named", ["", "relative", "/nowhere/at/all", "/" + "x" * 200])
def test_without_a_manager_nothing_happens(named: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": named})
    notifier.ready("anything")
    notifier.status("")


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_are_due_twice_as_often_as_the_manager_asks(
    variables: dict[str, str], seconds: float | None
) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x", **variables}).watchdog_seconds == seconds
