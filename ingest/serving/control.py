"""What the server needs of the daemon that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bindsearch.remote.status import DaemonStatus


class Control(Protocol):
    """A daemon's ears: all of it may be called from any thread, and returns at once."""

    def status(self) -> DaemonStatus:
        """What it is doing."""

    def pause(self, seconds: float | None) -> None:
        """Have indexing wait, for so long or, if None, until ``resume``."""

    def resume(self) -> None:
        """Have indexing go on."""

    def rescan(self, paths: Sequence[Path]) -> None:
        """Have ``paths``, or all roots if there are none, brought up to date. Raises QueryError."""

    def retry_failed(self) -> None:
        """Have files that failed tried again."""
