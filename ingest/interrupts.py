"""Ctrl-C during a run: noted at once, acted upon between two steps of the work.

Python raises KeyboardInterrupt between any two instructions of the main thread: also where a lock has just
been taken, which is then never given back, and where no exception can be raised, so that it is lost. Hence
the first Ctrl-C only leaves a note; a second one, from somebody who will not wait, is raised where it falls.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """Puts Ctrl-C off within its block.

    Only where Ctrl-C would be Python's own KeyboardInterrupt: a program with a handler of its own keeps it.
    """

    def __init__(self) -> None:
        self._noted = False
        self._installed = False

    def __enter__(self) -> Self:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if error is None:
            self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if there was a Ctrl-C since the block began."""
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            raise KeyboardInterrupt
        self._noted = True
