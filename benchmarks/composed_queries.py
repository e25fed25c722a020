"""Embedding arithmetic, measured: does a sum of two parts find photos of both better than either part?

The pairs of things are made by a rule from captions (see ``_pairs.py`` and composed_queries.toml), the parts
are pictures, sounds and words of the test rows of every set in a folder of data sets, and all photos of these
rows are ranked. A photo is right if its captions speak of both things. Printed is what each way of
joining the parts finds, a figure's mean over pairs of its mean over a pair's examples.

    python benchmarks/composed_queries.py --data DIR [--space compact] [--work .cache/mixed] > arithmetic.md

Vectors are kept in the folder --work and used again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from _mixed import Item, options
from _pairs import EXAMPLES, Composed, Part, World, heard, pairs, queries, read_things, shown
from numpy.typing import NDArray

from bindsearch.arithmetic import combine
from bindsearch.encoders import Vectors, open_encoder
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.evaluation.metrics import (
    Relevance,
    average_precisions,
    chance_at,
    chance_average_precision,
    ranks,
    shares_found,
)
from bindsearch.evaluation.paired import cluster_means, difference
from bindsearch.evaluation.report import table
from bindsearch.modality import Modality

# The lengths of ImageBind's published outputs: a fixed scale for a sound, a learnt one, at its ceiling, for
# words, none for a picture (R. Girdhar et al., *ImageBind: One Embedding Space To Bind Them All*, 2023).
LENGTHS = {Modality.IMAGE: 1.0, Modality.AUDIO: 20.0, Modality.TEXT: 100.0}
WEIGHTS = np.linspace(0, 1, 11)

Floats = NDArray[np.float64]
Centres = Mapping[Modality, Floats]
Scoring = Callable[[Composed], Floats]


def embedded(data: Path, embedder: Embedder) -> tuple[World, Centres]:
    """Everything that is asked with and looked for, and the mean vector of each modality's test rows."""
    manifests = Manifests(sorted(data.resolve().glob("*/manifest.csv")))
    things = read_things()
    photos, sounds = (manifests.rows("test", modality) for modality in (Modality.IMAGE, Modality.AUDIO))
    shows = shown(things, [_item(row) for row in photos])
    made = pairs(things, shows)
    captions = list(dict.fromkeys(row.captions[0] for row in (*photos, *sounds) if row.captions))
    sentences = [f"{things[one].ask} and {things[other].ask}" for one, other in made]
    world = World(
        photos=embedder.rows(photos),
        sounds=embedder.rows(sounds),
        shown=shows,
        heard=heard(things, [_item(row) for row in sounds]),
        words=dict(zip(things, embedder.texts([thing.ask for thing in things.values()]), strict=True)),
        both=dict(zip(made, embedder.texts(sentences), strict=True)),
    )
    backgrounds = {
        Modality.IMAGE: world.photos,
        Modality.AUDIO: world.sounds,
        Modality.TEXT: embedder.texts(captions),
    }
    return world, {modality: rows.mean(axis=0, dtype=float) for modality, rows in backgrounds.items()}


def _item(row: Row) -> Item:
    return Item(row.name, row.modality, row.label, row.captions)


