"""Words beside vectors: which way to join the two rankings finds most, on one library of many sets.

The library that forty_queries.py makes is copied and given what people's folders have: names such as
``IMG_0231-dog.jpg`` that hint at what a part of the files show, albums (folders) and persons (in names, tags
and notes) with invented names, numbers. Then it is asked:

    described   a caption that was not indexed; wanted are its photo and the note of another caption of it
    shown       the same; wanted is the photo alone, and every note is in the way
    named       a person's or a number's name; wanted are the files that bear it
    both        a caption and the album's name; wanted is that photo, of the sixty in the album
    common      a plain word ("rain", "dog"); wanted is whatever shows it, in any modality

    python benchmarks/words.py --work DIR [--space compact] > words.md

DIR is forty_queries.py's; nothing in it is changed. "notes" is how much of the first ten hits are notes:
joining must not put texts before everything else because only texts hold words.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text, update

from bindsearch.encoders import Encoder, open_encoder
from bindsearch.evaluation.report import table
from bindsearch.fusion import convex, fuse, reciprocal_ranks
from bindsearch.index.catalog import Catalog
from bindsearch.index.schema import locations, segments, vectors
from bindsearch.index.words import WordHit, find_words
from bindsearch.media import Passage
from bindsearch.modality import Modality
from bindsearch.ranking import Backgrounds, Part
from bindsearch.references import REFERENCE_QUERIES

PERSONS, NUMBERS, ALBUMS = 120, 80, 40
HINTED = 0.3  # of all files that are no notes have a name that says something
TAKEN_IN = 1000  # of each ranking goes into the joint ones
FIRST = 10

Ranking = Sequence[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with the segments that it is to find."""

    kind: str
    text: str
    wanted: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """All segments of the library: ids and unit vectors (n, d), modalities, and what each file is."""

    ids: list[int]
    vectors: NDArray[np.float32]
    modalities: NDArray[np.str_]
    said: dict[int, dict[str, Any]]

    @property
    def notes(self) -> frozenset[int]:
        """The ids of texts."""
        return frozenset(np.array(self.ids)[self.modalities == Modality.TEXT].tolist())


def read_moments(catalog: Catalog, files: Mapping[str, dict[str, Any]]) -> Moments:
    """Every segment with a vector, and its file's entry in ``files``."""
    columns = (segments.c.id, segments.c.modality, vectors.c.data, locations.c.path)
    statement = (
        select(*columns)
        .join(vectors, vectors.c.segment_id == segments.c.id)
        .join(locations, locations.c.content_id == segments.c.content_id)
        .group_by(segments.c.id)
        .order_by(segments.c.id)
    )
    with catalog.read() as connection:
        rows = list(connection.execute(statement))
    return Moments(
        ids=[row.id for row in rows],
        vectors=np.stack([np.frombuffer(row.data, "<f2") for row in rows]).astype(np.float32),
        modalities=np.array([row.modality for row in rows]),
        said={row.id: files[row.path] for row in rows},
    )


class Names:
    """Invented names that are no words: syllables drawn from a seeded generator, each name once."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._used: set[str] = set()

    def new(self) -> str:
        """One more name."""
        syllables = ["".join(pair) for pair in zip("bdfgklmnprstvz" * 5, "aeiou" * 14, strict=True)]
        while True:
            name = "".join(self._chance.sample(syllables, 3)).capitalize() + self._chance.choice(
                ["n", "r", ""]
            )
            if name not in self._used:
                self._used.add(name)
                return name


def furnish(catalog: Catalog, moments: Moments) -> list[Asked]:
    """Name, file away and tag the library's files; the queries that know of it."""
    chance = random.Random(7)
    names = Names(chance)
    ids = list(moments.ids)
    chance.shuffle(ids)
    album_names = [f"{names.new()} {year}" for year in range(1985, 1985 + ALBUMS)]
    albums = {segment: chance.choice(album_names) for segment in ids if chance.random() < 0.6}
    titles = {segment: _name(segment, moments, chance) for segment in ids}
    queries = list(_both(moments, albums))
    with catalog.write() as session:
        connection = session.connection()
        rest = iter(ids)
        for number in range(NUMBERS):
            segment = next(rest)
            titles[segment] = f"DSC{48000 + 7 * number}"
            queries.append(Asked("named", str(48000 + 7 * number), frozenset([segment])))
        for number in range(PERSONS):
            bearers, person = [next(rest) for _ in range(1 + number % 4)], names.new()
            for segment in bearers:
                _bear(connection, segment, person, titles, moments)
            form = ("{}", "{}'s photo", "a call with {}", "{} in the garden")[number % 4]
            queries.append(Asked("named", form.format(person.lower()), frozenset(bearers)))
        for segment, title in titles.items():
            path = f"{albums.get(segment, 'Unsorted')}/{segment:05} {title}.xyz"
            owner = select(segments.c.content_id).where(segments.c.id == segment).scalar_subquery()
            connection.execute(update(locations).where(locations.c.content_id == owner).values(path=path))
    return queries


