"""Words in a search: names, tags and notes rank together with meaning, or alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from bindsearch.answers import SearchOptions, Via
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.index.store import Store
from bindsearch.ingest.library import Library
from bindsearch.ingest.tagging import tag_by_hand
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.media import BLUE, GREEN, RED, picture
from tests.tiny import APART, TinyEncoder

EXACT = SearchOptions(exact=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media = tmp_path / "media"
    for number in range(20):
        (media / f"roll {number % 4}").mkdir(parents=True, exist_ok=True)
        picture(media / f"roll {number % 4}" / f"P{number:03}.png", (12 * number, 40, 255 - 12 * number))
    picture(media / "zorvella.png", GREEN)
    picture(media / "roll 1" / "zorvella and me.png", BLUE)
    picture(media / "wall.png", RED)
    (media / "notes.md").write_text("zorvella likes red walls\n")
    return media


@pytest.fixture
def library(tmp_path: Path, folder: Path) -> Iterator[Library]:
    with Library(tmp_path / "library", Settings(), TinyEncoder()) as made:
        made.index(folder)
        yield made


def names(hits: object) -> list[str]:
    return [hit.path.name for hit in hits]  # type: ignore[attr-defined]


def test_a_name_that_no_encoder_knows_is_found_among_the_first(library: Library) -> None:
    hits = library.search("zorvella", 4)
    assert {"zorvella.png", "zorvella and me.png"} <= set(names(hits)[:3])
    assert {hit.path.name: hit.via for hit in hits}["zorvella.png"] is Via.BOTH
    assert hits.used == {Via.MEANING, Via.WORDS}


def test_without_words_it_is_ranked_by_meaning_alone(library: Library) -> None:
    hits = library.search("zorvella", 30, options=SearchOptions(words=False, duplicates=True))
    assert hits.used == {Via.MEANING}
    assert {hit.via for hit in hits} == {Via.MEANING}
    by_standing = sorted(hits, key=lambda hit: -(hit.standing or 0))
    assert names(hits) == names(by_standing)


def test_a_word_adds_to_the_standing_of_what_bears_it_and_of_nothing_else(library: Library) -> None:
    plain = library.search("zorvella", 30, options=SearchOptions(words=False, duplicates=True))
    both = library.search("zorvella", 30, options=APART)
    before = {hit.segment_id: hit.standing or 0.0 for hit in plain}
    assert len(before) == 24
    for hit in both:
        added = (hit.standing or 0.0) - before[hit.segment_id]
        assert added > 0.5 if hit.via is Via.BOTH else added == pytest.approx(0.0, abs=1e-5)


def test_meaning_decides_between_files_of_one_name(library: Library) -> None:
    found = names(library.search("zorvella blue", 30, options=APART))
    assert found.index("zorvella and me.png") < found.index("zorvella.png")


def test_filters_hold_for_what_words_find(library: Library, folder: Path) -> None:
    inside = library.search("zorvella", 30, Filter(folders=(str(folder / "roll 1"),)), APART)
    assert all(hit.path.parent.name == "roll 1" for hit in inside)
    assert "zorvella and me.png" in names(inside)[:1]
    notes = library.search("zorvella", 30, Filter(modalities=frozenset({Modality.TEXT})))
    assert names(notes) == ["notes.md"]


def test_a_tag_is_a_word(tmp_path: Path, library: Library, folder: Path) -> None:
    with Store.writing(tmp_path / "library") as store:
        tag_by_hand(store, "quidditch", [str(folder / "roll 2" / "P006.png")])
    hit = library.search("quidditch", 1)[0]
    assert (hit.path.name, hit.via, hit.tags) == ("P006.png", Via.BOTH, ("quidditch",))


def test_a_file_asks_no_words(library: Library, folder: Path) -> None:
    assert library.search(str(folder / "zorvella.png"), 3).used == {Via.MEANING}


def test_exact_needs_no_encoder_and_gives_what_holds_all_words(tmp_path: Path, library: Library) -> None:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} was opened")

    with Library.open(library.folder, opener=refuse) as alone:
        hits = alone.search("zorvella", 10, options=EXACT)
        assert set(names(hits)) == {"zorvella.png", "zorvella and me.png", "notes.md"}
        assert {hit.via for hit in hits} == {Via.WORDS} == hits.used
        assert all(hit.standing is None and hit.score > 0 for hit in hits)
        assert names(alone.search("zorvella roll", 10, options=EXACT)) == ["zorvella and me.png"]
        assert set(names(alone.search("zorvella - walls", 10, options=EXACT))) == {
            "zorvella.png",
            "zorvella and me.png",
        }
        assert len(alone.search("zorvella hippogriff", 10, options=EXACT)) == 0


def test_exact_with_nothing_but_a_file_is_a_mistake(library: Library, folder: Path) -> None:
    with pytest.raises(QueryError, match="no words in this query"):
        library.search(str(folder / "wall.png"), 3, options=EXACT)


def test_a_library_without_vectors_of_the_space_answers_by_words_and_says_so(library: Library) -> None:
    with Library(library.folder, Settings(), TinyEncoder(revision="2")) as other:
        hits = other.search("zorvella", 10)
        assert set(names(hits)) == {"zorvella.png", "zorvella and me.png", "notes.md"}
        assert (hits.used, hits.has_vectors) == ({Via.WORDS}, False)
        assert len(other.search("zorvella", 10, options=SearchOptions(words=False))) == 0
