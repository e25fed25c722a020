"""Compacting frees room and changes nothing that anybody can see; which tombstones stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindsearch.errors import LibraryBusy
from bindsearch.index.lock import writer_lock
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.compacting import compact
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.index.upkeep.libraries import everything, execute, ids
from tests.tiny import APART, TinyEncoder


def forget_most(library: Path) -> None:
    with Library(library, Settings(), TinyEncoder()) as opened:
        root = opened.roots()[0].path
        opened.forget([root / f"note {n}.txt" for n in range(25)])


def test_compacting_changes_nothing_but_the_room_that_is_taken(harmed: Path) -> None:
    forget_most(harmed)
    execute(harmed, "CREATE TABLE ballast (x)", "INSERT INTO ballast VALUES (zeroblob(3000000))")
    execute(harmed, "DROP TABLE ballast")
    before, size = everything(harmed), (harmed / CATALOG_FILE).stat().st_size
    gone = len(ids(harmed, "SELECT seq FROM tombstones"))
    assert gone > 20
    report = compact(harmed)
    assert report.after < report.before
    assert (harmed / CATALOG_FILE).stat().st_size < size - 2_900_000
    assert (report.tombstones, report.alone, report.log_cut) == (gone, True, True)
    assert ids(harmed, "SELECT seq FROM tombstones") == []
    assert everything(harmed) == before
    assert list(verify(harmed)) == []


def test_numbers_of_vectors_are_not_given_twice_after_compacting(harmed: Path) -> None:
    forget_most(harmed)
    highest = max(ids(harmed, "SELECT vector_id FROM tombstones"))
    execute(harmed, "DELETE FROM vectors WHERE id > 50")
    compact(harmed)
    with Library(harmed, Settings(), TinyEncoder()) as library:
        library.index()
    assert list(verify(harmed)) == []
    assert min(set(ids(harmed, "SELECT id FROM vectors WHERE id > 50"))) > highest


def test_a_reader_that_has_the_library_open_goes_on_being_right(harmed: Path) -> None:
    with Library(harmed, Settings(), TinyEncoder()) as reader:
        reader.search("red", 300, options=APART)
        forget_most(harmed)
        report = compact(harmed)
        assert (report.alone, report.tombstones) == (False, 0)
        found = reader.search("red", 300, options=APART)
        with Library(harmed, Settings(), TinyEncoder()) as fresh:
            again = fresh.search("red", 300, options=APART)
        assert [(hit.segment_id, hit.score) for hit in found] == [
            (hit.segment_id, hit.score) for hit in again
        ]
    assert compact(harmed).tombstones > 20


def test_a_generation_left_from_before_keeps_the_tombstones_that_it_needs(harmed: Path) -> None:
    """One that a reader wrote last, of an earlier moment, is the one that counts."""
    from bindsearch.index.upkeep.compacting import _drop_tombstones

    forget_most(harmed)
    needed = ids(harmed, "SELECT seq FROM tombstones ORDER BY seq")
    # The generation in force was written before anything was forgotten.
    assert _drop_tombstones(harmed / CATALOG_FILE) == 0
    assert ids(harmed, "SELECT seq FROM tombstones ORDER BY seq") == needed
    with Library(harmed, Settings(), TinyEncoder()) as library:
        assert all(
            "note" not in hit.path.name or int(hit.path.stem[5:]) >= 25 for hit in library.search("red", 99)
        )


def test_compacting_waits_for_nobody(harmed: Path) -> None:
    with writer_lock(harmed), pytest.raises(LibraryBusy):
        compact(harmed)
