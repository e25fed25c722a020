"""A lock that any number of searches may hold at once, or one change alone.

FAISS and the exact index may be searched by several threads at a time, and crash when they are changed
meanwhile. A change that waits lets no further search begin, so that it waits for those under way only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Held by ``searching`` in common, by ``changing`` alone. Neither may be entered within the other."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._searches = 0
        self._changes = 0  # under way or waiting
        self._changing = threading.Lock()

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Beside other searches."""
        with self._state:
            self._state.wait_for(lambda: not self._changes)
            self._searches += 1
        try:
            yield
        finally:
            with self._state:
                self._searches -= 1
                self._state.notify_all()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone."""
        with self._state:
            self._changes += 1
        try:
            with self._changing:
                with self._state:
                    self._state.wait_for(lambda: not self._searches)
                yield
        finally:
            with self._state:
                self._changes -= 1
                self._state.notify_all()
