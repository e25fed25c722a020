"""Damage of every sort: verifying finds it, repairing heals it, and nothing else changes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bindsearch.errors import LibraryDamaged, LibraryMissing
from bindsearch.index.catalog import Catalog
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.findings import Check, Severity
from bindsearch.index.upkeep.opening import for_writing
from bindsearch.index.upkeep.repairing import repair
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.index.upkeep.libraries import checks, damage, everything, execute, ids, index, without_triggers
from tests.tiny import TinyEncoder

# Damage that leaves all there is to know: repairing alone has to give the twin.
HEALED_AT_ONCE = {
    "a wrong count": (Check.COUNTS, ["UPDATE contents SET present_locations = 7 WHERE id = 3"]),
    "a count of nothing": (Check.COUNTS, ["UPDATE contents SET present_locations = 0 WHERE id = 4"]),
    "a missing trigger": (Check.SCHEMA, ["DROP TRIGGER locations_deleted"]),
    "another trigger": (
        Check.SCHEMA,
        [
            "DROP TRIGGER vectors_deleted",
            "CREATE TRIGGER vectors_deleted AFTER DELETE ON vectors BEGIN SELECT 1; END",
        ],
    ),
    "a missing index": (Check.SCHEMA, ["DROP INDEX locations_by_content"]),
    "a living vector marked as gone": (
        Check.TOMBSTONES,
        ["INSERT INTO tombstones (vector_id, space_id) SELECT id, space_id FROM vectors LIMIT 1"],
    ),
    "numbers that would be given twice": (Check.SEQUENCES, ["UPDATE sqlite_sequence SET seq = 2"]),
    "a space of no dimensions": (Check.VALUES, ["UPDATE spaces SET dimensions = 'many'"]),
    "a number that is none": (Check.SEQUENCES, ["UPDATE sqlite_sequence SET seq = 'x'"]),
    "no numbers": (Check.SEQUENCES, ["DELETE FROM sqlite_sequence"]),
    "a vector that is not finite": (
        Check.VECTORS,
        ["UPDATE vectors SET data = CAST(X'007C' || substr(data, 3) AS BLOB) WHERE id = 5"],
    ),
    "a vector of zeros": (Check.VECTORS, ["UPDATE vectors SET data = zeroblob(32) WHERE id = 6"]),
    "a vector that is too short": (Check.VECTORS, ["UPDATE vectors SET data = X'0000' WHERE id = 7"]),
    "a vector that is another": (
        Check.VIEWS,
        ["UPDATE vectors SET data = (SELECT data FROM vectors WHERE id = 9) WHERE id = 8"],
    ),
    "words that are gone": (Check.WORDS, ["DELETE FROM file_words WHERE rowid % 8 = 0"]),
    "words that are too many": (
        Check.WORDS,
        ["INSERT INTO segment_words (rowid, text) VALUES (4711, 'red')"],
    ),
    "a row of the words' own tables": (Check.WORDS, ["DELETE FROM file_words_docsize"]),
    "words whose index is torn": (
        Check.WORDS,
        ["UPDATE segment_words_data SET block = X'00' WHERE id > 10"],
    ),
    "words without their averages": (Check.WORDS, ["DELETE FROM segment_words_data WHERE id = 1"]),
    "a source of no meaning": (Check.VALUES, ["UPDATE tags SET source = 'nobody'"]),
    "a root in no state": (Check.VALUES, ["UPDATE roots SET state = 'gone fishing'"]),
    "a modality of no meaning": (
        Check.VALUES,
        ["UPDATE contents SET modality = 'smell' WHERE modality = 'text'"],
    ),
    "vectors of nothing": (
        Check.ORPHANS,
        ["INSERT INTO vectors (segment_id, space_id, data) SELECT 9999, 1, data FROM vectors WHERE id = 3"],
    ),
    "tags of nothing": (
        Check.ORPHANS,
        ["INSERT INTO tags (content_id, name, source, added_at) VALUES (9999, 'x', 'hand', 0)"],
    ),
}

# Damage of which the files know what is missing: repairing and the next index run together give the twin.
HEALED_BY_INDEXING = {
    "segments of one file gone": (Check.SEGMENTS, ["DELETE FROM segments WHERE content_id = 5"]),
    "the first of some segments gone": (
        Check.SEGMENTS,
        ["DELETE FROM segments WHERE ordinal = 0 AND modality = 'text'"],
    ),
    "segments of a modality of no meaning": (
        Check.VALUES,
        ["UPDATE segments SET modality = 'smell' WHERE content_id = 6"],
    ),
    "locations of no content": (Check.ORPHANS, ["UPDATE locations SET content_id = 9999 WHERE id = 4"]),
    "contents gone": (Check.ORPHANS, ["DELETE FROM contents WHERE id IN (7, 8)"]),
    "locations in no state": (Check.VALUES, ["UPDATE locations SET state = '?' WHERE id < 5"]),
    "failures at no stage": (Check.VALUES, ["UPDATE failures SET stage = 'fright'"]),
}


def view_files(library: Path) -> list[Path]:
    return sorted(file for file in (library / "vectors").glob("*/*") if file.name != "current.json")


def current(library: Path) -> Path:
    (manifest,) = (library / "vectors").glob("*/current.json")
    return manifest


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 4
    file.write_bytes(raw)


def test_a_sound_library_has_no_findings(sound: Path) -> None:
    assert list(verify(sound, files=True, contents=True)) == []


def test_where_there_is_no_library_nothing_is_made(tmp_path: Path) -> None:
    for act in (lambda: list(verify(tmp_path)), lambda: repair(tmp_path)):
        with pytest.raises(LibraryMissing):
            act()
    assert list(tmp_path.iterdir()) == []


def test_repairing_a_sound_library_does_nothing(sound: Path, harmed: Path) -> None:
    report = repair(harmed)
    assert (report.done, report.kept, report.left) == ([], [], [])
    assert everything(harmed) == everything(sound)


@pytest.mark.parametrize("what", HEALED_AT_ONCE)
def test_repairing_heals_what_contradicts_itself(what: str, sound: Path, harmed: Path) -> None:
    check, statements = HEALED_AT_ONCE[what]
    without_triggers(harmed, *(one for one in statements if "TRIGGER" not in one))
    execute(harmed, *(one for one in statements if "TRIGGER" in one))
    assert check in checks(harmed)
    report = repair(harmed)
    assert report.left == []
    assert report.done
    assert list(verify(harmed)) == []
    assert everything(harmed) == everything(sound)


@pytest.mark.parametrize("what", HEALED_BY_INDEXING)
def test_repairing_and_indexing_heal_what_only_files_can_tell(what: str, sound: Path, harmed: Path) -> None:
    check, statements = HEALED_BY_INDEXING[what]
    without_triggers(harmed, *statements)
    assert check in checks(harmed)
    report = repair(harmed)
    assert [found for found in report.left if found.severity is Severity.DAMAGE] == []
    index(harmed)
    assert list(verify(harmed)) == []
    healed, twin = everything(harmed), everything(sound)
    if what == "contents gone":  # and with them what was known of them only there
        healed.pop("tags"), twin.pop("tags")
    assert healed == twin


@pytest.mark.parametrize("harm", [cut, flip, Path.unlink])
def test_broken_files_of_a_vector_index_are_found_and_made_anew(
    harm: Callable[[Path], None], sound: Path, harmed: Path
) -> None:
    for file in view_files(harmed)[::2]:
        harm(file)
    assert checks(harmed) == {Check.VIEWS}
    assert repair(harmed).left == []
    assert everything(harmed) == everything(sound)
    with (
        Library(harmed, Settings(), TinyEncoder()) as mended,
        Library(sound, Settings(), TinyEncoder()) as twin,
    ):
        assert [hit.score for hit in mended.search("red")] == [hit.score for hit in twin.search("red")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}', "null", "\0\0"])
def test_a_manifest_that_makes_no_sense_is_found_and_made_anew(text: str, harmed: Path) -> None:
    current(harmed).write_text(text)
    assert checks(harmed) == {Check.VIEWS}
    assert repair(harmed).left == []


def test_a_vector_index_of_another_state_of_the_catalog_is_found(sound: Path, harmed: Path) -> None:
    without_triggers(harmed, "DELETE FROM vectors WHERE id IN (3, 4)")
    (found,) = damage(harmed)
    assert found.check is Check.VIEWS
    assert "2 vectors in it are not in the catalog" in found.problem
    assert [found.check for found in repair(harmed).left] == [Check.GAPS]
    index(harmed)
    assert list(verify(harmed)) == []
    assert everything(harmed) == everything(sound)


def test_deletions_that_were_told_are_no_damage(harmed: Path) -> None:
    with Library(harmed, Settings(), TinyEncoder()) as library:
        root = library.roots()[0].path
        library.forget([root / "note 3.txt", root / "film.mp4"])
    assert list(verify(harmed)) == []


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_faiss_indexes_are_compared_with_the_catalog(kind: str, tmp_path: Path) -> None:
    folder, library = tmp_path / "media", tmp_path / "library"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.txt").write_text("\n\n".join(f"note {n} {m} red " * 30 for m in range(300)))
    with Library(library, Settings(vector_index=kind), TinyEncoder()) as opened:
        opened.index(folder)
        assert set(opened._reading().index_kinds(TinyEncoder().space).values()) == {kind}
    before = everything(library)
    assert list(verify(library)) == []
    without_triggers(
        library, "UPDATE vectors SET data = (SELECT data FROM vectors WHERE id = 2) WHERE id = 11"
    )
    assert checks(library) == {Check.VIEWS}
    assert repair(library, index_kind=kind).left == []
    assert everything(library) == before
    without_triggers(library, "DELETE FROM vectors WHERE id = 12")
    (found,) = damage(library)
    assert "1 vectors in it are not in the catalog" in found.problem


def test_broken_reference_queries_are_found_and_made_by_the_next_run(harmed: Path) -> None:
    (file,) = (harmed / "vectors").glob("*.npy")
    before = file.read_bytes()
    cut(file)
    assert checks(harmed) == {Check.REFERENCES}
    assert repair(harmed).left == []
    index(harmed)
    assert file.read_bytes() == before


def test_files_that_changed_or_rotted_are_told_apart(tmp_path: Path) -> None:
    folder, library = tmp_path / "media", tmp_path / "library"
    folder.mkdir()
    for name in ("kept", "changed", "gone", "rotten"):
        (folder / f"{name}.txt").write_text(f"{name} and more words")
    with Library(library, Settings(), TinyEncoder()) as opened:
        opened.index(folder)
    (folder / "changed.txt").write_text("other words than there were")
    (folder / "gone.txt").unlink()
    rotten = folder / "rotten.txt"
    status = rotten.stat()
    with rotten.open("r+b") as file:
        file.write(b"R")
    os.utime(rotten, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert list(verify(library)) == []
    told = {Path(found.where).stem: found.severity for found in verify(library, files=True)}
    assert told == {"changed": Severity.CHANGED, "gone": Severity.CHANGED}
    told = {Path(found.where).stem: found.severity for found in verify(library, files=True, contents=True)}
    assert told == {"changed": Severity.CHANGED, "gone": Severity.CHANGED, "rotten": Severity.DAMAGE}


def page_of(library: Path, table: str) -> list[int]:
    """The leaf pages of a table, by number from 1."""
    root = ids(library, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")[0]
    raw = (library / CATALOG_FILE).read_bytes()
    size = 16_384
    page = raw[(root - 1) * size : root * size]
    if page[0] == 0x0D:
        return [root]
    cells = int.from_bytes(page[3:5], "big")
    places = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(cells)]
    return [int.from_bytes(page[at : at + 4], "big") for at in places] + [int.from_bytes(page[8:12], "big")]


def break_page(library: Path, number: int) -> None:
    with (library / CATALOG_FILE).open("r+b") as file:
        file.seek((number - 1) * 16_384)
        file.write(os.urandom(16_384))


@pytest.mark.parametrize("table", ["segments", "contents", "locations", "vectors", "tags", "failures"])
def test_a_page_that_is_overwritten_costs_its_own_rows_and_indexing_brings_them_back(
    table: str, sound: Path, harmed: Path
) -> None:
    break_page(harmed, page_of(harmed, table)[0])
    assert Check.STRUCTURE in checks(harmed)
    before = (harmed / CATALOG_FILE).read_bytes()
    report = repair(harmed)
    assert [found for found in report.left if found.severity is Severity.DAMAGE] == []
    (kept,) = [path for path in report.kept if "damaged" in path.name]
    assert len(kept.read_bytes()) == len(before)
    index(harmed)
    assert list(verify(harmed)) == []
    healed, twin = everything(harmed), everything(sound)
    if table in ("contents", "tags"):  # what a person entered and no file knows
        healed.pop("tags"), twin.pop("tags")
        healed.pop("file_words"), twin.pop("file_words")
    assert healed == twin


def test_of_a_table_of_many_pages_all_rows_but_those_of_broken_pages_are_salvaged(tmp_path: Path) -> None:
    library = tmp_path / "library"
    Catalog.create(library).close()
    rows = ", ".join(f"({n}, 1, CAST('{n:05} {'x' * 60}' AS BLOB), 'read', 'no', 0)" for n in range(1, 2001))
    execute(
        library,
        "INSERT INTO roots (id, path, state, added_at) VALUES (1, X'2F72', 'present', 0)",
        f"INSERT INTO failures (id, root_id, path, stage, reason, failed_at) VALUES {rows}",
    )
    leaves = page_of(library, "failures")
    assert len(leaves) > 8
    for number in (2, 5):
        break_page(library, leaves[number])
    repair(library)
    left = set(ids(library, "SELECT id FROM failures"))
    a_page = 2000 / len(leaves)
    assert 2000 - 2.5 * a_page < len(left) < 2000
    assert {1, 2000} <= left
    assert list(verify(library)) == []


def test_indexes_of_sqlite_that_lack_rows_are_built_anew(sound: Path, harmed: Path) -> None:
    with closing(for_writing(harmed / CATALOG_FILE)) as connection:
        # Rows that come while the schema hides the index from SQLite do not get into it.
        index_row = connection.execute(
            "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = 'vectors_by_space'"
        ).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("DELETE FROM sqlite_master WHERE name = 'vectors_by_space'")
    with closing(for_writing(harmed / CATALOG_FILE)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM vectors WHERE id = 9")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index_row)
    assert Check.INDEXES in checks(harmed)
    repair(harmed)
    index(harmed)
    assert list(verify(harmed)) == []
    assert everything(harmed) == everything(sound)


@pytest.mark.parametrize(
    "content", [b"", b"no database at all " * 2000, b"SQLite format 3\0" + bytes(40_000)]
)
def test_a_catalog_of_which_nothing_can_be_read_is_left_alone(content: bytes, harmed: Path) -> None:
    (harmed / CATALOG_FILE).write_bytes(content)
    assert damage(harmed)
    with pytest.raises(LibraryDamaged, match=r"nothing of its catalog|not a database"):
        repair(harmed)
    assert (harmed / CATALOG_FILE).read_bytes() == content
    assert current(harmed).exists()


def test_verifying_takes_no_lock_and_sees_one_moment_while_another_writes(harmed: Path) -> None:
    with closing(sqlite3.connect(harmed / CATALOG_FILE, isolation_level=None)) as writer:
        looking = verify(harmed)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE contents SET present_locations = 5 WHERE id = 1")
        assert list(looking) == []
        writer.execute("ROLLBACK")
