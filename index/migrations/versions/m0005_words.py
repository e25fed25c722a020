"""Words: two full text tables and the triggers that keep them.

``file_words`` holds what is known of a file as a whole, a row for each location, title and tag, under the
number ``4 * id + kind`` (0 location, 1 title, 2 tag). ``segment_words`` holds the texts of segments under
their ids, and no copy of them: to take a row out, FTS5 is told once more what was in it.
"""

import sqlite3

from alembic import op

from bindsearch.errors import LibraryError
from bindsearch.index.word_functions import register

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TOKENIZER = "tokenize = 'unicode61 remove_diacritics 2'"

# A root that is itself a file has one location, ".", and its name is the root's.
NAME = (
    "name_words_1(CASE WHEN {row}.path = X'2E' "
    "THEN (SELECT path FROM roots WHERE id = {row}.root_id) ELSE {row}.path END)"
)
ADD_LOCATION = (
    "INSERT INTO file_words (rowid, name, folder) "
    f"SELECT 4 * {{row}}.id, {NAME}, folder_words_1({{row}}.path)"
)
ADD_TITLE = "INSERT INTO file_words (rowid, title) SELECT 4 * {row}.id + 1, text_words_1({row}.title)"
ADD_TAG = "INSERT INTO file_words (rowid, tag) SELECT 4 * {row}.id + 2, text_words_1({row}.name)"
ADD_TEXT = "INSERT INTO segment_words (rowid, text) SELECT {row}.id, text_words_1({row}.text)"
DROP = "DELETE FROM file_words WHERE rowid = 4 * OLD.id + {kind}"
DROP_TEXT = (
    "INSERT INTO segment_words (segment_words, rowid, text) SELECT 'delete', OLD.id, text_words_1(OLD.text)"
)


def upgrade() -> None:
    """Make the tables and triggers, and take in the words of what is there already."""
    connection = op.get_bind()
    known = connection.exec_driver_sql("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'")
    if not known.scalar() or sqlite3.sqlite_version_info < (3, 27):
        raise LibraryError(
            "words cannot be indexed: this Python's SQLite has no FTS5",
            subject=f"SQLite {sqlite3.sqlite_version}",
            hint="install a Python whose sqlite3 module has it, 3.27 or later",
        )
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    register(driver)
    op.execute(f"CREATE VIRTUAL TABLE file_words USING fts5(name, folder, title, tag, {TOKENIZER})")
    op.execute(f"CREATE VIRTUAL TABLE segment_words USING fts5(text, content = '', {TOKENIZER})")
    for trigger in _triggers():
        op.execute(trigger)
    op.execute(ADD_LOCATION.format(row="locations") + " FROM locations")
    op.execute(ADD_TITLE.format(row="contents") + " FROM contents WHERE title IS NOT NULL")
    op.execute(ADD_TAG.format(row="tags") + " FROM tags")
    op.execute(ADD_TEXT.format(row="segments") + " FROM segments WHERE text IS NOT NULL")


def _triggers() -> list[str]:
    return [
        *_kept("locations", "path, root_id", ADD_LOCATION, DROP.format(kind=0)),
        *_kept("contents", "title", ADD_TITLE, DROP.format(kind=1)),
        *_kept("tags", "name", ADD_TAG, DROP.format(kind=2)),
        *_kept("segments", "text", ADD_TEXT, DROP_TEXT),
    ]


def _kept(table: str, columns: str, add: str, drop: str) -> list[str]:
    """Triggers that keep the words of ``table`` while rows come, change in ``columns``, and go."""
    column = columns.partition(",")[0]
    added = f"{add.format(row='NEW')} WHERE NEW.{column} IS NOT NULL"
    dropped = f"{drop}{' AND' if ' WHERE ' in drop else ' WHERE'} OLD.{column} IS NOT NULL"
    changed = " OR ".join(f"OLD.{one} IS NOT NEW.{one}" for one in ("id", *columns.split(", ")))
    return [
        f"CREATE TRIGGER words_of_{table}_inserted AFTER INSERT ON {table} BEGIN {added}; END",
        f"CREATE TRIGGER words_of_{table}_deleted AFTER DELETE ON {table} BEGIN {dropped}; END",
        f"CREATE TRIGGER words_of_{table}_updated AFTER UPDATE OF id, {columns} ON {table} "
        f"WHEN {changed} BEGIN {dropped}; {added}; END",
    ]
