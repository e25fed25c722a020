"""The table of restless paths: what has changed in one root, and when it is due for a look.

A path that changes again is due later, but never later than ``LONGEST_WAIT`` after it was first heard of, so
that a folder that is written to without an end gets its looks as well. A path inside a folder that is in the
table adds nothing to it, since a look at a folder takes in all that it holds. Many paths of one folder become
the folder, too many altogether become the root: so the table stays small however much is heard.

Paths are absolute and normal; times are seconds of one steady clock. Not safe for threads by itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from bindsearch.index.paths import descends

LONGEST_WAIT = 15.0
PATHS_OF_A_FOLDER = 100
PATHS_OF_A_ROOT = 2_000
LONGEST_BACK_OFF = 30.0


@dataclass(slots=True)
class _Entry:
    due: float
    latest: float


class Table:
    """The restless paths of the root at ``root``."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._folders: dict[str, dict[str, _Entry]] = {}  # by the folder that the path lies in
        self._count = 0
        self._soonest: float | None = None  # no entry is due before
        self._tries: dict[str, int] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def next_due(self) -> float | None:
        """A moment before which nothing is due; None for an empty table."""
        return self._soonest

    def touch(self, path: str, now: float, wait: float) -> None:
        """Something has happened to ``path``: it is due when nothing more does for ``wait`` seconds."""
        self._tries.pop(path, None)
        self._put(path, now, wait, max(wait, LONGEST_WAIT))

    def put_back(self, path: str, now: float, wait: float) -> None:
        """A look at ``path`` came too early; the wait grows from try to try until it is touched."""
        if len(self._tries) > PATHS_OF_A_ROOT:
            self._tries.clear()
        tries = self._tries.get(path, 0)
        self._tries[path] = tries + 1
        longer = min(wait * 2**tries, max(wait, LONGEST_BACK_OFF))
        self._put(path, now, longer, longer)

    def take(self, now: float) -> list[str]:
        """What is due, without what lies inside of something else that is; it leaves the table."""
        if self._soonest is None or now < self._soonest:
            return []
        taken = [
            path for entries in self._folders.values() for path, entry in entries.items() if entry.due <= now
        ]
        for path in taken:
            self._drop(path)
        self._soonest = min(
            (entry.due for entries in self._folders.values() for entry in entries.values()), default=None
        )
        known = set(taken)
        return [path for path in taken if not any(above in known for above in self._above(path))]

    def clear(self) -> None:
        """Forget everything: the whole root is looked at."""
        self._folders.clear()
        self._count = 0
        self._soonest = None

    def _put(self, path: str, now: float, wait: float, longest: float) -> None:
        entry = self._covering(path)
        if entry is None:
            entry = self._add(path, now + longest)
        entry.due = min(now + wait, entry.latest)
        self._soonest = entry.due if self._soonest is None else min(self._soonest, entry.due)

    def _covering(self, path: str) -> _Entry | None:
        for above in (path, *self._above(path)):
            entry = self._folders.get(os.path.dirname(above), {}).get(above)  # noqa: PTH120
            if entry is not None:
                return entry
        return None

    def _add(self, path: str, latest: float) -> _Entry:
        folder = os.path.dirname(path)  # noqa: PTH120
        entries = self._folders.setdefault(folder, {})
        if len(entries) >= PATHS_OF_A_FOLDER and path != self.root:
            return self._merge(folder, latest)
        if self._count >= PATHS_OF_A_ROOT and path != self.root:
            return self._merge(self.root, latest)
        entries[path] = _Entry(latest, latest)
        self._count += 1
        return entries[path]

    def _merge(self, folder: str, latest: float) -> _Entry:
        """One entry for all that lies in ``folder``, due by the time the first of them had to be."""
        inside = [path for entries in self._folders.values() for path in entries if descends(path, folder)]
        latest = min([latest, *(self._drop(path).latest for path in inside)])
        entry = self._add(folder, latest)
        entry.latest = min(entry.latest, latest)
        return entry

    def _drop(self, path: str) -> _Entry:
        folder = os.path.dirname(path)  # noqa: PTH120
        entry = self._folders[folder].pop(path)
        if not self._folders[folder]:
            del self._folders[folder]
        self._count -= 1
        return entry

    def _above(self, path: str) -> list[str]:
        """The folders that hold ``path``, the nearest first, up to the root."""
        above = []
        while path != self.root and len(path) > len(self.root):
            path = os.path.dirname(path)  # noqa: PTH120
            above.append(path)
        return above
