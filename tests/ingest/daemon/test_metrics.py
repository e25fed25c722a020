"""Metrics, read back as a Prometheus server reads them."""

from __future__ import annotations

import os
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bindsearch.ingest.daemon.metrics import SearchTimes, metrics_text
from bindsearch.remote.status import Activity, DaemonStatus, WatchedRoot, WatchMode

STATUS = DaemonStatus(
    pid=7,
    version="0.1.0",
    library="/library",
    started_at=1000.0,
    activity=Activity.INDEXING,
    queue=12,
    restless=3,
    rate=2.5,
    done=100,
    failed=4,
    searches=9,
    memory=1_000_000,
    worker_memory=2_000_000,
    loaded=("compact",),
    roots=(
        WatchedRoot("/pictures", WatchMode.EVENTS, walked_at=2000.0),
        WatchedRoot(os.fsdecode(b'/caf\xe9 "odd"\n'), WatchMode.POLLING, "a network drive"),
    ),
    degraded=("one thing",),
)


def numbers(text: bytes) -> dict[tuple[str, ...], float]:
    """{(name, label values...): number}."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name.removeprefix("bindsearch_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_status_is_told_in_numbers() -> None:
    told = numbers(metrics_text(STATUS))
    assert told["queue_files",] == 12
    assert told["restless_paths",] == 3
    assert told["files_per_second",] == 2.5
    assert (told["files_done_total",], told["files_failed_total",], told["searches_total",]) == (100, 4, 9)
    assert (told["memory_bytes", "daemon"], told["memory_bytes", "worker"]) == (1e6, 2e6)
    assert [told["activity", activity.value] for activity in Activity] == [1, 0, 0, 0, 0, 0]
    assert told["root_walked_timestamp_seconds", "/pictures"] == 2000
    assert told["info", "0.1.0"] == told["encoder_loaded", "compact"] == told["degraded",] == 1


def test_roots_of_any_name_have_the_mode_in_which_they_are_watched() -> None:
    told = numbers(metrics_text(STATUS))
    watched = {key[1:]: value for key, value in told.items() if key[0] == "root_mode"}
    on = {key for key, value in watched.items() if value == 1}
    assert {root.partition("caf")[0] + mode for mode, root in on} == {"/picturesevents", "/polling"}
    assert len(watched) == 2 * len(WatchMode)


def test_searches_are_counted_by_how_long_they_took_and_how_they_ended() -> None:
    times = SearchTimes()

    def search() -> None:
        for _ in range(100):
            times.add(0.012)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.add(0.3, "refused")
    told = numbers(metrics_text(STATUS, times))
    assert told["search_seconds_count", "answered"] == 400
    assert told["search_seconds_sum", "answered"] == pytest.approx(400 * 0.012)
    by_bound = {key: value for key, value in told.items() if key[0] == "search_seconds_bucket"}
    assert {value for key, value in by_bound.items() if {"answered", "0.01"} <= set(key)} == {0}
    assert {value for key, value in by_bound.items() if {"answered", "0.015"} <= set(key)} == {400}
    assert told["search_seconds_count", "refused"] == 1


def test_the_numbers_are_those_of_the_moment_whoever_asked_before() -> None:
    times = SearchTimes()
    first = metrics_text(STATUS, times)
    times.add(0.1)
    assert numbers(metrics_text(STATUS, times)) != numbers(first)
