"""Names that change how bytes are read, and permissions that come back: what a fresh scan says holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bindsearch.ingest.library import Library
from tests.media import RED, picture


def known(library: Library) -> tuple[set[str], set[str]]:
    """The names that a search finds, and those that failed."""
    failed = library.failures() + library.failures(unsupported=True)
    return {hit.path.name for hit in library.search("red", 9)}, {one.path.name for one in failed}


def test_a_note_that_is_renamed_to_a_picture_is_refused_and_taken_back_under_its_name(
    library: Library, folder: Path
) -> None:
    note = folder / "note.txt"
    note.write_text("a red note")
    library.index(folder)
    note.rename(folder / "note.png")
    library.index(folder)
    assert known(library) == (set(), {"note.png"})
    (folder / "note.png").rename(note)
    library.index(folder)
    assert known(library) == ({"note.txt"}, set())


def test_a_suffix_that_changes_in_case_only_is_a_move(library: Library, folder: Path) -> None:
    picture(folder / "a.png", RED)
    library.index(folder)
    (folder / "a.png").rename(folder / "b.PNG")
    report = library.index(folder)
    assert (report.moved, report.indexed, report.recognised) == (1, 0, 0)
    assert known(library) == ({"b.PNG"}, set())


def test_a_file_that_is_written_to_under_one_of_its_names_has_the_others_looked_at(
    library: Library, folder: Path
) -> None:
    picture(folder / "a.png", RED)
    os.link(folder / "a.png", folder / "b.png")
    library.index(folder)
    (folder / "a.png").write_bytes(b"no picture any more")
    report = library.index(folder / "a.png")
    assert report.restless == [folder / "b.png"]
    assert library.index(folder / "b.png").restless == []
    assert known(library) == (set(), {"a.png", "b.png"})


def test_a_file_that_may_be_read_again_is_taken_in_without_being_touched(
    library: Library, folder: Path
) -> None:
    path = picture(folder / "a.png", RED)
    path.chmod(0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this user can read whatever its permissions say")
    library.index(folder)
    assert known(library) == (set(), {"a.png"})
    path.chmod(0o644)
    library.index(folder)
    assert known(library) == ({"a.png"}, set())