class Ways:
    """The ways of joining a query's parts; each gives every photo a score, (photos,)."""

    def __init__(self, photos: Vectors, centres: Centres) -> None:
        self._photos = photos.astype(float)
        self._centres = centres

    def all(self) -> dict[str, Scoring]:
        """Every way that every query can be asked in, by its name."""
        return {
            "first part alone": self.first,
            "second part alone": self.second,
            "sum of unit vectors": self.sum,
            "sum of raw vectors": self.raw,
            "sum of centred vectors": self.centred,
            "mean of standings": self.standing,
            "lesser standing": self.lesser,
            "soft lesser standing": self.soft,
            "soft lesser standing, centred": self.soft_centred,
        }

    def first(self, query: Composed) -> Floats:
        """By the first part alone."""
        return self._cosines(_unit(query.first))

    def second(self, query: Composed) -> Floats:
        """By the second part alone, towards it or, where it is taken away, away from it."""
        return query.sign * self._cosines(_unit(query.second))

    def sum(self, query: Composed, weight: float = 0.5) -> Floats:
        """As a library is asked: unit vectors, summed and made unit length, at every level."""
        return self._cosines(_joined(_unit(query.first), _unit(query.second), weight, query.sign))

    def raw(self, query: Composed) -> Floats:
        """Parts as long as ImageBind's outputs are, several examples of one part simply added up."""
        parts = (
            part.vectors.sum(axis=0, dtype=float) * LENGTHS[part.modality]
            for part in (query.first, query.second)
        )
        first, second = parts
        return self._cosines(first + query.sign * second)

    def flat(self, query: Composed) -> Floats:
        """Unit vectors, but several examples of one part added up without making them unit length."""
        first, second = (part.vectors.sum(axis=0, dtype=float) for part in (query.first, query.second))
        return self._cosines(first + query.sign * second)

    def centred(self, query: Composed, weight: float = 0.5) -> Floats:
        """Each part without the mean of its modality, made unit length and summed."""
        return self._cosines(_joined(*self._off_centre(query), weight, query.sign))

    def standing(self, query: Composed, weight: float = 0.5) -> Floats:
        """The mean of the parts' standings, the second's weighing ``weight``."""
        first, second = self._standings(query, centred=False)
        return (1 - weight) * first + weight * second

    def lesser(self, query: Composed) -> Floats:
        """The lesser of the parts' standings: both must stand out."""
        return np.minimum(*self._standings(query, centred=False))

    def soft(self, query: Composed) -> Floats:
        """Minus the logarithm of exp(-z) summed over the parts' standings z: mostly the lesser one."""
        first, second = self._standings(query, centred=False)
        return -np.logaddexp(-first, -second)

    def soft_centred(self, query: Composed) -> Floats:
        """The same of the standings of centred vectors."""
        first, second = self._standings(query, centred=True)
        return -np.logaddexp(-first, -second)

    def sentence(self, query: Composed) -> Floats:
        """Both words in one sentence."""
        assert query.sentence is not None
        return self._cosines(query.sentence.astype(float))

    def _cosines(self, vector: Floats) -> Floats:
        cosines: Floats = self._photos @ vector
        return cosines

    def _off_centre(self, query: Composed) -> tuple[Floats, Floats]:
        first, second = (
            _direction(_unit(part) - self._centres[part.modality]) for part in (query.first, query.second)
        )
        return first, second

    def _standings(self, query: Composed, *, centred: bool) -> tuple[Floats, Floats]:
        """By how many standard deviations each photo stands out of those that are ranked, for each part."""
        vectors = self._off_centre(query) if centred else (_unit(query.first), _unit(query.second))
        first, second = (
            (scores - scores[query.there].mean()) / scores[query.there].std()
            for scores in map(self._cosines, vectors)
        )
        return first, query.sign * second


def _unit(part: Part) -> Floats:
    return combine(part.vectors, [1.0] * len(part.vectors)).astype(float)


def _direction(vector: Floats) -> Floats:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _joined(first: Floats, second: Floats, weight: float, sign: int) -> Floats:
    both = np.stack([first, second]).astype(np.float32)
    return combine(both, [1 - weight, sign * weight]).astype(float)


class Asked:
    """The queries of one kind: what is right for them, and the figures of a way of asking them."""

    def __init__(self, queries: Sequence[Composed]) -> None:
        self.queries = queries
        self.pairs = [query.pair for query in queries]
        self._things = [frozenset(pair) for pair in self.pairs]
        self._there = np.stack([query.there for query in queries])
        self._right = np.stack([query.wanted for query in queries]) & self._there

    def scores(self, way: Scoring) -> Floats:
        """(queries, photos); examples stand behind all others."""
        return np.where(self._there, np.stack([way(query) for query in self.queries]), -np.inf)

    def precisions(self, way: Scoring) -> Floats:
        """The average precision of each query."""
        return average_precisions(self.scores(way), self._right)

    def figures(self, way: Scoring) -> tuple[float, ...]:
        """Recall of any wanted photo at 1, 5 and 10, share of them among ten, mean average precision."""
        scores = self.scores(way)
        found = ranks(scores, self._right)
        each = (*((found <= k).astype(float) for k in (1, 5, 10)), shares_found(scores, self._right, 10))
        return tuple(self._mean(one) for one in (*each, average_precisions(scores, self._right)))

    def by_chance(self) -> tuple[float, ...]:
        """The same figures of a random order."""
        there = self._there.sum(axis=1)
        small = [_of(right, count) for right, count in zip(self._right, there, strict=True)]
        right = self._right.sum(axis=1)
        share = 10 * right / there / np.minimum(10, right)
        recalls = (np.array([chance_at(one, k) for one in small]) for k in (1, 5, 10))
        precision = np.array([chance_average_precision(one) for one in small])
        return tuple(self._mean(one) for one in (*recalls, share, precision))

    def mean_precision(self, way: Scoring) -> float:
        """The mean average precision."""
        return self._mean(self.precisions(way))

    def compared(self, way: Scoring, other: Scoring) -> tuple[object, ...]:
        """How much higher the average precision of ``way`` is, as cells of a table."""
        found = difference(self.precisions(way), self.precisions(other), self._things)
        interval = f"{found.low:+.3f} to {found.high:+.3f}"
        chance = f"{found.chance:.2g}"
        return f"{found.mean:+.3f}", interval, f"{found.better} : {found.worse}", chance

    def _mean(self, each: Floats) -> float:
        return float(cluster_means(each, self.pairs).mean())


