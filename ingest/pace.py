"""Pace: how a run is told to wait or to end, between two steps of its work."""

from __future__ import annotations

from typing import Protocol


class Pace(Protocol):
    """Asked by a run between any two steps, from the run's own thread; quick when all is well."""

    def go_on(self) -> bool:
        """Whether to go on; may wait before it says so.

        After a no, what is finished is committed and the run ends; what is in hand is given up.
        """

    def begin_more(self) -> bool:
        """Whether another file may be begun, asked from when all that is to be read is known.

        After a no, the files in hand are still finished, however long they take, so that a file which takes
        longer than a run may last is taken in all the same. Then the run ends.
        """


class FullPace:
    """Never waits, never ends."""

    def go_on(self) -> bool:
        """See Pace."""
        return True

    def begin_more(self) -> bool:
        """See Pace."""
        return True
