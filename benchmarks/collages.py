"""Generated collages: is the place that ``bindsearch locate`` marks inside the object that was asked for?

A hundred collages (see _collages.py), each with a photo of another class of Caltech-101 in it, are asked for
it by the name of the class and by another photo of it. The best box counts if its centre lies inside the
pasted photo. Beside it stand what chance would hit, and the window that scores best, which is what one has
without heat map and refinement. Sounds are asked of further collages, of the classes that have one. Whether
nothing is found where there is nothing is asked of every fifth collage, with the query of another one, whose
class is nowhere in the picture by what is said of its parts.

    python benchmarks/collages.py --data DIR [--split test] [--count 100] [--fine] > collages.md

DIR holds the folders objects_caltech101, captions_flickr8k and those of the sounds. ``--seed`` makes others;
``--split train`` is what the method was tuned on.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _collages import HEIGHT, WIDTH, Asked, Collage, make
from numpy.typing import NDArray

from bindsearch.encoders import Encoder, Space, Vectors, open_encoder
from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.evaluation.report import table
from bindsearch.loaders import load
from bindsearch.locating import FINE, PLACE_LEVEL, QUICK, Effort, Place, Places, find_places
from bindsearch.locating.regions import Crops, windows
from bindsearch.media import Media, Passage, Picture
from bindsearch.modality import Modality

Vector = NDArray[np.float32]

KINDS = ("scene", "grid")
LEVELS = (0.8, 1.2, 1.6, 1.8, 2.0, 2.25, 2.5)
ABSENT_EVERY = 5
SOUND_SETS = ("audio_esc50", "audio_animals", "audio_speech_music", "pairs_picture_sound")
# Labels of sounds that a class of photos makes.
SOUNDS = {
    "dalmatian": ("dog",), "wild cat": ("cat",), "rooster": ("rooster",), "airplane": ("airplane",),
    "helicopter": ("helicopter",), "car": ("car horn", "engine"), "motorbike": ("engine",),
    "accordion": ("accordion",), "electric guitar": ("electric guitar", "distorted electric guitar"),
    "grand piano": ("piano",), "saxophone": ("saxophone",), "person's face": ("speech", "laughing"),
    "watch": ("clock tick",), "pigeon": ("chirping birds", "bird"),
}  # fmt: skip


class Remembering:
    """An encoder that encodes no region twice: the queries of one collage look at many of the same."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[bytes, Vectors] = {}

    @property
    def space(self) -> Space:
        """See Encoder.space."""
        return self._encoder.space

    @property
    def picture_side(self) -> int | None:
        """See Encoder.picture_side."""
        return self._encoder.picture_side

    def warm(self, modality: Modality) -> None:
        """See Encoder.warm."""
        self._encoder.warm(modality)

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        keys = [_key(media) for media in batch]
        new = {key: media for key, media in zip(keys, batch, strict=True) if key not in self._known}
        if new:
            self._known.update(zip(new, self._encoder.encode(list(new.values())), strict=True))
        return np.stack([self._known[key] for key in keys])

    def forget(self) -> None:
        """Let go of all that is remembered."""
        self._known.clear()


def _key(media: Media) -> bytes:
    if not isinstance(media, Picture):
        return repr(media).encode() if isinstance(media, Passage) else str(id(media)).encode()
    return hashlib.blake2b(
        media.pixels.tobytes() + repr(media.pixels.shape).encode(), digest_size=16
    ).digest()


