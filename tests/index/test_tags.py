"""Tags in the catalog: who gave them counts, they follow contents, and their names are spelt in one way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bindsearch.index.schema import TagSource
from bindsearch.index.store import Store
from bindsearch.index.tags import (
    NewTag,
    Tag,
    TagCount,
    count_tags,
    full_tags_of,
    put_tags,
    remove_tag,
    rename_tag,
    spelt,
    tags_of,
    take_stale,
)
from bindsearch.ingest.library import Library
from tests.media import BLUE, GREEN, RED, picture

HAND, WORDS, EXAMPLES = TagSource.HAND, TagSource.WORDS, TagSource.EXAMPLES


@pytest.fixture
def store(library: Library, folder: Path) -> Iterator[Store]:
    """A library of three pictures, whose contents are 1, 2 and 3, open to write to."""
    for name, colour in (("a", RED), ("b", GREEN), ("c", BLUE)):
        picture(folder / f"{name}.png", colour)
    library.index(folder)
    library.close()
    with Store.writing(library.folder) as opened:
        yield opened


def put(store: Store, source: TagSource, *given: NewTag) -> int:
    with store.catalog.write() as session:
        return put_tags(session, source, given)


def tags(store: Store) -> dict[int, tuple[str, ...]]:
    with store.catalog.read() as catalog:
        return tags_of(catalog, [1, 2, 3])


def test_tags_are_told_by_content_in_alphabetical_order(store: Store) -> None:
    assert put(store, HAND, NewTag(1, "b"), NewTag(1, "a"), NewTag(3, "b")) == 3
    assert tags(store) == {1: ("a", "b"), 3: ("b",)}


def test_a_classifier_does_not_touch_what_a_person_said(store: Store) -> None:
    put(store, HAND, NewTag(1, "red"))
    assert put(store, WORDS, NewTag(1, "red", 0.6), NewTag(2, "red", 0.7)) == 1
    with store.catalog.read() as catalog:
        found = full_tags_of(catalog, [1, 2])
    assert found == {1: [Tag("red", HAND, None)], 2: [Tag("red", WORDS, 0.7)]}


def test_of_two_classifiers_the_later_counts_and_a_person_more_than_both(store: Store) -> None:
    put(store, WORDS, NewTag(1, "red", 0.6))
    assert put(store, EXAMPLES, NewTag(1, "red", 0.9)) == 1
    with store.catalog.read() as catalog:
        assert full_tags_of(catalog, [1]) == {1: [Tag("red", EXAMPLES, 0.9)]}
    put(store, HAND, NewTag(1, "red"))
    with store.catalog.read() as catalog:
        assert full_tags_of(catalog, [1]) == {1: [Tag("red", HAND, None)]}


def test_only_what_was_looked_at_and_said_by_the_same_source_is_stale(store: Store) -> None:
    put(store, WORDS, NewTag(1, "x", 0.5), NewTag(2, "x", 0.5), NewTag(3, "x", 0.5), NewTag(1, "y", 0.5))
    put(store, EXAMPLES, NewTag(2, "z", 0.5))
    with store.catalog.write() as session:
        assert take_stale(session, WORDS, ["x", "z"], [1, 2], [NewTag(1, "x", 0.8)]) == 1
    assert tags(store) == {1: ("x", "y"), 2: ("z",), 3: ("x",)}


def test_a_tag_is_spelt_as_it_came_in(store: Store) -> None:
    put(store, HAND, NewTag(1, "Straße"))
    with store.catalog.read() as catalog:
        assert spelt(catalog, ["STRASSE", "Weg"]) == ("Straße", "Weg")


def test_a_tag_can_be_taken_from_some_or_from_all(store: Store) -> None:
    put(store, HAND, NewTag(1, "x"), NewTag(2, "x"), NewTag(3, "x"), NewTag(3, "y"))
    with store.catalog.write() as session:
        assert remove_tag(session, "x", [2]) == 1
        assert remove_tag(session, "x", [2]) == 0
        assert remove_tag(session, "x") == 2
    assert tags(store) == {3: ("y",)}


def test_renaming_into_another_tag_keeps_one_and_rather_that_by_hand(store: Store) -> None:
    put(store, WORDS, NewTag(1, "sea", 0.9), NewTag(2, "ocean", 0.8), NewTag(3, "ocean", 0.7))
    put(store, HAND, NewTag(1, "ocean"), NewTag(2, "sea"))
    with store.catalog.write() as session:
        assert rename_tag(session, "ocean", "sea") == 3
        assert rename_tag(session, "ocean", "sea") == 0
    with store.catalog.read() as catalog:
        found = full_tags_of(catalog, [1, 2, 3])
    hand = [Tag("sea", HAND, None)]
    assert found == {1: hand, 2: hand, 3: [Tag("sea", WORDS, 0.7)]}


def test_counts_tell_what_was_given_by_hand(store: Store) -> None:
    put(store, WORDS, NewTag(1, "x", 0.9), NewTag(2, "y", 0.9))
    put(store, HAND, NewTag(2, "x"))
    with store.catalog.read() as catalog:
        assert count_tags(catalog) == [TagCount("x", 2, 1), TagCount("y", 1, 0)]


def test_nothing_given_is_nothing_done(store: Store) -> None:
    assert put(store, WORDS) == 0
    with store.catalog.read() as catalog:
        assert count_tags(catalog) == []


def test_more_contents_than_a_statement_holds_can_be_asked_for(store: Store) -> None:
    put(store, HAND, NewTag(3, "x"))
    with store.catalog.read() as catalog:
        assert tags_of(catalog, [*range(1000, 35_000), 3, 3]) == {3: ("x",)}
