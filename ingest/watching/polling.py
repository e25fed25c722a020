"""Polling: what has changed below a path where nothing tells of changes, found by looking again and again.

One pass is a walk as indexing does it, so it sees the same files, through links too. All that is kept of a
folder is one number, made of the names, sizes and times of its files; folders whose number has changed are
what a pass tells. Inode numbers are left out, because FAT and some network file systems make them up anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from bindsearch.ingest.walk import IGNORE_FILE, Problem, WalkOptions, walk
from bindsearch.loaders.rules import RULES_FILE

ENTRIES_PER_BREATH = 500

Breath = Callable[[], bool]


class Poll:
    """Passes over what lies at or below ``path``."""

    def __init__(self, path: str, options: WalkOptions | None = None) -> None:
        self.path = path
        self._options = options or WalkOptions()
        self._known: dict[str, int] | None = None

    def look(self, go_on: Breath = lambda: True) -> list[str]:
        """The folders that are not as they were at the last pass; none at the first.

        ``go_on`` is asked every so often and may take its time; after a no the pass counts for nothing.
        """
        found: dict[str, int] = {}
        for count, item in enumerate(walk(Path(self.path), self._options)):
            if count % ENTRIES_PER_BREATH == 0 and not go_on():
                return []
            folder, name = os.path.split(item.path)
            told = (name, item.reason) if isinstance(item, Problem) else (name, item.size, item.mtime_ns)
            found[folder] = found.get(folder, 0) ^ hash(told)
        self._add_rules(found)
        before, self._known = self._known, found
        if before is None:
            return []
        changed = {folder for folder, _ in before.items() ^ found.items()}
        return sorted(folder if len(folder) >= len(self.path) else self.path for folder in changed)

    def _add_rules(self, found: dict[str, int]) -> None:
        """Rules decide how the files below them are read; every folder on the way to a file may have some."""
        folders = set(found)
        for folder in found:
            while len(folder) > len(self.path):
                folder = os.path.dirname(folder)  # noqa: PTH120
                folders.add(folder)
        for folder in folders:
            for name in (RULES_FILE, IGNORE_FILE):
                try:
                    status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118
                except OSError:
                    continue
                found[folder] = found.get(folder, 0) ^ hash((name, status.st_size, status.st_mtime_ns))
