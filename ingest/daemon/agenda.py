"""The agenda: which paths the worker is to reconcile next, and when.

What is due comes in from the watcher. What the worker is given leaves the agenda only when it has reported
that it is done: a run that was cut short, or that ended with an error, is on the agenda again, the latter
not before a pause that grows from try to try, behind all others, and with fewer beside it, so that one path
which always fails does not keep the others from their turn. Nothing here is kept on disk, because a start
walks every root anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bindsearch.index.paths import descends

FIRST_PAUSE = 2.0  # seconds after the first failure
LONGEST_PAUSE = 300.0
MOST_AT_ONCE = 500  # paths in one run; what is left over has its turn in the next


class Agenda:
    """Paths to reconcile; belongs to one thread. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._open: dict[Path, None] = {}
        self._given: tuple[Path, ...] = ()
        self._retry_failed = False
        self._given_retry = False
        self._failures = 0
        self._not_before = 0.0

    def __len__(self) -> int:
        return len(self._open) + len(self._given)

    def add(self, paths: Iterable[Path]) -> None:
        """Have ``paths`` reconciled; those that are there already keep their turn."""
        self._open |= dict.fromkeys(paths)

    def retry_failed(self, roots: Iterable[Path]) -> None:
        """Have ``roots`` reconciled, and what failed before tried again."""
        self.add(roots)
        self._retry_failed = True

    def next_at(self) -> float | None:
        """When there may be something to give; None as long as nothing is on the agenda."""
        return self._not_before if self._open else None

    def take(self, now: float, roots: Iterable[Path]) -> tuple[tuple[Path, ...], bool]:
        """The paths of the next run, and whether failures are to be retried; none if it is too early.

        What lies in none of ``roots`` is dropped: its root was taken out of the library meanwhile.
        """
        if now < self._not_before or self._given:
            return (), False
        known = [os.fspath(root) for root in roots]
        self._open = {path: None for path in self._open if _is_inside(path, known)}
        most = max(1, min(MOST_AT_ONCE, len(self._open)) >> self._failures)
        self._given = tuple(self._open)[:most]
        for path in self._given:
            del self._open[path]
        self._given_retry, self._retry_failed = self._retry_failed, False
        return self._given, self._given_retry

    def done(self) -> tuple[Path, ...]:
        """The run has done all that it was given; returns what that was."""
        given, self._given = self._given, ()
        self._failures, self._not_before = 0, 0.0
        return given

    def cut_short(self) -> None:
        """The run ended before its end: the same paths again, before all others."""
        self._open = dict.fromkeys(self._given) | self._open
        self._retry_failed = self._retry_failed or self._given_retry
        self._given = ()

    def failed(self, now: float, longest: float = LONGEST_PAUSE) -> float:
        """The run ended with an error: the same again after a pause, whose length is returned."""
        self._open |= dict.fromkeys(self._given)
        self._retry_failed = self._retry_failed or self._given_retry
        self._given = ()
        pause = min(longest, FIRST_PAUSE * 2.0**self._failures)
        self._failures += 1
        self._not_before = now + pause
        return pause


def _is_inside(path: Path, roots: list[str]) -> bool:
    return any(descends(os.fspath(path), root) for root in roots)
