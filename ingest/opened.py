"""Encoders that are open: each opened once by its name, whichever thread comes first, until let go."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bindsearch.encoders import Encoder

MOST = 2  # one that answers, one that fills


class OpenEncoders:
    """Encoders by the names that ``opener`` takes; for any number of threads."""

    def __init__(self, opener: Callable[[str], Encoder]) -> None:
        self._opener = opener
        self._opened: dict[str, Encoder] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Which are open."""
        return tuple(self._opened)

    def open(self, name: str) -> Encoder:
        """The encoder of that name. Raises EncoderError."""
        with self._lock:
            if name not in self._opened:
                while len(self._opened) >= MOST:
                    del self._opened[next(iter(self._opened))]
                self._opened[name] = self._opener(name)
            return self._opened[name]

    def unload(self) -> None:
        """Let all of them go; what is being encoded is finished, and the next to ask opens anew."""
        with self._lock:
            self._opened.clear()
