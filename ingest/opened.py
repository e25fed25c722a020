"""Encoders that are open: each opened once by its name, whichever thread comes first, until let go.

What was asked in words lately stays when they go: who changes one term of a sum asks with the others again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Encoder
from bindsearch.media import Passage

MOST = 2  # one that answers, one that fills
MOST_WORDS = 500  # vectors of texts: 2 MB at 1,024 numbers


class OpenEncoders:
    """Encoders by the names that ``opener`` takes; for any number of threads."""

    def __init__(self, opener: Callable[[str], Encoder]) -> None:
        self._opener = opener
        self._opened: dict[str, Encoder] = {}
        self.words = AskedWords()
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


class AskedWords:
    """The vectors of texts that were asked with lately; for any number of threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def vectors(self, encoder: Encoder, text: str) -> NDArray[np.float32]:
        """The vectors (1, d) of ``text``, which nobody may change. Raises what the encoder raises."""
        key = encoder.space.key, text
        known = self._known.get(key)
        if known is None:
            known = encoder.encode([Passage(text)])
            known.flags.writeable = False
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = known  # the last one in is the last one to go
            while len(self._known) > MOST_WORDS:
                del self._known[next(iter(self._known))]
        return known
