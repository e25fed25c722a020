"""One look into a library without SQLAlchemy, whose import takes as long as loading a model does.

It serves to load the right model meanwhile. Where it sees nothing, whatever the reason, nothing is lost but
time: who opens the library learns the truth.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

CATALOG_FILE = "catalog.sqlite3"


def peek_answering(library: Path) -> str | None:
    """The name of the space that answers searches, None if the library has chosen none or cannot be read."""
    try:
        address = f"file:{quote(str(library / CATALOG_FILE))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            row = connection.execute("SELECT name FROM active_spaces WHERE role = 'answering'").fetchone()
    except (sqlite3.Error, UnicodeEncodeError):
        return None
    return None if row is None else str(row[0])
