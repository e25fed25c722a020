"""The worker as the daemon sees it: real processes that index with the tiny encoder."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from bindsearch.errors import BindsearchError
from bindsearch.index.lock import is_wanted, writer_lock
from bindsearch.ingest.daemon.hand import Ended, Event, Fault, Finished, Hand, Planned, Started, Walked, Work
from bindsearch.ingest.daemon.messages import read_event, read_order, write_event, write_order
from bindsearch.ingest.daemon.pacing import Orders, OthersLoad, SlicePace
from bindsearch.ingest.library import Library
from bindsearch.ingest.progress import Outcome
from tests.tiny import TinyEncoder

WORKER = [sys.executable, "-m", "tests.tiny_worker"]
PATIENCE = 60.0

Kind = TypeVar("Kind", bound=Event)
Heard = queue.SimpleQueue[Event]


@pytest.fixture
def heard() -> Heard:
    """Where the events go."""
    return queue.SimpleQueue()


@pytest.fixture
def hand(tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    """A hand over an empty library; its worker ends with the test."""
    monkeypatch.chdir(Path(__file__).parents[3])
    made = Hand(tmp_path / "library", on_event=heard.put, command=WORKER, idle_seconds=30)
    yield made
    made.stop(10)


@pytest.fixture
def notes(folder: Path) -> Path:
    """A folder with 40 notes."""
    for n in range(40):
        (folder / f"{n}.txt").write_text(f"red {n}")
    return folder


def until(heard: Heard, kind: type[Kind]) -> tuple[list[Event], Kind]:
    """The events before the next of that kind, and that one."""
    before: list[Event] = []
    while True:
        event = heard.get(timeout=PATIENCE)
        if isinstance(event, kind):
            return before, event
        before.append(event)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def indexed(library: Path) -> int:
    with Library.open(library, encoder=TinyEncoder()) as opened:
        return sum(root.present for root in opened.roots())


EVENTS = [
    Started(12),
    Walked(Path("/a/\udcff"), 3),
    Planned(2, 10),
    Finished(Path("/a/ü"), 5, Outcome.FAILED),
    Ended({"seen": 3}, (Path("/b"),), True, Fault("LibraryBusy", "busy", "/l", "wait", 28)),
    Ended(),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_the_same_after_it_has_crossed_the_pipe(event: Event) -> None:
    assert read_event(write_event(event)) == event


def test_an_order_is_the_same_after_it_has_crossed_the_pipe() -> None:
    work = Work((Path("/a/\udcff\n"),), True, 2.0, 5.0, adds_roots=False)
    assert read_order(write_order("run", work)) == ("run", work)


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"event": "Ended", "more": 1}\n', b"{}\n"])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_event(line)


def test_a_run_tells_what_it_does_and_the_next_one_has_nothing_left(
    hand: Hand, heard: Heard, notes: Path, tmp_path: Path
) -> None:
    hand.run(Work((notes,)))
    assert hand.is_busy
    before, ended = until(heard, Ended)
    assert [type(event) for event in before[:3]] == [Started, Walked, Planned]
    assert len([event for event in before if isinstance(event, Finished)]) == 40
    assert (ended.error, ended.unfinished, ended.report["indexed"]) == (None, False, 40)
    assert not hand.is_busy
    assert hand.memory() > 10_000_000
    assert hand.pid is not None
    pid = hand.pid
    hand.run(Work())
    assert until(heard, Ended)[1].report["unchanged"] == 40
    assert hand.pid == pid, "the same worker serves again"
    assert os.getsid(pid) == os.getsid(0), "the same session, hence the same share of the processor"
    assert os.getpgid(pid) == pid
    hand.stop(PATIENCE)
    assert (hand.pid, hand.memory()) == (None, 0)


def test_a_worker_that_is_killed_costs_no_more_than_the_run(
    hand: Hand, heard: Heard, notes: Path, tmp_path: Path
) -> None:
    hand.run(Work((notes,)))
    until(heard, Planned)
    assert hand.pid is not None
    os.kill(hand.pid, signal.SIGKILL)
    _, ended = until(heard, Ended)
    assert ended.unfinished
    assert ended.error is not None
    assert ended.error.kind == "WorkerDied"
    hand.run(Work((notes,)))
    assert until(heard, Ended)[1].error is None
    assert indexed(tmp_path / "library") == 40


def test_a_worker_that_is_terminated_commits_what_is_finished(
    hand: Hand, heard: Heard, notes: Path, tmp_path: Path
) -> None:
    hand.run(Work((notes,)))
    until(heard, Planned)
    assert hand.pid is not None
    os.kill(hand.pid, signal.SIGTERM)
    _, ended = until(heard, Ended)
    assert (ended.unfinished, ended.error) == (True, None)
    assert indexed(tmp_path / "library") == ended.report["indexed"]


def test_a_busy_library_is_an_ordinary_end(hand: Hand, heard: Heard, notes: Path, tmp_path: Path) -> None:
    with writer_lock(tmp_path / "library"):
        hand.run(Work((notes,)))
        _, ended = until(heard, Ended)
    assert ended.error is not None
    assert (ended.error.kind, ended.unfinished) == ("LibraryBusy", True)
    with pytest.raises(BindsearchError, match="busy"):
        hand.run(Work((notes,)))
        hand.run(Work((notes,)))


def test_a_paused_worker_begins_nothing_and_an_idle_one_ends_and_comes_back(
    heard: Heard, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    hand = Hand(tmp_path / "library", on_event=heard.put, command=WORKER, idle_seconds=0.3)
    hand.pause()
    hand.run(Work((notes,)))
    assert heard.get(timeout=PATIENCE) == read_event(b'{"event": "Waiting", "reason": "paused"}')
    hand.resume()
    assert until(heard, Ended)[1].error is None
    wait_for(lambda: hand.pid is None)
    hand.run(Work())
    assert until(heard, Ended)[1].report["unchanged"] == 40
    hand.stop(PATIENCE)


def test_a_command_that_does_not_exist_is_said_to_be_so(tmp_path: Path, heard: Heard) -> None:
    hand = Hand(tmp_path, on_event=heard.put, command=[str(tmp_path / "nothing")])
    with pytest.raises(BindsearchError, match="cannot be started"):
        hand.run(Work())
    assert not hand.is_busy


def test_work_given_just_when_the_worker_ends_is_done_by_the_next_one(tmp_path: Path, heard: Heard) -> None:
    one_work_each = 'read order; sleep 0.001; echo \'{"event": "Ended"}\'; exit 0'
    hand = Hand(tmp_path, on_event=heard.put, command=["sh", "-c", one_work_each, "sh"])
    for turn in range(200):
        hand.run(Work())
        assert until(heard, Ended)[1] == Ended()
        time.sleep(turn % 10 / 2000)
    hand.stop(PATIENCE)


def test_a_slice_ends_when_somebody_else_wants_to_write(tmp_path: Path) -> None:
    pace = SlicePace(Orders(), OthersLoad(), 0.0, 1000.0, tmp_path, lambda _: None)
    assert pace.begin()
    assert pace.go_on()
    assert pace.begin_more()
    with writer_lock(tmp_path), pytest.raises(BindsearchError), writer_lock(tmp_path, 0.0):
        pass
    assert not is_wanted(tmp_path), "who does not wait wants nothing"
    (tmp_path / "writer.wanted").touch()
    wait_for(lambda: pace.go_on() and not pace.begin_more())


def test_the_load_that_the_worker_makes_itself_does_not_hold_it_up(tmp_path: Path) -> None:
    said: list[str | None] = []
    orders = Orders()
    pace = SlicePace(orders, OthersLoad(), 1e6, 60.0, tmp_path, said.append)
    assert pace.begin()
    assert said == []
    orders.stop()
    assert not pace.go_on()
    assert 0 <= OthersLoad().look() <= os.getloadavg()[0]
