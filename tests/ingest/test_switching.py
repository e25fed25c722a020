"""A library that is told to use another space: the old one answers until the new one is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindsearch.encoders import Encoder
from bindsearch.errors import EncoderError
from bindsearch.index.active import ActiveSpaces
from bindsearch.index.peek import peek_answering
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.media import BLUE, GREEN, RED, picture
from tests.tiny import APART, TinyEncoder

SETTINGS = Settings(space="one")


class Shelf:
    """Opens tiny encoders by name: "one" and "two" are of two spaces."""

    def __init__(self) -> None:
        self.encoders = {"one": TinyEncoder(revision="1"), "two": TinyEncoder(revision="2")}

    def __call__(self, name: str) -> Encoder:
        if name not in self.encoders:
            raise EncoderError("is not installed", subject=name)
        return self.encoders[name]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def switching(tmp_path: Path, folder: Path, shelf: Shelf) -> Library:
    """A library in space one with two pictures, in two folders."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    picture(folder / "a" / "red.png", RED)
    picture(folder / "b" / "green.png", GREEN)
    library = Library(tmp_path / "library", SETTINGS, opener=shelf)
    library.index(folder)
    return library


def names(library: Library, query: str = "red") -> list[str]:
    return [hit.path.name for hit in library.search(query, options=APART)]


def test_the_old_space_answers_until_the_new_one_is_complete(
    switching: Library, folder: Path, shelf: Shelf
) -> None:
    assert switching.use("two") == ActiveSpaces("one", "two", 0, 2)
    assert names(switching) == ["red.png", "green.png"]
    switching.index(folder / "a")
    assert switching.active_spaces() == ActiveSpaces("one", "two", 1, 2)
    assert names(switching) == ["red.png", "green.png"]
    switching.close()
    with Library(switching.folder, SETTINGS, opener=shelf) as reopened:
        assert reopened.active_spaces() == ActiveSpaces("one", "two", 1, 2)
        assert reopened.encoder.space.revision == "1"
        reopened.index()
        assert reopened.active_spaces() == ActiveSpaces("two")
        assert reopened.encoder.space.revision == "2"
        assert names(reopened) == ["red.png", "green.png"]
    with Library(switching.folder, SETTINGS, opener=shelf) as again:
        assert again.encoder.space.revision == "2"
    assert peek_answering(switching.folder) == "two"


def test_a_reader_that_stays_open_follows_the_switch(switching: Library, shelf: Shelf) -> None:
    assert names(switching)
    with Library(switching.folder, SETTINGS, opener=shelf) as other:
        other.use("two")
        other.index()
    assert switching.encoder.space.revision == "2"
    assert names(switching) == ["red.png", "green.png"]


def test_what_is_new_while_a_space_is_filled_is_found_at_once(switching: Library, folder: Path) -> None:
    switching.use("two")
    picture(folder / "a" / "blue.png", BLUE)
    switching.index(folder / "a")
    assert switching.active_spaces() == ActiveSpaces("one", "two", 2, 3)
    assert names(switching, "blue")[0] == "blue.png"


def test_going_back_is_immediate_since_the_vectors_are_still_there(switching: Library, shelf: Shelf) -> None:
    switching.use("two")
    switching.index()
    calls = shelf.encoders["one"].calls
    assert switching.use("one") == ActiveSpaces("one")
    assert names(switching) == ["red.png", "green.png"]
    assert shelf.encoders["one"].calls == calls + 1, "one for the query, none for files"


def test_a_change_of_mind_before_the_end_leaves_everything_as_it_was(switching: Library) -> None:
    switching.use("two")
    assert switching.use("one") == ActiveSpaces("one")
    report = switching.index()
    assert (report.indexed, report.unchanged) == (0, 2)


def test_only_what_is_present_and_of_its_modalities_has_to_be_in_the_new_space(
    switching: Library, folder: Path, shelf: Shelf
) -> None:
    (folder / "note.txt").write_text("blue")
    switching.index()
    (folder / "b" / "green.png").unlink()
    switching.index()
    space = shelf.encoders["two"].space
    object.__setattr__(space, "modalities", space.modalities - {"text"})
    assert switching.use("two") == ActiveSpaces("one", "two", 0, 1)
    switching.index()
    assert switching.active_spaces() == ActiveSpaces("two")
    assert switching.use("one") == ActiveSpaces("one")
    assert names(switching, "blue")[0] == "note.txt", "the note has kept its place and its vectors"


def test_an_empty_library_takes_the_new_space_at_once(tmp_path: Path, shelf: Shelf) -> None:
    with Library(tmp_path / "new", SETTINGS, opener=shelf) as library:
        assert library.use("two") == ActiveSpaces("two")


def test_a_space_that_can_answer_no_more_is_left_at_once(switching: Library, shelf: Shelf) -> None:
    del shelf.encoders["one"]
    with Library(switching.folder, SETTINGS, opener=shelf) as library:
        assert library.use("two") == ActiveSpaces("two")


def test_an_unknown_space_changes_nothing(switching: Library) -> None:
    with pytest.raises(EncoderError, match="three: is not installed"):
        switching.use("three")
    assert switching.active_spaces() == ActiveSpaces("one")


def test_a_look_without_sqlalchemy_sees_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    assert peek_answering(tmp_path) is None
    (tmp_path / "catalog.sqlite3").write_bytes(b"no database")
    assert peek_answering(tmp_path) is None
