"""The supervisor in a thread, with a real worker process and real folders."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bindsearch.errors import QueryError
from bindsearch.index.lock import writer_lock
from bindsearch.ingest.daemon.supervisor import DaemonOptions, Supervisor
from bindsearch.ingest.library import Library
from bindsearch.remote.status import Activity, DaemonStatus, WatchMode
from bindsearch.settings import Settings, WatchSettings
from tests.tiny import TinyEncoder

WORKER = (sys.executable, "-m", "tests.ingest.daemon.worker_child")
PATIENCE = 30.0


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "boat.txt").write_text("a boat on the lake")
    return folder


@contextmanager
def watching(library: Path, *roots: Path, **watch: object) -> Iterator[Supervisor]:
    """A supervisor that runs."""
    settings = Settings(threads=1, watch=WatchSettings(quiet_seconds=0.2, **watch))  # type: ignore[arg-type]
    supervisor = Supervisor(library, settings, DaemonOptions(roots, WORKER))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_until(supervisor: Supervisor, holds: Callable[[DaemonStatus], bool]) -> DaemonStatus:
    """The first status that ``holds``."""
    deadline = time.monotonic() + PATIENCE
    while not holds(status := supervisor.status()):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


def names(library: Path) -> set[str]:
    """The files that the library finds."""
    with Library.open(library, encoder=TinyEncoder()) as opened:
        return {hit.path.name for hit in opened.search("anything", 100)}


def test_a_named_root_is_taken_in_and_watched(tmp_path: Path, notes: Path) -> None:
    library = tmp_path / "library"
    with watching(library, notes) as supervisor:
        status = wait_until(supervisor, lambda status: status.settled)
        assert names(library) == {"boat.txt"}
        assert [(root.path, root.mode) for root in status.roots] == [(str(notes), WatchMode.EVENTS)]
        (notes / "bird.txt").write_text("a bird in a tree")
        wait_until(supervisor, lambda status: status.done == 2)
        assert names(library) == {"boat.txt", "bird.txt"}


def test_a_root_that_somebody_adds_or_forgets_is_watched_or_let_go(tmp_path: Path, notes: Path) -> None:
    library, more = tmp_path / "library", tmp_path / "more"
    more.mkdir()
    with watching(library, notes) as supervisor:
        wait_until(supervisor, lambda status: status.settled)
        with Library.open(library, encoder=TinyEncoder()) as opened:
            opened.index(more)
            opened.forget([notes])
        wait_until(supervisor, lambda status: [root.path for root in status.roots] == [str(more)])
        (notes / "late.txt").write_text("nobody watches this any more")
        (more / "fish.txt").write_text("a fish in the sea")
        wait_until(supervisor, lambda status: status.settled and status.done == 2)
        assert names(library) == {"fish.txt"}


def test_a_pause_holds_indexing_up_until_it_is_over(tmp_path: Path, notes: Path) -> None:
    library = tmp_path / "library"
    with watching(library, notes) as supervisor:
        wait_until(supervisor, lambda status: status.settled)
        supervisor.pause()
        wait_until(supervisor, lambda status: status.activity is Activity.PAUSED)
        (notes / "bird.txt").write_text("a bird in a tree")
        time.sleep(1.0)
        status = supervisor.status()
        assert (status.done, status.settled) == (1, False)
        supervisor.pause(0.1)  # from now on for so long only
        wait_until(supervisor, lambda status: status.settled)
        assert names(library) == {"boat.txt", "bird.txt"}


def test_outside_of_its_hours_it_waits_and_says_why(tmp_path: Path, notes: Path) -> None:
    hour = (time.localtime().tm_hour + 12) % 24
    with watching(tmp_path / "library", notes, hours=f"{hour}:00-{hour}:30") as supervisor:
        status = wait_until(supervisor, lambda status: status.activity is Activity.WAITING)
        assert status.why is not None
        assert "outside of the hours" in status.why
        assert (status.done, status.settled) == (0, False)


def test_a_library_that_somebody_else_writes_to_is_waited_for(tmp_path: Path, notes: Path) -> None:
    library = tmp_path / "library"
    with watching(library, notes) as supervisor:
        wait_until(supervisor, lambda status: status.settled)
        with writer_lock(library):
            (notes / "bird.txt").write_text("a bird in a tree")
            status = wait_until(supervisor, lambda status: status.activity is Activity.WAITING)
            assert status.why is not None
            assert "busy" in status.why
        wait_until(supervisor, lambda status: status.settled)
        assert supervisor.status().why is None
        assert names(library) == {"boat.txt", "bird.txt"}


def test_a_worker_that_cannot_work_leaves_the_daemon_stalled_with_the_reason(
    tmp_path: Path, notes: Path
) -> None:
    settings = Settings(watch=WatchSettings(quiet_seconds=0.2))
    broken = DaemonOptions((notes,), (sys.executable, "-c", "raise SystemExit('no such model')"))
    supervisor = Supervisor(tmp_path / "library", settings, broken)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        status = wait_until(supervisor, lambda status: status.activity is Activity.STALLED)
        assert status.why is not None
        assert "no such model" in status.why
    finally:
        supervisor.stop()
        thread.join(PATIENCE)


def test_a_root_that_is_not_there_and_a_library_without_roots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no such file or folder"):
        Supervisor(tmp_path / "library", Settings(), DaemonOptions((tmp_path / "absent",)))
    with pytest.raises(QueryError, match="no roots yet"):
        Supervisor(tmp_path / "library", Settings())


def test_only_paths_below_a_root_can_be_rescanned(tmp_path: Path, notes: Path) -> None:
    supervisor = Supervisor(tmp_path / "library", Settings(), DaemonOptions((notes,)))
    supervisor.rescan([notes / "boat.txt"])
    with pytest.raises(QueryError, match="in none of the roots"):
        supervisor.rescan([tmp_path / "elsewhere"])
