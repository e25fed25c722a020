"""The SQL functions by which triggers cut names and texts into words.

They are known on the connections of a catalog only: another program that would change a library's files,
texts or tags is refused by SQLite with "no such function", and so cannot leave the words behind.
"""

from __future__ import annotations

import sqlite3

from bindsearch.words import words_of_name, words_of_path, words_of_text


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known on ``connection``; their number is that of the rules in bindsearch.words."""
    connection.create_function("text_words_1", 1, _text, deterministic=True)
    connection.create_function("name_words_1", 1, _name, deterministic=True)
    connection.create_function("folder_words_1", 1, _folder, deterministic=True)


def _text(text: str | None) -> str | None:
    return None if text is None else words_of_text(text)


def _name(path: bytes | None) -> str | None:
    return None if path is None else words_of_name(path.rpartition(b"/")[2])


def _folder(path: bytes | None) -> str | None:
    return None if path is None else words_of_path(path)
