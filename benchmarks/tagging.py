"""How far probabilities of labels can be believed, and what tagging by a few examples finds.

Words: each item of a set's test rows is offered 1, 2, 5, 10 and 20 labels of its set, drawn at random, once
with and once without its own. What the shipped scale and level say is held against a plain softmax at
CLIP's scale of 100 and against the estimate that other spaces get. Scale and level are fitted as well: on one
half of the items, measured on the other, and on all, which is what ``classifying/probabilities.py`` rests on.

Examples: 1, 2, 4 and 8 of each of 20 labels are drawn from the train rows; all test rows are tagged, those
of the other labels being unknown, at the probability of 0.5. Beside it stands how many of as many tags are
right that a linear probe is surest of.

    python benchmarks/tagging.py --data DIR [--cache DIR] [--space compact] > tagging.md

``DIR`` holds one folder a set, each with a ``manifest.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bindsearch.classifying.examples import learn
from bindsearch.classifying.probabilities import EVERYDAY, Calibration, estimated, measured, probabilities
from bindsearch.classifying.prompts import PROMPTS, label_vectors
from bindsearch.encoders import Vectors, open_encoder
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests
from bindsearch.evaluation.probe import fit
from bindsearch.evaluation.report import table
from bindsearch.modality import Modality

SETS = (
    ("objects_caltech101", Modality.IMAGE),
    ("depth_nyuv2", Modality.IMAGE),
    ("audio_esc50", Modality.AUDIO),
    ("audio_animals", Modality.AUDIO),
    ("depth_nyuv2", Modality.DEPTH),
    ("imu", Modality.DEPTH),
    ("thermal", Modality.THERMAL),
    ("imu", Modality.IMU),
)
FEW = (("objects_caltech101", Modality.IMAGE), ("audio_esc50", Modality.AUDIO))
OFFERED = (1, 2, 5, 10, 20)
SHOTS = (1, 2, 4, 8)
CLASSES, DRAWS, LEVEL = 20, 5, 0.5
PLAIN = Calibration(100.0, -1.0)  # a softmax that leaves next to nothing for none
BINS = 15
SCALES, LEVELS = np.arange(8, 44, 3.0), np.arange(0.2, 0.5, 0.02)

Truth = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """Items that are offered the same number of labels: cosines (n, labels), whether the first is right."""

    cosines: NDArray[np.float64]
    right: NDArray[np.bool_]
    items: NDArray[np.int64]


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--space", default="compact")
    options = parser.parse_args()
    embedder = Embedder(open_encoder(options.space), options.cache)
    print(f"# Tagging in {embedder.space.key}\n\n## By words\n")
    print(table([words_head(), *(words_row(embedder, options.data, *one) for one in SETS)]))
    print(f"\n## By examples of {CLASSES} labels, at {LEVEL}\n")
    print(table([few_head(), *few_rows(embedder, options.data)]))


def words_head() -> list[str]:
    """The columns of the first table."""
    names = ["set", "modality", "items", "right", "ECE plain", "ECE shipped", "ECE estimated", "ECE halves"]
    return [*names, "fitted scale", "level", "tagged", "precision", "recall"]


def words_row(embedder: Embedder, data: Path, name: str, modality: Modality) -> list[str]:
    """What is measured on one set."""
    vectors, truth, labels = labelled(embedder, data / name, "test", modality)
    named = label_vectors(embedder.texts, labels, PROMPTS[modality])
    cosines = np.asarray(vectors @ named.T, np.float64)
    offers = [offer(cosines, truth, count) for count in OFFERED if count < len(labels)]
    guess = estimated(vectors, embedder.texts(EVERYDAY))
    shipped = measured(embedder.space, modality)
    fitted = best_fit(offers)
    halves = [held_out(offers, half) for half in (0, 1)]
    chosen = shipped or guess
    tagged, hits, known = counted(offers, chosen)
    return [
        *(name, modality, f"{len(truth):,}", f"{(cosines.argmax(axis=1) == truth).mean():.3f}"),
        f"{error(offers, PLAIN):.3f}",
        "-" if shipped is None else f"{error(offers, shipped):.3f}",
        f"{error(offers, guess):.3f}",
        f"{np.mean(halves):.3f}",
        *(f"{fitted.scale:.0f}", f"{fitted.level:.2f}", f"{tagged:.2f}"),
        *(f"{hits / max(tagged, 1e-9):.3f}", f"{hits / known:.3f}"),
    ]


def labelled(
    embedder: Embedder, folder: Path, split: str, modality: Modality
) -> tuple[Vectors, Truth, list[str]]:
    """The vectors of a set's labelled rows, their labels by number, and the labels."""
    rows = [row for row in Manifests([folder / "manifest.csv"]).rows(split, modality) if row.label]
    labels = sorted({row.label for row in rows})
    return embedder.rows(rows), np.array([labels.index(row.label) for row in rows], np.int64), labels


