"""The writer lock: one holds it, others are refused or wait, and who waits is seen by the holder."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from bindsearch.errors import LibraryBusy
from bindsearch.index.lock import WANTED_FILE, is_wanted, writer_lock


def test_who_does_not_wait_is_refused_at_once_and_leaves_no_wish(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        with pytest.raises(LibraryBusy) as refused, writer_lock(tmp_path):
            pass
        assert refused.value.pid == os.getpid()
        assert not is_wanted(tmp_path)


def test_who_waits_is_seen_and_has_his_turn(tmp_path: Path) -> None:
    had = threading.Event()

    def write() -> None:
        with writer_lock(tmp_path, 60):
            had.set()

    writer = threading.Thread(target=write)
    with writer_lock(tmp_path):
        writer.start()
        deadline = time.monotonic() + 60
        while not is_wanted(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not had.is_set()
    writer.join(60)
    assert had.is_set()
    assert not (tmp_path / WANTED_FILE).exists()


def test_who_waits_in_vain_is_refused_and_takes_his_wish_along(tmp_path: Path) -> None:
    with writer_lock(tmp_path):
        with pytest.raises(LibraryBusy), writer_lock(tmp_path, 0.3):
            pass
        assert not is_wanted(tmp_path)


def test_a_wish_that_is_not_renewed_is_none(tmp_path: Path) -> None:
    wish = tmp_path / WANTED_FILE
    wish.touch()
    assert is_wanted(tmp_path)
    os.utime(wish, (1, 1))
    assert not is_wanted(tmp_path)


def test_a_holder_that_gives_way_is_waited_for_without_being_asked_to(tmp_path: Path) -> None:
    had = threading.Event()

    def write() -> None:
        with writer_lock(tmp_path):
            had.set()

    writer = threading.Thread(target=write)
    with writer_lock(tmp_path, gives_way=True):
        writer.start()
        deadline = time.monotonic() + 60
        while not is_wanted(tmp_path):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    writer.join(60)
    assert had.is_set()
