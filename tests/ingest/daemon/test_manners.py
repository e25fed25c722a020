"""Manners: the hours of the day, the battery, and a process that lets all others go first."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.errors import SettingsError
from bindsearch.ingest.daemon.manners import Hours, Manners, is_on_battery
from bindsearch.settings import WatchSettings

MINUTES = st.integers(0, 24 * 60 - 1)


def local_time(minute: int) -> float:
    """Some day at so many minutes after midnight on the local clock."""
    return time.mktime((2026, 1, 15, *divmod(minute, 60), 30, 0, 0, -1))


def written(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02}"


@given(start=MINUTES, length=st.integers(1, 24 * 60 - 1), now=MINUTES)
def test_a_span_holds_the_minutes_from_its_start_to_before_its_end(start: int, length: int, now: int) -> None:
    end = (start + length) % (24 * 60)
    inside = (now - start) % (24 * 60) < length
    assert Hours.of(f"{written(start)}-{written(end)}").include(local_time(now)) is inside


def test_several_spans_hold_what_either_holds_and_none_holds_everything() -> None:
    hours = Hours.of("12:00-13:00, 22:00-06:00")
    assert [h for h in range(24) if hours.include(local_time(h * 60))] == [0, 1, 2, 3, 4, 5, 12, 22, 23]
    assert all(Hours.of(text).include(local_time(m)) for text in ("", "7:00-7:00") for m in (0, 420, 1439))
    assert Hours.of("20:00-24:00").include(local_time(23 * 60 + 59))


@pytest.mark.parametrize(
    "text", ["22", "22-6", "22:00", "25:00-6:00", "24:00-6:00", "22:60-6:00", "1:00-2:00,"]
)
def test_what_is_no_span_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(SettingsError, match="22:00-6:00"):
        Hours.of(text)


def test_indexing_waits_outside_of_its_hours_and_on_battery() -> None:
    noon, night = local_time(12 * 60), local_time(60)
    nightly = Manners(WatchSettings(hours="22:00-6:00"), on_battery=lambda: False)
    assert nightly.reason_to_wait(noon) == "outside of the hours 22:00-6:00"
    assert nightly.reason_to_wait(night) is None
    assert Manners(WatchSettings(), on_battery=lambda: True).reason_to_wait(noon) == "on battery"
    assert Manners(WatchSettings(on_battery=True), on_battery=lambda: True).reason_to_wait(noon) is None


def test_the_battery_is_that_of_this_machine() -> None:
    battery = psutil.sensors_battery()
    assert is_on_battery() is (battery is not None and battery.power_plugged is False)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at what Linux has")
def test_a_nice_process_is_last_in_every_queue_and_so_are_its_threads() -> None:
    program = """
import os, threading, psutil
from bindsearch.ingest.daemon.manners import be_nice
be_nice()
def look():
    disk = psutil.Process(threading.get_native_id()).ionice().ioclass
    score = open("/proc/self/oom_score_adj").read().strip()
    print(os.sched_getscheduler(0) == os.SCHED_IDLE, os.getpriority(os.PRIO_PROCESS, 0), disk, score)
look()
thread = threading.Thread(target=look)
thread.start()
thread.join()
be_nice()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == ""
    expected = f"True 19 {psutil.IOPRIO_CLASS_IDLE!s} 500"
    assert done.stdout.splitlines() == [expected, expected]
    assert os.getpriority(os.PRIO_PROCESS, 0) < 19
