"""Queries of two things, made from what captions say of photos by a rule and not by their results.

Two things of composed_queries.toml make a pair if they are of different sorts, if at least 3 photos show
both, and if these are at most half of the photos of either, so that asking for one alone cannot do. Every
such pair is asked. The example of a thing, picture or sound, is one of up to three, drawn by chance for each
pair from all that serve: a picture that is to be added shows its own thing and not the other, one that a
word is taken from shows both. An example is not among the photos that its query ranks.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from _mixed import Item
from numpy.typing import NDArray

from bindsearch.encoders import Vectors
from bindsearch.modality import Modality

THINGS = Path(__file__).with_name("composed_queries.toml")
FEWEST = 3  # photos of both things
MOST = 0.5  # of the photos of either thing that show the other as well
EXAMPLES = 3

Flags = NDArray[np.bool_]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """One entry of composed_queries.toml."""

    sort: str
    ask: str
    words: list[str]
    sounds: tuple[str, ...] | list[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """All that is asked with and looked for, as unit vectors.

    ``photos`` (photos, d) and ``sounds`` (sounds, d) stand in the order of ``shown``'s flags and of
    ``heard``'s; ``words`` (d,) are by the thing that they name, ``both`` by two of them.
    """

    photos: Vectors
    sounds: Vectors
    shown: Mapping[str, Flags]
    heard: Mapping[str, Flags]
    words: Mapping[str, Vectors]
    both: Mapping[Pair, Vectors]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One of a query's two parts: the vectors (examples, d) that stand for it; ``own`` are its photos."""

    modality: Modality
    vectors: Vectors
    own: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """A query: its first part and, added or with ``sign`` -1 taken away, its second.

    ``wanted`` flags the photos that are right and ``there`` those that are ranked: (photos,) each.
    ``sentence`` (d,) is the query in one sentence, where both parts are words.
    """

    pair: Pair
    first: Part
    second: Part
    wanted: Flags
    there: Flags
    sign: int = 1
    sentence: Vectors | None = None


def read_things(path: Path = THINGS) -> dict[str, Thing]:
    """The things by their names."""
    return {name: Thing(**entry) for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def shown(things: Mapping[str, Thing], photos: Sequence[Item]) -> dict[str, Flags]:
    """Which of ``photos`` show each thing, by their labels and captions."""
    return {
        name: np.array([photo.suits([thing.words]) for photo in photos]) for name, thing in things.items()
    }


def heard(things: Mapping[str, Thing], sounds: Sequence[Item]) -> dict[str, Flags]:
    """In which of ``sounds`` each thing is heard, by their labels."""
    return {name: np.array([one.label in thing.sounds for one in sounds]) for name, thing in things.items()}


def pairs(things: Mapping[str, Thing], shows: Mapping[str, Flags]) -> list[Pair]:
    """The pairs that the rule makes, each once."""
    return [
        (one, other)
        for one, other in combinations(things, 2)
        if things[one].sort != things[other].sort and _often_enough(shows[one], shows[other])
    ]


def _often_enough(one: Flags, other: Flags) -> bool:
    both = int((one & other).sum())
    return FEWEST <= both <= MOST * min(int(one.sum()), int(other.sum()))


def queries(world: World, made: Sequence[Pair]) -> dict[str, list[Composed]]:
    """The queries of each kind, of the pairs ``made`` and, where the parts differ, of their reverses."""
    either = [*made, *((other, one) for one, other in made)]
    kinds: dict[str, tuple[Sequence[Pair], Callable[[World, Pair], Iterator[Composed]]]] = {
        "picture + word": (either, _picture_word),
        "three pictures + word": (either, _pictures_word),
        "picture + picture": (made, _picture_picture),
        "sound + word": (either, _sound_word),
        "sound + picture": (either, _sound_picture),
        "word + word": (made, _word_word),
        "picture - word": (either, _taken_away),
    }
    return {
        name: [query for pair in some for query in make(world, pair)] for name, (some, make) in kinds.items()
    }


def _picture_word(world: World, pair: Pair) -> Iterator[Composed]:
    for picture in _pictures(world, *pair):
        yield _added(world, pair, picture, _word(world, pair[1]))


def _pictures_word(world: World, pair: Pair) -> Iterator[Composed]:
    pictures = _pictures(world, *pair)
    if len(pictures) == EXAMPLES:
        yield _added(world, pair, _together(pictures), _word(world, pair[1]))


def _picture_picture(world: World, pair: Pair) -> Iterator[Composed]:
    for one, other in zip(_pictures(world, *pair), _pictures(world, *pair[::-1]), strict=False):
        yield _added(world, pair, one, other)


def _sound_word(world: World, pair: Pair) -> Iterator[Composed]:
    for sound in _sounds(world, pair):
        yield _added(world, pair, sound, _word(world, pair[1]))


def _sound_picture(world: World, pair: Pair) -> Iterator[Composed]:
    for sound, picture in zip(_sounds(world, pair), _pictures(world, *pair[::-1]), strict=False):
        yield _added(world, pair, sound, picture)


def _word_word(world: World, pair: Pair) -> Iterator[Composed]:
    one, other = (_word(world, name) for name in pair)
    yield replace(_added(world, pair, one, other), sentence=world.both[pair])


def _taken_away(world: World, pair: Pair) -> Iterator[Composed]:
    one, other = (world.shown[name] for name in pair)
    for picture in _drawn(world, one & other, f"{pair[0]} with {pair[1]}"):
        added = _added(world, pair, picture, _word(world, pair[1]))
        yield replace(added, wanted=one & ~other, sign=-1)


def _added(world: World, pair: Pair, first: Part, second: Part) -> Composed:
    there = np.ones(len(world.photos), np.bool_)
    there[[*first.own, *second.own]] = False
    return Composed(pair, first, second, world.shown[pair[0]] & world.shown[pair[1]], there)


def _pictures(world: World, name: str, other: str) -> list[Part]:
    return _drawn(world, world.shown[name] & ~world.shown[other], f"{name} without {other}")


def _drawn(world: World, flags: Flags, seed: str) -> list[Part]:
    return [Part(Modality.IMAGE, world.photos[[place]], (place,)) for place in _some(flags, seed)]


def _sounds(world: World, pair: Pair) -> list[Part]:
    places = _some(world.heard[pair[0]], f"{pair[0]} heard with {pair[1]}")
    return [Part(Modality.AUDIO, world.sounds[[place]]) for place in places]


def _some(flags: Flags, seed: str) -> list[int]:
    places = np.flatnonzero(flags).tolist()
    return random.Random(seed).sample(places, min(EXAMPLES, len(places)))


def _together(parts: Sequence[Part]) -> Part:
    return Part(
        parts[0].modality,
        np.concatenate([part.vectors for part in parts]),
        tuple(place for part in parts for place in part.own),
    )


def _word(world: World, name: str) -> Part:
    return Part(Modality.TEXT, world.words[name][np.newaxis])