def offer(cosines: NDArray[np.float64], truth: Truth, count: int) -> Offers:
    """Each item with ``count`` labels, twice: its own is the first of them, or not among them."""
    rng = np.random.default_rng(count)
    rows, right, items = [], [], []
    for item, own in enumerate(truth.tolist()):
        others = np.delete(np.arange(cosines.shape[1]), own)
        for known in (True, False):
            chosen = rng.choice(others, count, replace=False)
            if known:
                chosen[0] = own
            rows.append(cosines[item, chosen])
            right.append(known)
            items.append(item)
    return Offers(np.stack(rows), np.array(right), np.array(items))


def judged(one: Offers, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The probability of the likeliest label of each offer, and whether it is the right one."""
    scale, level = (part if isinstance(part, float) else np.asarray(part)[one.items] for part in calibration)
    chances = probabilities(one.cosines, Calibration(scale, level))[:, :-1]
    return chances.max(axis=1), (chances.argmax(axis=1) == 0) & one.right


def error(offers: Iterable[Offers], calibration: Calibration) -> float:
    """The expected calibration error in BINS bins of equal width (C. Guo et al., 2017)."""
    pairs = [judged(one, calibration) for one in offers]
    sure, right = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == one].sum() - right[bins == one].sum()) for one in range(BINS)]
    return float(sum(gaps) / len(sure))


def best_fit(offers: list[Offers]) -> Calibration:
    """The scale and level of the least cross-entropy, by trying all of SCALES and LEVELS."""
    tried = [Calibration(float(scale), float(level)) for scale, level in product(SCALES, LEVELS)]
    return min(tried, key=lambda one: sum(entropy(part, one) for part in offers))


def entropy(one: Offers, calibration: Calibration) -> float:
    """The mean cross-entropy of what is true: the first label, or none."""
    chances = probabilities(one.cosines, calibration)
    true = np.where(one.right, chances[:, 0], chances[:, -1])
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def held_out(offers: list[Offers], half: int) -> float:
    """The error on one half of the items of what was fitted on the other."""
    parts = [[part(one, one.items % 2 == side) for one in offers] for side in (1 - half, half)]
    return error(parts[1], best_fit(parts[0]))


def part(one: Offers, mask: NDArray[np.bool_]) -> Offers:
    """Some of the offers."""
    return Offers(one.cosines[mask], one.right[mask], one.items[mask])


def counted(offers: list[Offers], calibration: Calibration) -> tuple[float, float, float]:
    """The shares of offers that get a tag at LEVEL, that get the right one, and that have a right one."""
    pairs = [judged(one, calibration) for one in offers]
    sure, right = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    known = np.concatenate([one.right for one in offers])
    over = sure >= LEVEL
    return float(over.mean()), float((over & right).mean()), float(known.mean())


def few_head() -> list[str]:
    """The columns of the second table."""
    names = ["set", "shots", "files", "of unknown labels", "tagged", "precision", "recall"]
    return [*names, "precision of a probe"]


def few_rows(embedder: Embedder, data: Path) -> Iterable[list[str]]:
    """A row for each set and number of examples: means over DRAWS draws of labels and examples."""
    for name, modality in FEW:
        shown, shown_truth, labels = labelled(embedder, data / name, "train", modality)
        library, truth, test_labels = labelled(embedder, data / name, "test", modality)
        truth = np.array([labels.index(label) for label in test_labels], np.int64)[truth]
        both = np.intersect1d(shown_truth, truth)
        for shots in SHOTS:
            figures = [
                few(shown, shown_truth, library, truth, both, np.random.default_rng([shots, draw]), shots)
                for draw in range(DRAWS)
            ]
            means = np.mean(figures, axis=0)
            columns = [f"{means[0]:.0f}", f"{means[1]:.0f}", *(f"{mean:.3f}" for mean in means[2:])]
            yield [name, str(shots), f"{len(truth):,}", *columns]


def few(
    shown: Vectors,
    shown_truth: Truth,
    library: Vectors,
    truth: Truth,
    labels: Truth,
    rng: np.random.Generator,
    shots: int,
) -> tuple[float, ...]:
    """Unknown files, tags, precision, recall, and the precision of a probe's so many surest."""
    known = rng.choice(labels, CLASSES, replace=False)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(shown_truth == own))[:shots] for own in known])
    classes = np.array([known.tolist().index(own) for own in shown_truth[chosen]], np.int64)
    chances, guessed = learnt(shown[chosen], classes, library)
    right_of = known[guessed] == truth
    over = chances >= LEVEL
    unknown = ~np.isin(truth, known)
    hits = float((over & right_of).sum())
    scores = fit(shown[chosen], classes, CLASSES).scores(library)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    surest = np.argsort(-(powers / powers.sum(axis=1, keepdims=True)).max(axis=1))[: int(over.sum())]
    probed = float((known[scores.argmax(axis=1)] == truth)[surest].mean())
    tagged = float(over.sum())
    return float(unknown.sum()), tagged, hits / max(tagged, 1), hits / float((~unknown).sum()), probed


def learnt(examples: Vectors, classes: Truth, library: Vectors) -> tuple[NDArray[np.float64], Truth]:
    """The probability of the likeliest label of each file of the library, and which it is."""
    chances = learn(examples, classes, CLASSES, library).probabilities(library)[:, :-1]
    return chances.max(axis=1), chances.argmax(axis=1)


if __name__ == "__main__":
    main()