def _name(segment: int, moments: Moments, chance: random.Random) -> str:
    """What a camera would write, or a word of what there is to see."""
    said = moments.said[segment]
    words = re.findall(r"[a-z]{4,}", (said["label"] or said["captions"][0]).lower())
    if said["modality"] == Modality.TEXT or chance.random() > HINTED or not words:
        return f"IMG_{chance.randrange(10000):04}"
    return f"{chance.choice(words)}_{chance.randrange(100)}"


def _bear(connection: Any, segment: int, person: str, titles: dict[int, str], moments: Moments) -> None:
    """Write a person's name where it would stand: in a note's text, else in the file's name or a tag."""
    if moments.said[segment]["modality"] == Modality.TEXT:
        more = segments.c.text + f" With {person}."
        connection.execute(update(segments).where(segments.c.id == segment).values(text=more))
    elif segment % 2:
        titles[segment] = f"{person}-{titles[segment]}"
    else:
        tag = "INSERT INTO tags (content_id, name, source, added_at) SELECT content_id, :name, 'hand', 0 "
        statement = text(f"{tag} FROM segments WHERE id = :segment")
        connection.execute(statement, {"name": person, "segment": segment})


def _captioned(moments: Moments) -> Iterator[tuple[int, str]]:
    for segment, said in moments.said.items():
        if said["modality"] == Modality.IMAGE and len(said["captions"]) > 3:
            yield segment, said["captions"][1].rstrip(" .")


def _both(moments: Moments, albums: Mapping[int, str]) -> Iterator[Asked]:
    for segment, caption in _captioned(moments):
        if segment in albums:
            yield Asked("both", f"{caption}, {albums[segment].split()[0]}", frozenset([segment]))


def described(moments: Moments) -> Iterator[Asked]:
    """Captions that no note holds."""
    notes = {said["captions"][0]: i for i, said in moments.said.items() if said["modality"] == Modality.TEXT}
    for segment, caption in _captioned(moments):
        note = notes.get(moments.said[segment]["captions"][0], segment)
        yield Asked("described", caption, frozenset([segment, note]))
        yield Asked("shown", caption, frozenset([segment]))


def common(moments: Moments) -> Iterator[Asked]:
    """Plain words; wanted is whatever has them in its label or captions."""
    asked = "dog,cat,bird,rain,water,baby,guitar,people,walking,running,train,car,beach,snow,football"
    asked += ",church bells,a crying baby,rooster,kitchen,bedroom,stairs,street,a boy,bicycle,clock,engine"
    for query in asked.split(","):
        said = re.compile(rf"\b{re.escape(query.removeprefix('a '))}s?\b")
        fits = (
            i
            for i, file in moments.said.items()
            if said.search(f"{file['label']} {file['captions']}".lower())
        )
        wanted = frozenset(fits)
        if wanted:
            yield Asked("common", query, wanted)


