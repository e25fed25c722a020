"""Watching with what watchdog has for every system; used where there is no inotify.

The backends of macOS and Windows watch a whole tree by one handle, so that limits, overflow of single folders
and moved folders are no concern. What they do not follow are links to folders: those are ``blind``, to be
polled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from watchdog.events import (
    DirModifiedEvent,
    FileClosedNoWriteEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from bindsearch.index.paths import descends
from bindsearch.ingest.watching.naming import concerned, is_left_out

STOP_SECONDS = 2.0

_SILENT = (DirModifiedEvent, FileOpenedEvent, FileClosedNoWriteEvent)  # our own reading is among these


class PortableTree(FileSystemEventHandler):
    """Like ``Tree``, for one root, with an observer of its own."""

    def __init__(self, root: str, hear: Callable[[str, bool], None]) -> None:
        self.root = root
        self.lost: str | None = None
        self.blind: list[str] = []
        self.links: set[str] = set()
        self._hear = hear
        self._real = os.path.realpath(root)  # macOS tells of paths without links
        self._observer: BaseObserver = Observer()

    def grow(self) -> None:
        """Start listening. Raises OSError where that is not possible."""
        try:
            self._observer.schedule(self, self._real, recursive=True)
            self._observer.start()
        except OSError:
            self.close()
            raise
        self._find_links()

    def close(self) -> None:
        """Stop listening."""
        self._observer.stop()
        with suppress(RuntimeError):  # never started
            self._observer.join(STOP_SECONDS)

    def regrow(self, path: str) -> None:
        """Nothing to do: what a link leads to is polled."""

    def is_well(self) -> bool:
        """Whether what happens below the root becomes known."""
        alive = self._observer.is_alive() and all(one.is_alive() for one in self._observer.emitters)
        return self.lost is None and alive

    def on_any_event(self, event: FileSystemEvent) -> None:
        """One event; called by watchdog."""
        if isinstance(event, _SILENT):
            return
        for told in (event.src_path, event.dest_path):
            path = os.fsdecode(told)
            if path and descends(path, self._real):
                heard = concerned(self.root + path[len(self._real) :], self.root)
                if heard is not None:
                    self._hear(heard, event.event_type == "deleted")

    def _find_links(self) -> None:
        for folder, names, _ in os.walk(self.root):
            names[:] = [name for name in names if not is_left_out(name)]
            paths = (os.path.join(folder, name) for name in names)  # noqa: PTH118
            self.blind += [path for path in paths if os.path.islink(path)]  # noqa: PTH114
