"""What ignore files say of a path that has changed, so that a folder which is left out stays unheard.

Verdicts are kept for a moment only, as many changes come at once in the same few folders. It may be wrong in
one way alone: in doubt nothing is left out, since a look too many does no harm.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from bindsearch.ingest.walk import IGNORE_FILE, IGNORE_FILE_BYTES


class _Rules(NamedTuple):
    """The patterns of one ignore file, and the length of the path of its folder with a stroke behind."""

    cut: int
    spec: GitIgnoreSpec


_Chain = tuple[_Rules, ...]  # the outermost first


class Ignoring:
    """The ignore files of the root at ``root``; ``seconds`` is how long they are taken to be the same."""

    def __init__(self, root: str, seconds: float) -> None:
        self._root = root
        self._seconds = seconds
        self._until = float("-inf")
        self._folders: dict[str, _Chain | None] = {}  # None: left out with all it holds

    def leaves_out(self, path: str, now: float) -> bool:
        """Whether ``path``, at or below the root, is left out; ``now`` is of any steady clock."""
        if path == self._root:
            return False
        if now >= self._until:
            self._folders = {}
            self._until = now + self._seconds
        chain = self._chain(os.path.dirname(path))  # noqa: PTH120
        return chain is None or (bool(chain) and _leave_out(chain, path, os.path.isdir(path)))  # noqa: PTH112

    def _chain(self, folder: str) -> _Chain | None:
        """The rules that are valid in ``folder``."""
        if folder not in self._folders:
            self._folders[folder] = self._look(folder)
        return self._folders[folder]

    def _look(self, folder: str) -> _Chain | None:
        if len(folder) <= len(self._root):
            return _with_own((), folder)
        above = self._chain(os.path.dirname(folder))  # noqa: PTH120
        if above is None or _leave_out(above, folder, is_folder=True):
            return None
        return _with_own(above, folder)


def _with_own(above: _Chain, folder: str) -> _Chain:
    try:
        with open(os.path.join(folder, IGNORE_FILE), "rb", opener=_open_at_once) as file:  # noqa: PTH118
            lines = os.fsdecode(file.read(IGNORE_FILE_BYTES)).replace("\r\n", "\n").split("\n")
        return (*above, _Rules(len(folder.rstrip(os.sep)) + 1, GitIgnoreSpec.from_lines(lines)))
    except FileNotFoundError:
        return above
    except (OSError, ValueError):
        return ()  # it might take back what those above say


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a fifo would block for ever


def _leave_out(chain: _Chain, path: str, is_folder: bool) -> bool:
    shown = path + "/" * is_folder
    for rules in reversed(chain):
        verdict = rules.spec.check_file(shown[rules.cut :]).include
        if verdict is not None:
            return verdict
    return False