def standings(moments: Moments, encoder: Encoder, queries: Sequence[str]) -> Iterator[dict[int, float]]:
    """Of each query the standing of every segment."""
    kinds = sorted(set(moments.modalities.tolist()))
    rows = {Modality(kind): moments.vectors[moments.modalities == kind] for kind in kinds}
    chance = np.random.default_rng(0)
    samples = {kind: some[chance.permutation(len(some))[:400]] for kind, some in rows.items()}
    more = {kind: some[chance.permutation(len(some))[:64]] for kind, some in rows.items()}
    sizes = {kind: len(some) for kind, some in rows.items()}
    references = encoder.encode([Passage(query) for query in REFERENCE_QUERIES])
    backgrounds = Backgrounds(samples, more, sizes, references)
    for query in queries:
        vector = encoder.encode([Passage(query)])[0]
        judge = backgrounds.judge([Part(Modality.TEXT, 1.0, vector)])
        scores = moments.vectors @ judge.vector
        found = np.empty(len(scores), np.float32)
        for kind in rows:
            those = moments.modalities == kind
            found[those] = judge.standings(kind, scores[those])
        yield dict(zip(moments.ids, found.tolist(), strict=True))


def rankings(meaning: dict[int, float], hits: Sequence[WordHit]) -> dict[str, Ranking]:
    """One query's ranking by every way of joining."""
    near = sorted(meaning, key=lambda key: -meaning[key])[:TAKEN_IN]
    said = {hit.segment_id: hit.evidence for hit in hits}
    bm25 = {hit.segment_id: hit.score for hit in sorted(hits, key=lambda hit: -hit.score)}
    found: dict[str, Ranking] = {
        "vectors alone": near,
        "words alone, by BM25": list(bm25),
        "words alone, by evidence": list(said),
        "reciprocal ranks, k = 60": [key for key, _ in reciprocal_ranks(near, list(bm25)[:TAKEN_IN])],
    }
    for share in (0.2, 0.35, 0.5):
        found[f"convex, words {share:g}"] = [key for key, _ in convex(meaning, bm25, share)]
    found["surprise (the default)"] = [key for key, _ in fuse(meaning, said)]
    return found


def figures(ranking: Ranking, asked: Asked, notes: frozenset[int]) -> tuple[float, float, float, float]:
    """Recall at 1 and at 10 of what could be found so early, reciprocal rank of the first, share of notes."""
    right = [key in asked.wanted for key in ranking]
    most = min(FIRST, len(asked.wanted))
    first = right.index(True) + 1 if True in right else 0
    return (
        float(right[:1] == [True]),
        sum(right[:FIRST]) / most,
        1 / first if first else 0.0,
        sum(key in notes for key in ranking[:FIRST]) / FIRST,
    )


def measure(catalog: Catalog, moments: Moments, encoder: Encoder, queries: Sequence[Asked]) -> str:
    """A table: a row a way of joining, for each kind of query its figures."""
    notes, sums = moments.notes, dict[tuple[str, str], list[tuple[float, ...]]]()
    with catalog.read() as connection:
        for asked, meaning in zip(
            queries, standings(moments, encoder, [asked.text for asked in queries]), strict=True
        ):
            hits = find_words(connection, asked.text)
            for way, ranking in rankings(meaning, hits).items():
                sums.setdefault((way, asked.kind), []).append(figures(ranking, asked, notes))
    kinds = list(dict.fromkeys(asked.kind for asked in queries))
    head = ["", *(f"{kind} {name}" for kind in kinds for name in ("R@1", "R@10", "MRR"))]
    rows = []
    for way in dict.fromkeys(way for way, _ in sums):
        means = {kind: np.mean(sums[way, kind], axis=0) for kind in kinds}
        cells = [f"{value:.3f}" for kind in kinds for value in means[kind][:3]]
        rows.append([way, *cells, f"{means['common'][3]:.2f}"])
    counts = ", ".join(f"{sum(asked.kind == kind for asked in queries)} {kind}" for kind in kinds)
    return f"{len(moments.ids):,} segments; queries: {counts}\n\n" + table([[*head, "common notes"], *rows])


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--space", default="compact")
    options = parser.parse_args()
    encoder = open_encoder(options.space)
    files = json.loads((options.work / "files.json").read_text(encoding="utf-8"))["files"]
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(options.work / f"library-{options.space}", Path(folder) / "library")
        catalog = Catalog.create(copy)
        moments = read_moments(catalog, files)
        queries = furnish(catalog, moments)
        queries += [*described(moments), *common(moments)]
        queries.sort(key=lambda asked: ("described", "shown", "named", "both", "common").index(asked.kind))
        print(measure(catalog, moments, encoder, queries))
        catalog.close()


if __name__ == "__main__":
    main()
