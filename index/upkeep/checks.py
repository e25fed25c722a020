"""The catalog against itself: each check is a function from a snapshot to findings.

All of them stream; the largest thing held is a batch of vectors. They run with any damage: what SQLite
refuses to read is a finding, too.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

from bindsearch.answers import State
from bindsearch.index.schema import Stage, TagSource
from bindsearch.index.upkeep.findings import INDEX, Check, Finding, Severity
from bindsearch.index.upkeep.opening import BATCH, UNREADABLE
from bindsearch.index.upkeep.schema_of import actual, pristine
from bindsearch.index.upkeep.wording import check_words
from bindsearch.modality import Modality

MOST_TOLD = 20  # findings of one check; the rest is a number
NORM_TOLERANCE = 1e-2

_OF_INDEXES = re.compile(r"row \d+ missing from index|wrong # of entries in index|non-unique entry in index")

# Columns that hold one of a few words, and which.
ALLOWED = {
    ("roots", "state"): tuple(State),
    ("locations", "state"): tuple(State),
    ("failures", "stage"): tuple(Stage),
    ("tags", "source"): tuple(TagSource),
    ("contents", "modality"): tuple(Modality),
    ("segments", "modality"): tuple(Modality),
}

DIMENSIONS = "typeof(dimensions) = 'integer' AND dimensions BETWEEN 1 AND 100000"

# A segment that is not there: its content has none, or a number is left out.
MISSING_SEGMENTS = """
    SELECT contents.id, count(segments.id), coalesce(max(segments.ordinal) + 1, 1)
    FROM contents LEFT JOIN segments ON segments.content_id = contents.id
    GROUP BY contents.id HAVING count(segments.id) <> coalesce(max(segments.ordinal) + 1, 1)
"""
WRONG_COUNTS = """
    SELECT contents.id, contents.present_locations, count(locations.id)
    FROM contents LEFT JOIN locations ON locations.content_id = contents.id AND locations.state = 'present'
    GROUP BY contents.id HAVING contents.present_locations IS NOT count(locations.id)
"""
LIVING_DEAD = """
    SELECT vectors.id FROM tombstones JOIN vectors ON vectors.id = tombstones.vector_id
"""
# What searches ask for and the answering space has no vector of. A modality of which it has none at all is
# one that it does not embed, unless it says otherwise; what it has tried in vain is a failure, not a gap.
LACKING = """
    SELECT count(*), min(segments.id) FROM segments
    JOIN contents ON contents.id = segments.content_id AND contents.present_locations > 0
    WHERE segments.modality IN ({modalities}) AND NOT EXISTS (
        SELECT 1 FROM vectors WHERE vectors.segment_id = segments.id AND vectors.space_id = ?
    ) AND NOT EXISTS (
        SELECT 1 FROM locations JOIN failures
            ON failures.root_id = locations.root_id AND failures.path = locations.path
        WHERE locations.content_id = contents.id AND failures.stage = 'encode'
    )
"""

CheckFunction = Callable[[sqlite3.Connection], Iterator[Finding]]


def check_catalog(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Every finding about the catalog that ``connection`` sees."""
    for check, look in CHECKS.items():
        found = _guarded(check, look, connection)
        told = list(islice(found, MOST_TOLD))
        yield from told
        rest = sum(1 for _ in found)
        if rest:
            yield Finding(check, "catalog", f"and {rest:,} more like these", told[-1].severity)


def _guarded(check: Check, look: CheckFunction, connection: sqlite3.Connection) -> Iterator[Finding]:
    try:
        yield from look(connection)
    except UNREADABLE as error:
        # What cannot even be read is beyond any repair in place, whichever check met it.
        part = Check.WORDS if check is Check.WORDS else Check.STRUCTURE
        yield Finding(part, "catalog", f"its {check} cannot be read: {error}")


