"""Quiet: which files are being written, or seem to be, and so are left for later.

A file whose last change is a moment ago may change again. One that cannot be read or decoded and is not old
yet is more likely half written than broken: a download, a copy from a slow disk. It is a failure only once it
is old, or was the same at an earlier try; until then it counts as restless. A time of change that lies in the
future, by a clock set wrong, says nothing and is taken for old.

Waiting has a second use: where times of change are coarse (2 s on FAT), two changes within one tick look like
one; a file that is read a tick after its last change cannot change again under the same stat.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from bindsearch.index.records import FileStat

DOUBTFUL_SECONDS = 60.0  # a file that fails and is younger than this may be half written
MOST_DOUBTS = 100_000


@dataclass(slots=True)
class Doubts:
    """Files that failed once while they were young, with the stat that they had; kept from run to run."""

    tried: dict[Path, FileStat] = field(default_factory=dict)

    def are_new(self, path: Path, stat: FileStat) -> bool:
        """Whether a file fails for the first time in this state; from the second time on it does not."""
        if self.tried.pop(path, None) == stat:
            return False
        while len(self.tried) >= MOST_DOUBTS:
            del self.tried[next(iter(self.tried))]
        self.tried[path] = stat
        return True


@dataclass(frozen=True, slots=True)
class Quiet:
    """How one run tells; with ``seconds`` 0 nothing is left for later."""

    seconds: float = 0.0
    doubts: Doubts = field(default_factory=Doubts)

    def is_restless(self, stat: FileStat) -> bool:
        """Whether a file changed a moment ago."""
        return 0 <= time.time() - stat.mtime_ns / 1e9 < self.seconds

    def puts_off(self, path: Path, stat: FileStat, *, changed: bool) -> bool:
        """Whether a failure is left for later: of a file that ``changed`` under the reader, or is young."""
        if not self.seconds:
            return False
        young = 0 <= time.time() - stat.mtime_ns / 1e9 < DOUBTFUL_SECONDS
        return changed or (young and self.doubts.are_new(path, stat))
