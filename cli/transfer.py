"""How far a pull is, on the terminal: bytes done of all, rate, time left. Silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from bindsearch.models.install import Watcher
    from bindsearch.models.shelf import Tick


@contextmanager
def watching(*, quiet: bool) -> Iterator[Watcher | None]:
    """A display on stderr, if that is a terminal and ``quiet`` is not asked for."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar a step."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars

    def begin(self, step: str, size: int) -> Tick:
        """See Watcher."""
        task = self._bars.add_task(step, total=size or None)
        return lambda count: self._bars.advance(task, count)