def _structure(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (line,) in connection.execute("PRAGMA main.integrity_check"):
        if line != "ok":
            check = Check.INDEXES if _OF_INDEXES.match(line) else Check.STRUCTURE
            yield Finding(check, "catalog", " ".join(line.split()))


def _schema(connection: sqlite3.Connection) -> Iterator[Finding]:
    there = actual(connection)
    for made in pristine().values():
        one = there.get(made.name)
        if one is None or one.statement != made.statement:
            # Tables hold what cannot be made anew, so that another way has to be found for them.
            check = Check.STRUCTURE if made.kind == "table" else Check.SCHEMA
            problem = "is missing" if one is None else "is not what it should be"
            yield Finding(check, f"{made.kind} {made.name}", problem)


def _orphans(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table, row, parent, _ in connection.execute("PRAGMA main.foreign_key_check"):
        yield Finding(Check.ORPHANS, f"{table} {row}", f"belongs to nothing in {parent}")


def _values(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (table, column), allowed in ALLOWED.items():
        marks = ", ".join("?" * len(allowed))
        query = f"SELECT id, {column} FROM {table} WHERE {column} NOT IN ({marks})"
        for row, value in connection.execute(query, tuple(map(str, allowed))):
            yield Finding(Check.VALUES, f"{table} {row}", f"{column} is {str(value)[:40]!r}")
    for row, value in connection.execute(f"SELECT id, dimensions FROM spaces WHERE NOT ({DIMENSIONS})"):
        yield Finding(Check.VALUES, f"spaces {row}", f"dimensions are {str(value)[:40]!r}")


def _segments(connection: sqlite3.Connection) -> Iterator[Finding]:
    for content, count, wanted in connection.execute(MISSING_SEGMENTS):
        yield Finding(Check.SEGMENTS, f"content {content}", f"{count} of at least {wanted} segments are here")


def _counts(connection: sqlite3.Connection) -> Iterator[Finding]:
    for content, told, counted in connection.execute(WRONG_COUNTS):
        problem = f"says that it is present in {told} places, and is in {counted}"
        yield Finding(Check.COUNTS, f"content {content}", problem)


def _sequences(connection: sqlite3.Connection) -> Iterator[Finding]:
    given = dict(connection.execute("SELECT name, seq FROM sqlite_sequence"))
    for table, key in (("vectors", "id"), ("tombstones", "seq")):
        (highest,) = connection.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()
        last = given.get(table, 0)
        if not isinstance(last, int) or last < highest:
            yield Finding(Check.SEQUENCES, table, f"numbers up to {highest} are used, {last} is on record")


def _tombstones(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (vector,) in connection.execute(LIVING_DEAD):
        yield Finding(Check.TOMBSTONES, f"vector {vector}", "is here, and is marked as gone")


def _vectors(connection: sqlite3.Connection) -> Iterator[Finding]:
    for vector, problem in bad_vectors(connection):
        yield Finding(Check.VECTORS, f"vector {vector}", problem)


def bad_vectors(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """The ids of vectors that are not what vectors are, and why."""
    spaces = connection.execute(f"SELECT id, dimensions FROM spaces WHERE {DIMENSIONS}").fetchall()
    for space, dimensions in spaces:
        rows = connection.execute("SELECT id, data FROM vectors WHERE space_id = ? ORDER BY id", (space,))
        while batch := rows.fetchmany(BATCH):
            sized = [
                (key, data) for key, data in batch if isinstance(data, bytes) and len(data) == 2 * dimensions
            ]
            if len(sized) < len(batch):
                fine = {key for key, _ in sized}
                yield from ((key, f"is not {dimensions} numbers") for key, _ in batch if key not in fine)
            yield from _not_unit(sized, dimensions)


def _not_unit(batch: list[tuple[int, bytes]], dimensions: int) -> Iterator[tuple[int, str]]:
    rows = np.frombuffer(b"".join(data for _, data in batch), "<f2").reshape(len(batch), dimensions)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    for place in np.flatnonzero(~(np.abs(norms - 1) < NORM_TOLERANCE)):
        length = f"is {norms[place]:.3g} long, not 1" if np.isfinite(norms[place]) else "is not finite"
        yield batch[place][0], length


def _gaps(connection: sqlite3.Connection) -> Iterator[Finding]:
    for space, name, modalities in _answering(connection):
        if modalities:
            query = LACKING.format(modalities=", ".join("?" * len(modalities)))
            count, first = connection.execute(query, (*modalities, space)).fetchone()
            if count:
                problem = f"{count:,} segments have no vector, the first is segment {first}"
                yield Finding(Check.GAPS, f"space {name}", problem, Severity.GAP, INDEX)


def _answering(connection: sqlite3.Connection) -> list[tuple[int, str, list[str]]]:
    """The space that answers, or every space as long as none was chosen: id, name, what it embeds."""
    query = (
        "SELECT spaces.id, spaces.name, active_spaces.modalities FROM spaces "
        "JOIN active_spaces ON active_spaces.key = spaces.key WHERE active_spaces.role = 'answering'"
    )
    chosen = [(row[0], row[1], str(row[2]).split()) for row in connection.execute(query)]
    (any_chosen,) = connection.execute("SELECT count(*) FROM active_spaces").fetchone()
    if chosen or any_chosen:
        return chosen
    held = (
        "SELECT DISTINCT modality FROM segments WHERE EXISTS "
        "(SELECT 1 FROM vectors WHERE vectors.segment_id = segments.id AND vectors.space_id = ?)"
    )
    return [
        (space, name, [row[0] for row in connection.execute(held, (space,))])
        for space, name in connection.execute("SELECT id, name FROM spaces").fetchall()
    ]


CHECKS: dict[Check, CheckFunction] = {
    Check.STRUCTURE: _structure,
    Check.SCHEMA: _schema,
    Check.ORPHANS: _orphans,
    Check.VALUES: _values,
    Check.SEGMENTS: _segments,
    Check.COUNTS: _counts,
    Check.SEQUENCES: _sequences,
    Check.TOMBSTONES: _tombstones,
    Check.VECTORS: _vectors,
    Check.WORDS: check_words,
    Check.GAPS: _gaps,
}