@dataclass(slots=True)
class Figures:
    """What came of one sort of query."""

    hits: list[bool] = field(default_factory=list)
    inside: list[bool] = field(default_factory=list)
    single: list[bool] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    chance: list[float] = field(default_factory=list)
    overlaps: list[float] = field(default_factory=list)
    boxes: list[int] = field(default_factory=list)
    standings: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)
    regions: list[int] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def count(self, collage: Collage, places: Places, single: tuple[float, float]) -> None:
        """Take in one answer, ``single`` is the middle of the best window."""
        best = places.found[0] if places.found else None
        hit = best is not None and collage.holds(*best.box.centre)
        self.hits.append(best is not None and hit and best.standing >= PLACE_LEVEL)
        self.inside.append(hit)
        self.single.append(collage.holds(*single))
        self.kinds.append(collage.kind)
        self.chance.append(collage.share)
        self.overlaps.append(_union(best, collage) if best is not None and hit else 0.0)
        self.boxes.append(sum(place.standing >= PLACE_LEVEL for place in places.found))
        self.standings.append(best.standing if best is not None else 0.0)
        self.regions.append(places.regions)
        if not self.hits[-1]:
            self.misses.append(collage.label)


def _union(place: Place, collage: Collage) -> float:
    """Intersection over union of a box and the pasted photo."""
    left, top, width, height = collage.box
    box = place.box
    across = min(box.x + box.width, left + width) - max(box.x, left)
    down = min(box.y + box.height, top + height) - max(box.y, top)
    common = max(0, across) * max(0, down)
    return common / (box.width * box.height + width * height - common)


@dataclass(frozen=True, slots=True)
class Case:
    """A collage with its queries, each a medium, by sort."""

    collage: Collage
    queries: dict[str, Media]


def cases(asked: Asked, count: int, chance: random.Random) -> Iterator[Case]:
    """A collage of every class in turn, asked by its name and by another of its photos."""
    for number, row, other in _chosen(asked, count, chance):
        collage = make(asked, row, KINDS[number % 2], chance)
        yield Case(collage, {"words": Passage(row.label), "picture": _medium(other.path)})


def _chosen(asked: Asked, count: int, chance: random.Random) -> Iterator[tuple[int, Row, Row]]:
    labels = sorted({row.label for row in asked.objects})
    for number in range(count):
        label = labels[number % len(labels)]
        row, other = chance.sample([row for row in asked.objects if row.label == label], 2)
        yield number, row, other


def sound_cases(data: Path, split: str, asked: Asked, each: int, chance: random.Random) -> Iterator[Case]:
    """Some collages of every class that has a sound, each asked with another one."""
    there = [data / name / "manifest.csv" for name in SOUND_SETS if (data / name).is_dir()]
    sounds = Manifests(there).rows(split, Modality.AUDIO) if there else []
    number = 0
    for label, names in SOUNDS.items():
        objects = [row for row in asked.objects if row.label == label]
        heard = [row for row in sounds if row.label in names]
        for sound in chance.sample(heard, min(each, len(heard))) if objects else []:
            collage = make(asked, chance.choice(objects), KINDS[number % 2], chance)
            number += 1
            yield Case(collage, {"sound": _medium(sound.path)})


def _medium(path: Path) -> Media:
    return next(iter(load(path).media))


def ask(some: Sequence[Case], encoder: Remembering, effort: Effort, least: float) -> dict[str, Figures]:
    """Ask every case for what is in it, and some for what is not."""
    figures: dict[str, Figures] = {}
    vectors = [{sort: encoder.encode([query])[0] for sort, query in case.queries.items()} for case in some]
    for number, case in enumerate(some):
        encoder.forget()
        pixels = case.collage.pixels
        for sort, vector in vectors[number].items():
            kept = figures.setdefault(sort, Figures())
            places = find_places(pixels, vector, encoder, level=least, effort=effort)
            kept.count(case.collage, places, _single(case.collage, vector, encoder, effort))
            if number % ABSENT_EVERY == 0:
                other = vectors[_other(some, number)][sort]
                found = find_places(pixels, other, encoder, level=least, effort=effort).found
                kept.absent.append(found[0].standing if found else 0.0)
        inside = ", ".join(f"{sort} {sum(one.hits)}" for sort, one in figures.items())
        print(f"\r{number + 1}/{len(some)}: inside {inside}", end="", file=sys.stderr, flush=True)
    return figures


