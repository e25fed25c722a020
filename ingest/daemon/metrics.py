"""What the daemon tells a Prometheus server: its status as numbers, and how long searches took.

The format is Prometheus' own text format. Paths that are not UTF-8 are shown with their odd bytes escaped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bindsearch.remote.status import Activity, DaemonStatus, WatchMode

if TYPE_CHECKING:
    from prometheus_client import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Row = tuple[Sequence[str], float]

# Seconds. A warm search takes some milliseconds, one that has to load weights first some seconds.
BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)


class SearchTimes:
    """How long searches took, by how they ended; may be told by any thread."""

    def __init__(self) -> None:
        from prometheus_client import Histogram

        self.histogram = Histogram(
            "bindsearch_search_seconds",
            "How long searches took in the daemon.",
            ["outcome"],
            registry=None,
            buckets=BUCKETS,
        )

    def add(self, seconds: float, outcome: str = "answered") -> None:
        """One search that took so long and was, say, "answered" or "refused"."""
        self.histogram.labels(outcome).observe(seconds)


def metrics_text(status: DaemonStatus, searches: SearchTimes | None = None) -> bytes:
    """The body of an answer to ``GET /metrics``; its type is CONTENT_TYPE."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OfStatus(status))
    if searches is not None:
        registry.register(searches.histogram)
    return bytes(generate_latest(registry))


class _OfStatus:
    """The numbers of one status, as prometheus_client collects them."""

    def __init__(self, status: DaemonStatus) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        yield from _of_the_process(self._status)
        yield from _of_the_work(self._status)
        yield from _of_the_roots(self._status)


def _of_the_process(status: DaemonStatus) -> Iterator[Metric]:
    yield _table("info", "What runs.", ("version",), [((status.version,), 1.0)])
    yield _gauge("start_time_seconds", "When the daemon was started.", status.started_at)
    yield _gauge("uptime_seconds", "For how long it has run.", max(0.0, time.time() - status.started_at))
    memory = [(("daemon",), float(status.memory)), (("worker",), float(status.worker_memory))]
    yield _table("memory_bytes", "Resident memory.", ("process",), memory)
    loaded = [((_shown(name),), 1.0) for name in status.loaded]
    yield _table("encoder_loaded", "Encoders that are in memory.", ("encoder",), loaded)
    yield _gauge("degraded", "How many things do not work as they should.", len(status.degraded))


def _of_the_work(status: DaemonStatus) -> Iterator[Metric]:
    doing = [((activity.value,), float(activity is status.activity)) for activity in Activity]
    yield _table("activity", "What is done about new files: 1 for what is.", ("activity",), doing)
    yield _gauge("queue_files", "Files known to need reading.", status.queue)
    yield _gauge("restless_paths", "Paths that have changed and are not quiet yet.", status.restless)
    yield _gauge("settled", "1 if the library is what a fresh scan would give.", status.settled)
    yield _gauge("files_per_second", "Files finished, over the last minute.", status.rate)
    yield _counter("files_done", "Files finished since the start.", status.done)
    yield _counter("files_failed", "Files that failed since the start.", status.failed)
    yield _counter("searches", "Searches answered since the start.", status.searches)


def _of_the_roots(status: DaemonStatus) -> Iterator[Metric]:
    modes = [
        ((_shown(root.path), mode.value), float(mode is root.mode))
        for root in status.roots
        for mode in WatchMode
    ]
    yield _table("root_mode", "How a root is watched: 1 for the way it is.", ("root", "mode"), modes)
    walked = [((_shown(root.path),), root.walked_at) for root in status.roots if root.walked_at is not None]
    yield _table("root_walked_timestamp_seconds", "When a root was last walked whole.", ("root",), walked)


def _gauge(name: str, told: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"bindsearch_{name}", told, value=float(value))


def _table(name: str, told: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """A gauge of several numbers, which their labels tell apart."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"bindsearch_{name}", told, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _counter(name: str, told: str, value: int) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"bindsearch_{name}", told, value=float(value))


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