def _of(right: NDArray[np.bool_], count: int) -> Relevance:
    """As many right answers among ``count`` items as ``right`` has, in one row."""
    row: Relevance = (np.arange(count) < int(right.sum()))[np.newaxis]
    return row


def show_kind(name: str, asked: Asked, ways: Ways) -> None:
    """Print what each way finds for the queries of one kind, and which differences are more than luck."""
    count = len(set(asked.pairs))
    print(f"\n## {name}\n\n{count} pairs, {len(asked.queries)} queries.\n")
    tried = ways.all() | _further(name, ways)
    rows: list[tuple[object, ...]] = [("", "R@1", "R@5", "R@10", "share in ten", "mAP")]
    rows += [(way, *asked.figures(scoring)) for way, scoring in tried.items()]
    print(table([*rows, ("by chance", *asked.by_chance())]))
    print("\nAverage precision of the sum of unit vectors against the parts, of the others against it:\n")
    head = ("", "difference", "95 % interval", "pairs better : worse", "p")
    lines: list[tuple[object, ...]] = [head]
    for way, scoring in tried.items():
        if "alone" in way:
            lines.append((f"sum - {way}", *asked.compared(ways.sum, scoring)))
        elif way != "sum of unit vectors":
            lines.append((f"{way} - sum", *asked.compared(scoring, ways.sum)))
    print(table(lines))


def _further(name: str, ways: Ways) -> dict[str, Scoring]:
    if name == "word + word":
        return {"one sentence": ways.sentence}
    return {"sum, examples not made unit length": ways.flat} if name.startswith("three") else {}


def show_all(kinds: Mapping[str, Asked], ways: Ways) -> None:
    """Print the mean average precision of each way and kind."""
    print("\n## mAP of all kinds\n")
    rows: list[tuple[object, ...]] = [("", *kinds)]
    for name, scoring in ways.all().items():
        rows.append((name, *(asked.mean_precision(scoring) for asked in kinds.values())))
    print(table([*rows, ("by chance", *(asked.by_chance()[-1] for asked in kinds.values()))]))


def show_weights(kinds: Mapping[str, Asked], ways: Ways) -> None:
    """Print mean average precision by how much the second part weighs."""
    weighed = {
        "sum of unit vectors": ways.sum,
        "sum of centred vectors": ways.centred,
        "mean of standings": ways.standing,
    }
    for name, way in weighed.items():
        print(f"\n## mAP by weight: {name}\n")
        rows: list[tuple[object, ...]] = [("second part's weight", *kinds)]
        for weight in WEIGHTS:
            scoring = _weighing(way, float(weight))
            rows.append((f"{weight:.1f}", *(asked.mean_precision(scoring) for asked in kinds.values())))
        print(table(rows))


def _weighing(way: Callable[[Composed, float], Floats], weight: float) -> Scoring:
    return lambda query: way(query, weight)


def main() -> None:
    """Print all tables as Markdown."""
    told = options(__doc__).parse_args()
    if told.data is None:
        print("  passed over: --data names the folder of data sets that is asked")
        return
    embedder = Embedder(
        open_encoder(told.space), told.work / "vectors", lambda said: print(said, file=sys.stderr)
    )
    world, centres = embedded(told.data, embedder)
    ways = Ways(world.photos, centres)
    made = list(world.both)
    kinds = {name: Asked(list(asked)) for name, asked in queries(world, made).items()}
    things = len({name for pair in made for name in pair})
    print(f"# Arithmetic in {embedder.space.id}\n")
    print(
        f"{len(world.photos):,} photos are ranked; {len(made)} pairs of {things} things, up to {EXAMPLES}"
        f" examples each, {sum(len(asked.queries) for asked in kinds.values()):,} queries."
    )
    show_all(kinds, ways)
    for name, asked in kinds.items():
        show_kind(name, asked, ways)
    show_weights(kinds, ways)


def _say(said: str) -> None:
    print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
