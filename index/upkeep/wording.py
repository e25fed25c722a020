"""The full text tables against what they index, and how they are made anew.

A second pair of tables is made from the names, titles, tags and texts of the catalog, in SQLite's temporary
file and by the statements that made the first pair. Then both are read through in the same order: every
word with its place, the stored words, the lengths, and the averages that BM25 divides by. That finds more
than FTS5's own integrity check, which compares a table with its own copy of the words only, and it needs no
lock, which FTS5's, being an INSERT, does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import zip_longest

from bindsearch.index.upkeep.findings import Check, Finding
from bindsearch.index.upkeep.schema_of import pristine

TABLES = ("file_words", "segment_words")

# What is read through in both, in an order that both keep; the side is the catalog's or the second pair's.
_READINGS = {
    "words": "SELECT * FROM temp.{side}_{name}",
    "lengths": "SELECT id, sz FROM {side}.{name}_docsize ORDER BY id",
}
_STORED = "SELECT * FROM {side}.file_words_content ORDER BY id"


def check_words(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Where the words that can be found are not those that the library holds."""
    with _second_pair(connection):
        for name in TABLES:
            for what, query in _readings(name).items():
                ours = connection.execute(query.format(side="main", name=name))
                theirs = connection.execute(query.format(side="temp", name=name))
                first = _first_difference(ours, theirs)
                if first is not None:
                    yield Finding(Check.WORDS, name, f"its {what} are not those of the library: {first}")
            if _averages(connection, "main", name) != _averages(connection, "temp", name):
                yield Finding(Check.WORDS, name, "its averages are not those of the library")


def rebuild_words(connection: sqlite3.Connection) -> None:
    """Make the tables anew, within the caller's transaction. Raises sqlite3.Error."""
    made = pristine()
    for name in TABLES:
        connection.execute(f"DROP TABLE main.{name}")
        connection.execute(made[name].statement)
    _fill(connection)


@contextmanager
def _second_pair(connection: sqlite3.Connection) -> Iterator[None]:
    """The second pair of tables, as long as they are needed."""
    try:
        for name in TABLES:
            connection.execute(pristine()[name].statement.replace(name, f"temp.{name}", 1))
            for side in ("main", "temp"):
                vocabulary = f"fts5vocab({side}, {name}, instance)"
                connection.execute(f"CREATE VIRTUAL TABLE temp.{side}_{name} USING {vocabulary}")
        _fill(connection)  # unqualified names mean the temporary tables, as long as there are any
        yield
    finally:
        for name in TABLES:
            for made in (f"main_{name}", f"temp_{name}", name):
                connection.execute(f"DROP TABLE IF EXISTS temp.{made}")


def _fill(connection: sqlite3.Connection) -> None:
    from bindsearch.index.migrations.versions import m0005_words as words

    connection.execute(words.ADD_LOCATION.format(row="locations") + " FROM locations")
    connection.execute(words.ADD_TITLE.format(row="contents") + " FROM contents WHERE title IS NOT NULL")
    connection.execute(words.ADD_TAG.format(row="tags") + " FROM tags")
    connection.execute(words.ADD_TEXT.format(row="segments") + " FROM segments WHERE text IS NOT NULL")


def _readings(name: str) -> dict[str, str]:
    return _READINGS | ({"stored words": _STORED} if name == "file_words" else {})


def _first_difference(ours: sqlite3.Cursor, theirs: sqlite3.Cursor) -> str | None:
    with closing(ours), closing(theirs):  # SQLite drops no table that is still being read
        for own, other in zip_longest(ours, theirs):
            if own != other:
                return f"{_shown(own)} where {_shown(other)} should be"
    return None


def _shown(row: tuple[object, ...] | None) -> str:
    return "nothing" if row is None else ", ".join(str(one)[:40] for one in row)


def _averages(connection: sqlite3.Connection, side: str, name: str) -> bytes:
    """FTS5 keeps the number of rows and of words in row 1; nothing at all stands for zeros."""
    row = connection.execute(f"SELECT block FROM {side}.{name}_data WHERE id = 1").fetchone()
    return bytes(row[0]).rstrip(b"\0") if row and isinstance(row[0], bytes) else b""
