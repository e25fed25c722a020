"""The ledger: what the worker has told of its runs, in numbers for ``DaemonStatus``."""

from __future__ import annotations

from collections import deque

from bindsearch.ingest.progress import Outcome

RATE_SECONDS = 60.0


class Ledger:
    """Counts files; belongs to one thread. Times are seconds of one steady clock."""

    def __init__(self, now: float) -> None:
        self.done = 0
        self.failed = 0
        self.queue = 0
        self._since = now
        self._recent: deque[tuple[float, int]] = deque()  # (second, files done in it)

    def planned(self, files: int) -> None:
        """A run has begun that has to read so many files."""
        self.queue = files

    def finished(self, outcome: Outcome, now: float) -> None:
        """One file is done."""
        self.done += 1
        self.failed += outcome is Outcome.FAILED
        self.queue = max(0, self.queue - 1)
        second = float(int(now))
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1] = (second, self._recent[-1][1] + 1)
        else:
            self._recent.append((second, 1))
        self._forget(now)

    def ended(self, *, unfinished: bool) -> None:
        """The run is over; what it left out, where it was cut short, is still to be done."""
        if not unfinished:
            self.queue = 0

    def rate(self, now: float) -> float:
        """Files a second over the last minute, or over the time since the start if that is shorter."""
        self._forget(now)
        span = min(RATE_SECONDS, max(1.0, now - self._since))
        return sum(count for _, count in self._recent) / span

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - RATE_SECONDS:
            self._recent.popleft()
