"""A run's progress on the terminal: files done of all, rate, time left. Silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from bindsearch.ingest.progress import NoProgress, Outcome, Progress


@contextmanager
def run_progress(*, quiet: bool) -> Iterator[Progress]:
    """A progress display on stderr, if that is a terminal and ``quiet`` is not asked for."""
    if quiet or not sys.stderr.isatty():
        yield NoProgress()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Terminal(bars)


class _Terminal:
    """Feeds rich's bars."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID = bars.add_task("walking", total=None, rate="")
        self._walked = 0

    def walked(self, root: Path, files: int) -> None:
        """See Progress."""
        self._walked += files
        self._bars.update(self._task, completed=self._walked)

    def planned(self, files: int, size: int) -> None:
        """See Progress."""
        self._bars.reset(self._task, total=files, description="indexing")

    def finished(self, path: Path, size: int, outcome: Outcome) -> None:
        """See Progress."""
        self._bars.advance(self._task)
        speed = self._bars.tasks[0].speed
        self._bars.update(self._task, rate=f"{speed:,.0f} files/s" if speed else "")
