"""How long a search takes in a process that stays: a dozen kinds of query, at rest and under a writer.

A library is grown (see _grown) out of a small real one, once, and asked through ``Library.search`` in turn,
so that drift hits all kinds alike. Then the same while another process commits new files and takes out others
every few hundred milliseconds, as a run of indexing does.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python benchmarks/warm_search.py --seed SMALL_LIBRARY \\
        --library FOLDER [--segments 100000] [--rounds 40]

Words are drawn anew for every query. Beside wall time stands processor time of the asking thread, which other
work on the machine disturbs less. Matrix products should keep to one thread: two threads that wait for each
other cost a busy machine several times what they save an idle one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _grown import grow

from bindsearch.answers import SearchOptions
from bindsearch.conditions import parse_condition
from bindsearch.index.filters import Filter
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality

NOUNS = ("dog", "cat", "bird", "child", "woman", "man", "car", "train", "boat", "guitar", "horse", "bicycle")
PLACES = ("beach", "street", "kitchen", "snow", "garden", "forest", "river", "station", "night", "rain")
COMMIT_SECONDS, COMMITTED = 0.5, 100


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of query: ``ask`` makes one of two words."""

    ask: Callable[[str, str], str]
    k: int = 10
    wanted: Filter = field(default_factory=Filter)
    options: SearchOptions = field(default_factory=SearchOptions)


def _where(condition: str) -> Filter:
    return Filter(where=parse_condition(condition))


KINDS = {
    "one word": Kind(lambda noun, place: noun),
    "a phrase": Kind(lambda noun, place: f"a {noun} in the {place}"),
    "a sentence": Kind(lambda noun, place: f"two people with a {noun} walking along a {place} at sunset"),
    "a rare name": Kind(lambda noun, place: f"IMG {sum(map(ord, noun + place)):06}"),
    "words left out": Kind(lambda noun, place: f"{noun} {place}", options=SearchOptions(words=False)),
    "arithmetic": Kind(lambda noun, place: f"{noun} + 0.5*{place} - text:people"),
    "a segment": Kind(lambda noun, place: f"@{100 + 37 * sum(map(ord, noun + place))}"),
    "images only": Kind(
        lambda noun, place: f"{noun} {place}", wanted=Filter(modalities=frozenset([Modality.IMAGE]))
    ),
    "one year": Kind(lambda noun, place: f"{noun} {place}", wanted=_where("time:2016")),
    "time of day": Kind(lambda noun, place: f"{noun} {place}", wanted=_where("time:6-18")),
    "a tag": Kind(lambda noun, place: f"{noun} {place}", wanted=_where("tag:half")),
    "a path": Kind(lambda noun, place: f"{noun} {place}", wanted=_where('path:"00*"')),
    "near a place": Kind(lambda noun, place: f"{noun} {place}", wanted=_where("near:48.137,11.575,1500m")),
    "exact words": Kind(lambda noun, place: noun, options=SearchOptions(exact=True)),
    "100 hits": Kind(lambda noun, place: f"{noun} {place}", k=100),
    "all moments": Kind(
        lambda noun, place: f"{noun} {place}", options=SearchOptions(all_moments=True, duplicates=True)
    ),
}


Times = dict[str, list[tuple[float, float]]]


def measure(library: Library, rounds: int, kinds: Sequence[str], threads: int = 1) -> Times:
    """Milliseconds of every search, by kind: wall and processor. Each of ``threads`` asks all of them."""
    times: Times = {name: [] for name in kinds}

    def ask_all(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(rounds):
            for name in kinds:
                kind = KINDS[name]
                query = kind.ask(chance.choice(NOUNS), chance.choice(PLACES))
                began, worked = time.perf_counter(), time.thread_time()
                library.search(query, kind.k, kind.wanted, kind.options)
                taken = time.perf_counter() - began, time.thread_time() - worked
                times[name].append((1e3 * taken[0], 1e3 * taken[1]))

    asking = [threading.Thread(target=ask_all, args=(seed,)) for seed in range(threads)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    return times


def change(folder: Path, stop: Any) -> None:
    """Commit COMMITTED new files and as many deletions every COMMIT_SECONDS until told to stop."""
    from sqlalchemy import delete, func, insert, select

    from bindsearch.index.schema import contents, locations, segments, vectors
    from bindsearch.index.store import Store

    chance = np.random.default_rng()
    with Store.writing(folder) as store:
        while not stop.wait(COMMIT_SECONDS):
            with store.catalog.write() as session:
                dimensions = len(session.scalar(select(vectors.c.data).limit(1)) or b"") // 2
                first = 1 + (session.scalar(select(func.max(contents.c.id))) or 0)
                segment = 1 + (session.scalar(select(func.max(segments.c.id))) or 0)
                doomed = session.scalars(
                    select(contents.c.id)
                    .order_by(contents.c.id.desc())
                    .offset(10 * COMMITTED)
                    .limit(COMMITTED)
                ).all()
                session.execute(delete(locations).where(locations.c.content_id.in_(doomed)))
                session.execute(delete(contents).where(contents.c.id.in_(doomed)))
                for n in range(COMMITTED):
                    digest = chance.bytes(32)
                    row = {"id": first + n, "identity": digest, "sha256": digest, "size": 1}
                    more = {"modality": "image", "format": "made", "added_at": 0.0}
                    session.execute(insert(contents), row | more)
                    place = {"root_id": 1, "content_id": first + n, "path": f"new/{first + n} dog.jpg"}
                    stat = {"state": "present", "size": 1, "mtime_ns": 0, "inode": first + n, "device": 0}
                    session.execute(insert(locations), place | stat)
                    part = {"id": segment + n, "content_id": first + n, "ordinal": 0, "modality": "image"}
                    session.execute(insert(segments), part)
                    vector = chance.standard_normal(dimensions)
                    data = (vector / np.linalg.norm(vector)).astype("<f2").tobytes()
                    session.execute(insert(vectors), {"segment_id": segment + n, "space_id": 1, "data": data})


def show(title: str, times: Times) -> None:
    """A table of wall times (least, median, 99 %) and of the processor's (median)."""
    print(f"\n{title}\n\n| ms | least | median | 99 % | processor |\n|---|---|---|---|---|")
    for name, taken in [*times.items(), ("**all**", [one for some in times.values() for one in some])]:
        wall, work = np.array(taken).T
        figures = (wall.min(), np.median(wall), np.quantile(wall, 0.99), np.median(work))
        print(f"| {name} | {' | '.join(f'{one:.1f}' for one in figures)} |", flush=True)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=Path, help="a small library of the space to grow from")
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--segments", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--rest", action="store_true", help="at rest only")
    options = parser.parse_args()
    if not options.library.exists():
        if options.seed is None:
            sys.exit("--seed is needed to make the library")
        grow(options.seed, options.library, options.segments)
    with Library.open(options.library) as library:
        measure(library, 2, options.kinds)
        show("at rest", measure(library, options.rounds, options.kinds))
        show("at rest, two at once", measure(library, options.rounds // 2, options.kinds, threads=2))
    if options.rest:
        return
    copy = options.library.with_name(options.library.name + ".changing")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(options.library, copy)
    stop = multiprocessing.get_context("spawn").Event()
    writer = multiprocessing.get_context("spawn").Process(target=change, args=(copy, stop), daemon=True)
    with Library.open(copy) as library:
        measure(library, 2, options.kinds)
        writer.start()
        show("while another process commits", measure(library, options.rounds, options.kinds))
    stop.set()
    writer.join()
    shutil.rmtree(copy)


if __name__ == "__main__":
    main()
