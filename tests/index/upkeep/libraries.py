"""A small library of pictures, notes and a film, and ways to damage it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.schema import TagSource
from bindsearch.index.tags import NewTag, put_tags
from bindsearch.index.upkeep.findings import Check, Finding, Severity
from bindsearch.index.upkeep.opening import for_writing
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.dump import dump
from tests.media import film, picture
from tests.tiny import TinyEncoder

PICTURES = 60
NOTES = 30


def make_media(folder: Path) -> None:
    """Pictures, two of them alike, notes of several passages, a film, and a file that cannot be read."""
    folder.mkdir(exist_ok=True)
    for n in range(PICTURES):
        picture(folder / f"{n:03} holiday.png", (4 * n, (7 * n) % 256, (13 * n) % 256))
    shutil.copy(folder / "003 holiday.png", folder / "a copy.png")
    for n in range(NOTES):
        (folder / f"note {n}.txt").write_text(
            f"note {n}\n\n" + "red words " * 90 + "\n\n" + "blue words " * 90
        )
    film(folder / "film.mp4", [(40, 90, 200), (200, 40, 20)], seconds=0.5)
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff")


def make_library(library: Path, media: Path) -> None:
    """Index ``media`` and tag two contents."""
    with Library(library, Settings(), TinyEncoder()) as opened:
        opened.index(media)
        with opened._writing() as store, store.catalog.write() as session:
            put_tags(session, TagSource.HAND, [NewTag(1, "summer"), NewTag(2, "Summer at the sea")])
        opened.search("red")  # writes the vector index


def index(library: Path) -> None:
    """Bring every root up to date."""
    with Library(library, Settings(), TinyEncoder()) as opened:
        opened.index()


def everything(library: Path) -> dict[str, object]:
    """What two libraries are compared by: all that ``dump`` says, and tags and words that find."""
    state = dump(library)
    with closing(sqlite3.connect(library / CATALOG_FILE)) as connection:
        tags = "SELECT hex(identity), name, source FROM tags JOIN contents ON contents.id = content_id"
        state["tags"] = sorted(connection.execute(tags).fetchall())
        for table in ("file_words", "segment_words"):
            query = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"
            state[table] = [
                connection.execute(query, (word,)).fetchone() for word in ("holiday", "red", "summer")
            ]
    return state


def execute(library: Path, *statements: str, schema: bool = False) -> None:
    """Run statements behind the back of triggers and foreign keys."""
    with closing(for_writing(library / CATALOG_FILE)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        if schema:
            connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def without_triggers(library: Path, *statements: str) -> None:
    """Run statements while there are no triggers."""
    with closing(for_writing(library / CATALOG_FILE)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, statement in triggers:
            connection.execute(statement)


def merge_log(library: Path) -> None:
    """Bring all into the one file."""
    with closing(sqlite3.connect(library / CATALOG_FILE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def damage(library: Path, **options: bool) -> list[Finding]:
    """What verifying says is damaged."""
    return [found for found in verify(library, **options) if found.severity is Severity.DAMAGE]


def checks(library: Path) -> set[Check]:
    """Which checks find damage."""
    return {found.check for found in damage(library)}


def ids(library: Path, query: str) -> list[int]:
    """The first column of what a query answers."""
    with closing(sqlite3.connect(library / CATALOG_FILE)) as connection:
        return [row[0] for row in connection.execute(query)]
