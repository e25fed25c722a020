"""Repairs in place: one for each check of the catalog, all of them in one transaction.

Each takes a connection within a transaction and says what it did. None takes away what a person entered as
long as there is something that it belongs to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from bindsearch.index.schema import METADATA
from bindsearch.index.upkeep.checks import ALLOWED, DIMENSIONS, MISSING_SEGMENTS, WRONG_COUNTS, bad_vectors
from bindsearch.index.upkeep.findings import Check
from bindsearch.index.upkeep.opening import BATCH
from bindsearch.index.upkeep.salvage import raise_sequence
from bindsearch.index.upkeep.schema_of import actual, pristine
from bindsearch.index.upkeep.wording import rebuild_words

Mend = Callable[[sqlite3.Connection], str]

# What takes the place of a word that means nothing. A location that is missing is looked for by the next
# run, a failure that is forgotten is tried again.
IN_PLACE = {
    ("roots", "state"): "'present'",
    ("locations", "state"): "'missing'",
    ("tags", "source"): "'hand'",
    ("contents", "modality"): (
        "coalesce((SELECT modality FROM segments WHERE content_id = contents.id "
        "AND modality IN ({allowed}) LIMIT 1), 'image')"
    ),
}


def _reindex(connection: sqlite3.Connection) -> str:
    connection.execute("REINDEX")
    return "built SQLite's indexes anew"


def _remake_schema(connection: sqlite3.Connection) -> str:
    there, names = actual(connection), []
    for made in pristine().values():
        one = there.get(made.name)
        if made.kind in ("index", "trigger") and (one is None or one.statement != made.statement):
            connection.execute(f"DROP {made.kind} IF EXISTS {made.name}")
            connection.execute(made.statement)
            names.append(made.name)
    return f"made anew: {', '.join(names)}"


def _correct_values(connection: sqlite3.Connection) -> str:
    count = 0
    for (table, column), allowed in ALLOWED.items():
        words = ", ".join(f"'{word}'" for word in allowed)
        strange = f"{column} NOT IN ({words})"
        if table == "failures":
            count += connection.execute(f"DELETE FROM failures WHERE {strange}").rowcount
        elif table == "segments":
            count += _doubt_segments(connection, strange)
        else:
            value = IN_PLACE[table, column].format(allowed=words)
            count += connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {strange}").rowcount
    count += connection.execute(
        "UPDATE spaces SET dimensions = coalesce((SELECT length(data) / 2 FROM vectors "
        "WHERE space_id = spaces.id GROUP BY length(data) ORDER BY count(*) DESC LIMIT 1), 1) "
        f"WHERE NOT ({DIMENSIONS})"
    ).rowcount
    return f"set right {count:,} values that mean nothing"


def _doubt_segments(connection: sqlite3.Connection, strange: str) -> int:
    """Segments of no modality get their content's, and lose their vectors, so that they are made again."""
    doomed = f"SELECT id FROM segments WHERE {strange}"
    connection.execute(f"DELETE FROM vectors WHERE segment_id IN ({doomed})")
    return connection.execute(
        "UPDATE segments SET modality = (SELECT modality FROM contents WHERE contents.id = content_id) "
        f"WHERE {strange} AND content_id IN (SELECT id FROM contents)"
    ).rowcount


def _drop_orphans(connection: sqlite3.Connection) -> str:
    counts: dict[str, int] = {}
    tags: list[str] = []
    for table in METADATA.sorted_tables:
        for key in table.foreign_keys:
            parent = key.column.table.name
            orphan = f"NOT EXISTS (SELECT 1 FROM {parent} WHERE {parent}.id = {table.name}.{key.parent.name})"
            if table.name == "tags":
                rows = connection.execute(f"SELECT DISTINCT name FROM tags WHERE {orphan} LIMIT 20")
                tags = [str(row[0]) for row in rows]
            count = connection.execute(f"DELETE FROM {table.name} WHERE {orphan}").rowcount
            if count:
                counts[table.name] = counts.get(table.name, 0) + count
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    named = f"; among the tags: {', '.join(tags)}" if tags else ""
    return f"took out what belongs to nothing: {told}{named}"


def _ask_for_segments(connection: sqlite3.Connection) -> str:
    """Put a segment without a vector where one is missing: the next run reads and cuts the file again."""
    rows = connection.execute(MISSING_SEGMENTS).fetchall()
    for content, _, wanted in rows:
        there = {
            row[0]
            for row in connection.execute("SELECT ordinal FROM segments WHERE content_id = ?", (content,))
        }
        missing = next(ordinal for ordinal in range(wanted + 1) if ordinal not in there)
        connection.execute(
            "INSERT INTO segments (content_id, ordinal, modality) SELECT id, ?, modality FROM contents "
            "WHERE id = ?",
            (missing, content),
        )
        # More than one may be missing; one that is marked is enough for the file to be read again.
        _close_ranks(connection, content)
    return f"marked {len(rows):,} contents that lack segments, to be read again"


def _close_ranks(connection: sqlite3.Connection, content: int) -> None:
    own = "SELECT id FROM segments WHERE content_id = ? ORDER BY ordinal"
    for ordinal, (segment,) in enumerate(connection.execute(own, (content,)).fetchall()):
        connection.execute("UPDATE segments SET ordinal = ? WHERE id = ?", (ordinal, segment))


def _count_places(connection: sqlite3.Connection) -> str:
    rows = [(counted, content) for content, _, counted in connection.execute(WRONG_COUNTS)]
    connection.executemany("UPDATE contents SET present_locations = ? WHERE id = ?", rows)
    return f"counted the places of {len(rows):,} contents anew"


def _raise_sequences(connection: sqlite3.Connection) -> str:
    for table, key in (("vectors", "id"), ("tombstones", "seq")):
        (highest,) = connection.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()
        connection.execute(
            "UPDATE sqlite_sequence SET seq = 0 WHERE name = ? AND typeof(seq) <> 'integer'", (table,)
        )
        raise_sequence(connection, table, highest)
    return "set the numbers of vectors and of tombstones right"


def _drop_false_tombstones(connection: sqlite3.Connection) -> str:
    count = connection.execute("DELETE FROM tombstones WHERE vector_id IN (SELECT id FROM vectors)").rowcount
    return f"took out the marks of {count:,} vectors that are not gone"


def _drop_bad_vectors(connection: sqlite3.Connection) -> str:
    doomed = [(key,) for key, _ in bad_vectors(connection)]
    for first in range(0, len(doomed), BATCH):
        connection.executemany("DELETE FROM vectors WHERE id = ?", doomed[first : first + BATCH])
    return f"took out {len(doomed):,} vectors that are none; the next index run makes them anew"


def _rebuild_words(connection: sqlite3.Connection) -> str:
    rebuild_words(connection)
    return "built the tables of words anew"


# In the order in which they have to be done.
MENDS: dict[Check, Mend] = {
    Check.INDEXES: _reindex,
    Check.SCHEMA: _remake_schema,
    Check.ORPHANS: _drop_orphans,
    Check.VALUES: _correct_values,
    Check.SEGMENTS: _ask_for_segments,
    Check.COUNTS: _count_places,
    Check.TOMBSTONES: _drop_false_tombstones,
    Check.VECTORS: _drop_bad_vectors,
    Check.SEQUENCES: _raise_sequences,
    Check.WORDS: _rebuild_words,
}
