"""From a question to hits: modalities in one list, near-duplicates folded, weak hits told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bindsearch.answers import SearchOptions
from bindsearch.encoders import Vectors
from bindsearch.errors import QueryError
from bindsearch.index.background import read_references, write_references
from bindsearch.index.nearest import Question
from bindsearch.index.store import VECTORS_FOLDER
from bindsearch.ingest.library import Library
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.media import picture
from tests.tiny import APART, DIMENSIONS, TinyEncoder


class Wordy(TinyEncoder):
    """Words are near to words, whatever they say, as in every space that was trained by pairs."""

    def _vector(self, media: Media) -> Vectors:
        own = super()._vector(media)
        if isinstance(media, Passage):
            own = own + 1.5 * np.eye(DIMENSIONS, dtype=np.float32)[-1]
        return np.asarray(own / np.linalg.norm(own), np.float32)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(30):
        shade = np.random.default_rng(number).integers(0, 255, 3)
        picture(folder / f"{number}.png", tuple(int(part) for part in shade))
        (folder / f"note {number}.txt").write_text(f"note {number} of nothing in particular")
    picture(folder / "red.png", (255, 0, 0))
    (folder / "wall.txt").write_text("red")
    with Library(tmp_path / "library", Settings(), Wordy()) as made:
        made.index(folder)
        yield made


def test_by_cosine_notes_hide_the_photo_that_stands_out(library: Library) -> None:
    plain = library.search("red", 10, options=SearchOptions(by_cosine=True))
    assert all(hit.modality is Modality.TEXT for hit in plain)
    ranked = library.search("red", 40)
    assert "red.png" in {hit.path.name for hit in ranked[:3]}
    assert next(hit.path.name for hit in ranked if hit.modality is Modality.TEXT) == "wall.txt"


def test_the_score_is_the_cosine_whatever_hits_are_ranked_by(library: Library) -> None:
    query = library.embed("red")
    for options in (SearchOptions(duplicates=True), SearchOptions(duplicates=True, by_cosine=True)):
        hits = library.search("red", 100, options=options)
        assert len(hits) == 62
        for hit in hits:
            own = library.embed(f"@{hit.segment_id}")
            assert hit.score == pytest.approx(float(own @ query), abs=1e-3)
        key = [hit.score if options.by_cosine else hit.standing or 0 for hit in hits]
        assert key == sorted(key, reverse=True)


def test_more_hits_continue_the_list_of_fewer(library: Library) -> None:
    many = [hit.segment_id for hit in library.search("blue", 40)]
    for k in (1, 3, 10, 25):
        assert [hit.segment_id for hit in library.search("blue", k)] == many[:k]


def test_nearly_the_same_pictures_are_one_hit_that_names_the_others(library: Library) -> None:
    folder = library.roots()[0].path
    picture(folder / "red again.png", (254, 1, 0))
    picture(folder / "red once more.png", (255, 0, 1))
    library.index()
    apart = {hit.path.name for hit in library.search("red", 4, options=APART)}
    assert {"red.png", "red again.png", "red once more.png"} <= apart
    folded = [
        hit
        for hit in library.search("red", 10)
        if hit.path.name.startswith("red") and hit.modality == "image"
    ]
    assert len(folded) == 1
    named = {folded[0].path.name, *(path.name for path in folded[0].duplicates)}
    assert named >= {"red.png", "red again.png", "red once more.png"}


def test_strict_gives_what_stands_out_and_nothing_else(library: Library) -> None:
    hits = library.search("red", 100, options=APART)
    level = (hits[2].standing or 0) - 1e-6
    strict = library.search("red", 100, options=SearchOptions(duplicates=True, strict=True, level=level))
    assert [hit.segment_id for hit in strict] == [hit.segment_id for hit in hits[:3]]
    assert strict.stands_out
    none = library.search("red", 100, options=SearchOptions(strict=True, level=1000.0))
    assert (len(none), none.stands_out) == (0, False)
    assert none.best == pytest.approx(hits[0].standing, abs=1e-5)


def test_an_empty_library_stands_out_with_nothing(library: Library) -> None:
    library.forget([library.roots()[0].path])
    answer = library.search("red")
    assert (len(answer), answer.best, answer.stands_out) == (0, None, False)


def test_fewer_than_one_hit_cannot_be_asked_for(library: Library) -> None:
    with pytest.raises(QueryError, match="at least one hit"):
        library.search("red", 0)


def test_a_term_and_the_question_of_it_alone_are_the_same(library: Library) -> None:
    encoder = TinyEncoder()
    question = Question.of(encoder.encode([Passage("red")])[0], Modality.TEXT)
    assert question.parts[0].factor == 1.0
    assert np.array_equal(question.parts[0].vector, question.vector)


@pytest.mark.parametrize("harm", [b"", b"\x93NUMPY nonsense", b"x" * 500])
def test_damaged_reference_queries_are_made_again_and_cost_no_search(library: Library, harm: bytes) -> None:
    before = [hit.segment_id for hit in library.search("red", 5)]
    (path,) = (library.folder / VECTORS_FOLDER).glob("*.words-*.npy")
    path.write_bytes(harm)
    with Library(library.folder, Settings(), Wordy()) as again:
        assert len(again.search("red", 5)) == 5
        again.index()
    with Library(library.folder, Settings(), Wordy()) as again:
        assert [hit.segment_id for hit in again.search("red", 5)] == before


def test_reference_queries_of_another_shape_are_not_believed(tmp_path: Path) -> None:
    space = TinyEncoder().space
    write_references(tmp_path, space, np.ones((3, DIMENSIONS), np.float32))
    assert read_references(tmp_path, space) is None
