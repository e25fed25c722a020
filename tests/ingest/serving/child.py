"""A server as a process of its own: ``python -m tests.ingest.serving.child LIBRARY [PORT]``.

It prints a line when it listens, and ends with its standard input. What it is told to do it remembers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bindsearch.ingest.library import Library
from bindsearch.ingest.serving import Server
from bindsearch.remote.status import Activity, DaemonStatus
from tests.cli.runner import ROOT


class Orders:
    """A stand-in for the daemon: ``told`` is what it was asked to do."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.server: Server | None = None

    def status(self) -> DaemonStatus:
        """See Control."""
        searches = 0 if self.server is None else self.server.searches
        return DaemonStatus(os.getpid(), "1", "/library", time.time(), Activity.IDLE, searches=searches)

    def pause(self, seconds: float | None) -> None:
        """See Control."""
        self.told.append(("pause", seconds))

    def resume(self) -> None:
        """See Control."""
        self.told.append("resume")

    def rescan(self, paths: Sequence[Path]) -> None:
        """See Control."""
        self.told.append(("rescan", tuple(paths)))

    def retry_failed(self) -> None:
        """See Control."""
        self.told.append("retry")


@contextmanager
def serving(library: Path, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, whose folder is the root of the file system."""
    command = [sys.executable, "-m", "tests.ingest.serving.child", str(library), str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env=environment)
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == b"listening\n"
        yield child
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait(20)


def main() -> None:
    """Serve until standard input ends."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    orders = Orders()
    with Library.open(folder) as library:
        server = orders.server = Server(library, orders, port=port)
        server.start()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.stop()


if __name__ == "__main__":
    main()
