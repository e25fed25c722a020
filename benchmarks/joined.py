"""Joined recordings and films: is the peak of ``bindsearch locate``'s curve where what was asked for is?

Recordings are joined of seven clips of ESC-50 with seven labels, films of twelve photos of Caltech-101 with
twelve labels, each shown for two seconds. Each is asked for every one of its labels by name, and as often for
one that is not in it. They are made in memory and cut as the loaders cut them; nothing is compressed.

    python benchmarks/joined.py --data DIR [--split test] [--count 10] > joined.md
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Encoder, open_encoder
from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.evaluation.report import table
from bindsearch.ingest.locating import QUICK_PACE
from bindsearch.loaders import LoadOptions, load
from bindsearch.loaders.sound_spans import SpanCutter
from bindsearch.locating import MOMENT_LEVEL, Curve, Usual, find_spans
from bindsearch.media import Clip, Passage, Picture, Sound
from bindsearch.modality import Modality

RATE = 16_000
CLIPS, PHOTOS, SHOWN_SECONDS = 7, 12, 2.0
LEVELS = (1.5, 1.8, 2.0, 2.5)


@dataclass(frozen=True, slots=True)
class Joined:
    """Windows of one recording or film, and from when to when each label is."""

    windows: list[Clip] | list[Sound]
    times: dict[str, tuple[float, float]]


@dataclass(slots=True)
class Figures:
    """What came of one sort of file: of every label, of those that were told, of those that are not there."""

    inside: list[bool] = field(default_factory=list)
    standings: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)
    errors: list[tuple[float, float]] = field(default_factory=list)
    chance: list[float] = field(default_factory=list)

    def count(self, curve: Curve, dimensions: int, time: tuple[float, float]) -> None:
        """Take in the curve of a label that is there at ``time``, from and to in seconds."""
        usual = Usual.of(curve.values[np.isfinite(curve.values)], dimensions)
        (best,) = find_spans(curve, usual, -np.inf, 1)
        self.inside.append(time[0] <= best.peak < time[1])
        self.standings.append(best.standing)
        self.chance.append((time[1] - time[0]) / float(curve.bounds[-1] - curve.bounds[0]))
        if self.inside[-1] and best.standing >= MOMENT_LEVEL:
            self.errors.append((abs(best.start - time[0]), abs(best.end - time[1])))

    def row(self, name: str) -> tuple[object, ...]:
        """The figures in the order of the table's head."""
        inside, standings, absent = np.array(self.inside), np.array(self.standings), np.array(self.absent)
        start, end = np.median(self.errors, 0) if self.errors else (np.nan, np.nan)
        cells = [
            f"{np.mean(inside & (standings >= level)):.2f} ({np.mean(absent >= level):.2f})"
            for level in LEVELS
        ]
        chance = f"{np.mean(self.chance):.2f}"
        return (name, len(inside), f"{inside.mean():.2f}", chance, *cells, f"{start:.2f} s, {end:.2f} s")


def recording(rows: Sequence[Row]) -> Joined:
    """The clips of ``rows`` one after the other, in windows."""
    window = QUICK_PACE.sound_seconds
    cutter = SpanCutter(LoadOptions(sound_seconds=window, sound_overlap=window - QUICK_PACE.step))
    windows: list[Sound] = []
    times, end = {}, 0.0
    for row in rows:
        start = end
        for media in load(row.path, LoadOptions(sound_seconds=60.0)).media:
            if isinstance(media, Sound):
                windows += cutter.add(media.samples)
                end += len(media.samples) / RATE
        times[row.label] = start, end
    return Joined([*windows, *cutter.finish()], times)


def film(rows: Sequence[Row]) -> Joined:
    """The photos of ``rows`` one after the other, a frame a step."""
    windows: list[Clip] = []
    times = {}
    step = QUICK_PACE.step
    for number, row in enumerate(rows):
        start = number * SHOWN_SECONDS
        photo = next(media for media in load(row.path).media if isinstance(media, Picture))
        shown = np.arange(start, start + SHOWN_SECONDS, step).tolist()
        windows += [Clip(photo.pixels[np.newaxis], time, time + step) for time in shown]
        times[row.label] = start, start + SHOWN_SECONDS
    return Joined(windows, times)


def ask(joined: Joined, labels: list[str], encoder: Encoder, figures: Figures, chance: random.Random) -> None:
    """Ask one file for each of its labels, and as often for one of ``labels`` that it has not."""
    spans = [(one.start, one.end) for one in joined.windows]
    vectors = encoder.encode(joined.windows)
    dimensions = encoder.space.dimensions
    modality = joined.windows[0].modality

    def curve(label: str) -> Curve:
        return Curve.of(modality, spans, (vectors @ encoder.encode([Passage(label)])[0]).tolist())

    for label, time in joined.times.items():
        figures.count(curve(label), dimensions, time)
        other = curve(chance.choice([name for name in labels if name not in joined.times]))
        known: NDArray[np.float64] = other.values[np.isfinite(other.values)]
        figures.absent.append(float(Usual.of(known, dimensions).standing(known).max()))


def _drawn(rows: Sequence[Row], count: int, chance: random.Random) -> list[Row]:
    labels = chance.sample(sorted({row.label for row in rows}), count)
    return [chance.choice([row for row in rows if row.label == label]) for label in labels]


def main() -> None:
    """Print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of data sets, each with a manifest.csv")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=10, help="recordings and films, each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--space", default="compact")
    options = parser.parse_args()
    if options.data is None:
        print("  passed over: --data names the folder of data sets that files are joined of")
        return
    encoder, chance = open_encoder(options.space), random.Random(options.seed)
    cells = [f"inside at {level:g} (for nothing)" for level in LEVELS]
    rows: list[tuple[object, ...]] = [("file", "asked", "peak inside", "chance", *cells, "start, end off by")]
    for name, folder, modality, join, count in (
        ("recordings", "audio_esc50", Modality.AUDIO, recording, CLIPS),
        ("films", "objects_caltech101", Modality.IMAGE, film, PHOTOS),
    ):
        items = Manifests([options.data / folder / "manifest.csv"]).rows(options.split, modality)
        labels, figures = sorted({row.label for row in items}), Figures()
        for _ in range(options.count):
            ask(join(_drawn(items, count, chance)), labels, encoder, figures, chance)
        rows.append(figures.row(name))
    print(f"# Joined recordings and films in {encoder.space.id}, split {options.split}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
