"""What was read from a catalog, remembered for as long as nobody changes it.

A process that stays asks for much that hardly ever changes: which files are hidden, when every file was
taken, how many there are. ``Catalog.read`` notes on its connection in which state it finds the catalog, as
SQLite tells it (``PRAGMA data_version``), and what is remembered goes with the state. Writers remember
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

MOST = 64  # things; the greatest are masks and times of all files, a megabyte for a hundred thousand

_STATE = "bindsearch.state"
_KEPT = "bindsearch.kept"
_NOW = "bindsearch.remembered"


def forget(connection: Connection) -> None:
    """Let nothing be remembered in the transaction that begins."""
    connection.info.pop(_NOW, None)


def recall(connection: Connection, changes: int) -> None:
    """Let what was read in the same state be remembered.

    ``changes`` counts what this process itself wrote, which SQLite does not tell the connection that did.
    """
    state = changes, connection.exec_driver_sql("PRAGMA data_version").scalar()
    if connection.info.get(_STATE) != state:
        connection.info[_STATE], connection.info[_KEPT] = state, {}
    connection.info[_NOW] = connection.info[_KEPT]


def remembered(connection: Connection, key: Hashable, read: Callable[[], T]) -> T:
    """What ``read`` gives, which must depend on ``key`` and the catalog alone; nobody may change it."""
    kept: dict[Hashable, T] | None = connection.info.get(_NOW)
    if kept is None:
        return read()
    if key not in kept:
        while len(kept) >= MOST:
            kept.pop(next(iter(kept)))
        kept[key] = read()
    return kept[key]