def _other(some: Sequence[Case], number: int) -> int:
    """The next but a few of another class than any in the collage of that number."""
    collage = some[number].collage
    for step in range(7, 7 + len(some)):
        other = (number + step) % len(some)
        if not collage.might_show(some[other].collage.label):
            return other
    raise SystemExit("too few classes to ask for what is not there")


def _single(collage: Collage, vector: Vector, encoder: Remembering, effort: Effort) -> tuple[float, float]:
    """The middle of the window that scores best."""
    crops = Crops.of(collage.pixels, encoder.picture_side)
    boxes = windows(WIDTH, HEIGHT, effort.sides, effort.step)
    best = boxes[(encoder.encode([crops.picture(box) for box in boxes]) @ vector).argmax()]
    return float(best[0] + best[2] / 2), float(best[1] + best[3] / 2)


def show(figures: dict[str, Figures], least: float) -> None:
    """Print the tables; levels below ``least`` were not looked at."""
    levels = [level for level in LEVELS if level >= least]
    head = ("query", "asked", "inside", *KINDS, "best window", "chance", "overlap", "boxes", "regions")
    rows: list[tuple[object, ...]] = [head, *(_row(sort, one) for sort, one in figures.items())]
    print(table(rows))
    print(f"\nBoxes at level {PLACE_LEVEL:g}. By level: inside / any box / one for what is not there\n")
    rows = [("query", *(f"{level:g}" for level in levels))]
    for sort, one in figures.items():
        rows.append((sort, *(_by_level(one, level) for level in levels)))
    print(table(rows))
    for sort, one in figures.items():
        print(f"\nMissed by {sort}: {', '.join(one.misses) or 'none'}.")


def _row(sort: str, one: Figures) -> tuple[object, ...]:
    pairs = list(zip(one.hits, one.kinds, strict=True))
    kinds = [np.mean([hit for hit, own in pairs if own == kind] or [False]) for kind in KINDS]
    overlap = np.mean([value for value in one.overlaps if value] or [0])
    means = (np.mean(one.single), np.mean(one.chance), overlap, np.mean(one.boxes))
    numbers = [f"{value:.2f}" for value in (np.mean(one.hits), *kinds, *means)]
    return (sort, len(one.hits), *numbers, round(float(np.mean(one.regions))))


def _by_level(one: Figures, level: float) -> str:
    there = np.array(one.standings) >= level
    inside, away = there & np.array(one.inside), np.array(one.absent) >= level
    return f"{np.mean(inside):.2f} / {np.mean(there):.2f} / {np.mean(away):.2f}"


def main() -> None:
    """Print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of data sets, each with a manifest.csv")
    parser.add_argument("--split", default="test")
    parser.add_argument(
        "--count", type=int, default=100, help="collages that are asked by words and pictures"
    )
    parser.add_argument("--sounds", type=int, default=3, help="collages of each class that has a sound")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=float, default=1.6, help="the level from which boxes are looked for")
    parser.add_argument("--space", default="compact")
    parser.add_argument("--fine", action="store_true", help="look as closely as locate --fine does")
    options = parser.parse_args()
    if options.data is None:
        print("  passed over: --data names the folder of data sets that collages are made of")
        return
    asked = Asked.of(options.data, options.split)
    encoder = Remembering(open_encoder(options.space))
    chance = random.Random(options.seed)
    seconds = time.monotonic()
    effort = FINE if options.fine else QUICK
    figures = ask(list(cases(asked, options.count, chance)), encoder, effort, options.least)
    sounds = list(sound_cases(options.data, options.split, asked, options.sounds, chance))
    figures |= ask(sounds, encoder, effort, options.least) if sounds else {}
    seconds = time.monotonic() - seconds
    print(f"# Collages in {encoder.space.id}, split {options.split}, seed {options.seed}\n")
    print(f"{options.count} collages and {len(sounds)} for sounds, in {seconds:.0f} s.\n")
    show(figures, options.least)


if __name__ == "__main__":
    main()
