"""How one root stands: what is restless in it, and whether all of it must be walked.

Every cause for doubt (a start, lost events, a disk that came back) is counted. A walk settles the doubts that
were there when it was handed out, not those that came while it went on.
"""

from __future__ import annotations

from dataclasses import dataclass

from bindsearch.ingest.watching.table import Table


@dataclass(slots=True)
class Standing:
    """One root's paths and doubts; times are seconds of one steady clock, ``walked_at`` of the wall clock.

    ``next_walk`` is when it is walked for no other reason than that it is time. Not safe for threads by
    itself.
    """

    table: Table
    next_walk: float = float("inf")
    walked_at: float | None = None
    doubts: int = 1  # nobody has walked it yet
    settled_doubts: int = 0
    _handed_out: int | None = None
    _due: float | None = None
    _reason: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing is restless, and the root was walked since the last doubt."""
        return not len(self.table) and self.doubts == self.settled_doubts

    @property
    def next_due(self) -> float:
        """A moment before which nothing is due."""
        times = (self.next_walk, self.table.next_due, self._due)
        return min(moment for moment in times if moment is not None)

    def doubt(self, reason: str, due: float) -> None:
        """The whole root must be walked, at ``due`` or, if it must be anyway, then."""
        self.doubts += 1
        if self._due is None or due < self._due:
            self._due, self._reason = due, reason

    def take(self, now: float, period: float) -> tuple[list[str], str | None]:
        """The paths that are due; a reason if it is the whole root. After ``period`` it is walked again."""
        if self._due is not None and now >= self._due:
            return self._hand_out(now + period, self._reason)
        if now >= self.next_walk:
            return self._hand_out(now + period, "schedule")
        taken = self.table.take(now)
        if self.table.root in taken:
            self.doubts += 1
            return self._hand_out(now + period, "changes all over")
        return taken, None

    def reconciled(self, at: float, next_walk: float) -> None:
        """A walk of the whole root has ended."""
        self.walked_at = at
        self.next_walk = next_walk
        if self._handed_out is not None:
            self.settled_doubts = max(self.settled_doubts, self._handed_out)
            self._handed_out = None

    def _hand_out(self, next_walk: float, reason: str) -> tuple[list[str], str]:
        self._handed_out = self.doubts
        self._due = None
        self.next_walk = next_walk
        self.table.clear()
        return [self.table.root], reason
