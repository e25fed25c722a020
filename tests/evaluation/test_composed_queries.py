"""The benchmark of composed queries: the rule that makes them, and the ways of joining their parts."""

from __future__ import annotations

import tomllib
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.evaluation.benchmarks import BENCHMARKS, benchmark


@pytest.fixture(scope="module")
def composed() -> ModuleType:
    """The benchmark, which is a program."""
    return benchmark("composed_queries")


@pytest.fixture(scope="module")
def rule() -> ModuleType:
    """The part of it that makes queries."""
    return benchmark("_pairs")


def unit(*numbers: float) -> NDArray[np.float32]:
    """A direction as a unit vector."""
    return np.asarray(np.array(numbers) / np.linalg.norm(numbers), np.float32)


@pytest.fixture
def world(rule: ModuleType) -> object:
    """Twelve photos on axes for dogs, snow and whatever else they show: 3 of both, 4 of one thing each."""
    dogs = np.array([1] * 7 + [0] * 5, np.bool_)
    snow = np.array([1] * 3 + [0] * 4 + [1] * 4 + [0], np.bool_)
    other = np.linspace(0.1, 1, 12)
    photos = np.stack([unit(dog, white, rest) for dog, white, rest in zip(dogs, snow, other, strict=True)])
    words = {"dog": unit(1, 0, 0.5), "snow": unit(0, 1, 0.5)}
    return rule.World(
        photos=photos,
        sounds=np.stack([unit(1, 0.1, 0), unit(0, 0, 1)]),
        shown={"dog": dogs, "snow": snow},
        heard={"dog": np.array([True, False]), "snow": np.array([False, False])},
        words=words,
        both={("dog", "snow"): unit(1, 1, 0.5)},
    )


def test_every_thing_has_words_and_a_sort(rule: ModuleType) -> None:
    things = rule.read_things()
    assert len(things) > 30
    for name, thing in things.items():
        assert thing.words, name
        assert thing.ask, name
        assert sum(other.sort == thing.sort for other in things.values()) < len(things) / 2


@pytest.mark.parametrize(
    ("sorts", "one", "other", "made"),
    [
        (("who", "where"), "1111110000", "0001111110", True),
        (("who", "who"), "1111110000", "0001111110", False),  # of one sort
        (("who", "where"), "1111110000", "0000111100", False),  # two photos of both
        (("who", "where"), "1111100000", "0011111000", False),  # most that show one show the other
    ],
)
def test_a_pair_is_of_two_sorts_and_seen_together_but_not_always(
    rule: ModuleType, sorts: tuple[str, str], one: str, other: str, made: bool
) -> None:
    things = {name: rule.Thing(sort, name, [name]) for name, sort in zip("ab", sorts, strict=True)}
    shows = {
        name: np.array([flag == "1" for flag in flags])
        for name, flags in zip("ab", (one, other), strict=True)
    }
    assert rule.pairs(things, shows) == ([("a", "b")] if made else [])


def test_a_photo_shows_what_its_captions_say(rule: ModuleType) -> None:
    photos = [
        rule.Item("x", "image", "", ("Two dogs run.",)),
        rule.Item("y", "image", "dogma", ("A cat.",)),
    ]
    shows = rule.shown({"dog": rule.Thing("who", "a dog", ["dog"])}, photos)
    assert shows["dog"].tolist() == [True, False]


def test_an_example_that_is_added_shows_its_own_thing_only_and_is_not_ranked(
    rule: ModuleType, world: object
) -> None:
    made = rule.queries(world, [("dog", "snow")])
    for kind in ("picture + word", "three pictures + word", "picture + picture"):
        assert made[kind]
        for query in made[kind]:
            for part, name in zip((query.first, query.second), query.pair, strict=True):
                assert all(3 <= place < 7 if name == "dog" else 7 <= place < 11 for place in part.own)
            own = [*query.first.own, *query.second.own]
            assert not query.there[own].any()
            assert query.there.sum() == 12 - len(own)
            assert np.flatnonzero(query.wanted).tolist() == [0, 1, 2]


def test_a_word_is_taken_from_what_shows_both(rule: ModuleType, world: object) -> None:
    taken = rule.queries(world, [("dog", "snow")])["picture - word"]
    assert {query.pair for query in taken} == {("dog", "snow"), ("snow", "dog")}
    for query in taken:
        assert query.first.own[0] in (0, 1, 2)
        expected = range(3, 7) if query.pair[0] == "dog" else range(7, 11)
        assert np.flatnonzero(query.wanted).tolist() == list(expected)


def test_only_what_is_heard_asks_with_its_sound(rule: ModuleType, world: object) -> None:
    made = rule.queries(world, [("dog", "snow")])
    assert [query.pair for query in made["sound + word"]] == [("dog", "snow")]


def test_queries_are_the_same_in_every_run(rule: ModuleType, world: object) -> None:
    first, second = (rule.queries(world, [("dog", "snow")]) for _ in range(2))
    for kind, queries in first.items():
        assert [query.first.own for query in queries] == [query.first.own for query in second[kind]]


def test_the_sum_finds_both_and_either_part_does_not(
    composed: ModuleType, rule: ModuleType, world: object
) -> None:
    ways = composed.Ways(world.photos, {name: np.zeros(3) for name in composed.LENGTHS})
    asked = composed.Asked(rule.queries(world, [("dog", "snow")])["word + word"])
    for way in (ways.sum, ways.centred, ways.standing, ways.lesser, ways.soft, ways.sentence):
        assert asked.mean_precision(way) == 1
    assert asked.mean_precision(ways.first) < 1
    assert asked.mean_precision(ways.second) < 1


def test_raw_vectors_count_by_their_lengths(composed: ModuleType, rule: ModuleType, world: object) -> None:
    ways = composed.Ways(world.photos, {name: np.zeros(3) for name in composed.LENGTHS})
    query = rule.queries(world, [("dog", "snow")])["picture + word"][0]
    raw, word = ways.raw(query), ways.second(query)
    assert np.corrcoef(raw, word)[0, 1] > 0.99
    assert np.corrcoef(ways.sum(query), word)[0, 1] < 0.95


def test_standings_have_mean_nought_among_what_is_ranked(
    composed: ModuleType, rule: ModuleType, world: object
) -> None:
    ways = composed.Ways(world.photos, {name: np.zeros(3) for name in composed.LENGTHS})
    for query in rule.queries(world, [("dog", "snow")])["picture + word"]:
        assert ways.standing(query)[query.there].mean() == pytest.approx(0, abs=1e-6)


def test_chance_is_what_a_random_order_finds(composed: ModuleType, rule: ModuleType, world: object) -> None:
    asked = composed.Asked(rule.queries(world, [("dog", "snow")])["word + word"])
    random = np.random.default_rng(0)
    drawn = np.mean([asked.figures(lambda _: random.random(12)) for _ in range(2000)], axis=0)
    assert asked.by_chance() == pytest.approx(drawn, abs=0.03)


def test_the_mixed_queries_are_200_that_fit_something_and_50_that_do_not() -> None:
    written = tomllib.loads((BENCHMARKS / "mixed_queries.toml").read_text(encoding="utf-8"))
    good, absurd = written["good"], written["absurd"]
    assert (len(good), len(absurd)) == (200, 50)
    assert len({entry["ask"] for entry in (*good, *absurd)}) == 250
    assert all(group for entry in good for group in entry["fits"])
    for entries in (good, absurd):
        assert sum(entry["split"] == "tune" for entry in entries) * 2 == len(entries)
    kinds = [entry["kind"] for entry in absurd]
    assert {kinds.count(kind) for kind in kinds} == {10}
