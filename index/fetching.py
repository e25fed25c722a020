"""Asking SQLite directly, for the statements that a search runs most.

SQLAlchemy takes longer over a small statement than SQLite does. Values come as they are stored: paths as the
file system's bytes, states and modalities as strings.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

# SQLite allows 32,766 variables in a statement; hits are few, but k is the user's to choose.
IDS_PER_STATEMENT = 10_000


def fetched(catalog: Connection, statement: str, *given: str | int) -> Sequence[Any]:
    """The driver's own rows.

    Raises SQLAlchemy's errors nevertheless, which the catalog turns into the library's own.
    """
    cursor = catalog.connection.cursor()
    try:
        cursor.execute(statement, given)
        return cursor.fetchall()
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, given, error, sqlite3.Error) from error
    finally:
        cursor.close()


def portions(numbers: Iterable[int]) -> Iterator[list[int]]:
    """``numbers`` in portions that one statement can take as variables."""
    rest = iter(numbers)
    while some := list(islice(rest, IDS_PER_STATEMENT)):
        yield some


def as_json(ids: Collection[int]) -> str:
    """``ids`` for SQLite's ``json_each``, each once: what is joined to them comes as often as they do."""
    return json.dumps(sorted(set(map(int, ids))))
