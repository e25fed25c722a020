"""The recipes of the compact space's depth, thermal and IMU towers: which rows, how often, and how to fit.

Each is a binding (see ``bind``) to the pictures and the words of the space as it lies in the folder that the
tower is added to.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bindsearch.encoders.compact import CompactEncoder
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.modality import Modality
from bindsearch.training.bind.binding import tower_for, views_of
from bindsearch.training.bind.fit import Epoch, fit_tower
from bindsearch.training.bind.lessons import lessons_of
from bindsearch.training.bind.options import Fit
from bindsearch.training.bind.shown import shown
from bindsearch.training.data import FREE

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sense:
    """One recipe: its sets and how often each is drawn, the modality of its partners, and the fit."""

    modality: Modality
    sets: dict[str, float]
    partners: Modality
    fit: Fit


DEPTH = Sense(
    Modality.DEPTH,
    {"depth_nyuv2": 0.85, "imu": 0.15},
    Modality.IMAGE,
    Fit(epochs=12, batch=48, rate=1e-3, trunk_rate=8e-4, temperature=0.05, label_weight=0.5, text_weight=0.3),
)
THERMAL = Sense(
    Modality.THERMAL,
    {"thermal": 1.0},
    Modality.IMAGE,
    # Few are held out: only which comes first tells epochs apart.
    Fit(epochs=16, batch=48, rate=1e-3, trunk_rate=5e-4, temperature=0.05, recall=1),
)
IMU = Sense(
    Modality.IMU,
    {"imu": 1.0},
    Modality.DEPTH,
    Fit(
        epochs=25,
        batch=64,
        rate=2e-3,
        trunk_rate=2e-3,
        temperature=0.05,
        partner_weight=0.2,
        label_weight=1.0,
    ),
)
SENSES = {sense.modality: sense for sense in (DEPTH, THERMAL, IMU)}


def fitted_sense(
    sense: Sense, data: Path, space: Path, cache: Path, say: Say, *, permissive: bool = False
) -> tuple[nn.Module, Epoch, NDArray[Any]]:
    """The fitted tower of ``sense``, what its best epoch came to, and what it is shown of one item.

    ``data`` is the folder of sets, ``space`` that of the compact weights to bind to.
    """
    embedder = Embedder(CompactEncoder(space), cache / "vectors", say)
    manifests = manifests_of(sense, data, permissive=permissive)
    rows = manifests.rows("train", sense.modality)
    there = manifests.modalities("train") & embedder.space.modalities
    partners = manifests.rows("train", sense.partners) if sense.partners in there else []
    lessons = lessons_of(rows, partners, embedder, say)
    lessons = replace(lessons, chances=chances(rows, sense))
    given = shown(rows, embedder, cache, say)
    tower = tower_for(sense.modality, given, embedder.space.dimensions, sense.fit.seed)
    key = f"{sense} {embedder.space.key} {len(rows)} {given.shape}"
    checkpoint = cache / f"{sense.modality}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt"
    fitted, epoch = fit_tower(
        tower, views_of(sense.modality, given), lessons, sense.fit, checkpoint, lambda done: say(done.line)
    )
    return fitted, epoch, given[:1]


def manifests_of(sense: Sense, data: Path, *, permissive: bool) -> Manifests:
    """The manifests of a sense; ``permissive`` counts only rows whose licence begins as one of ``FREE``."""
    paths = [data / name / "manifest.csv" for name in sense.sets]
    if not permissive:
        return Manifests(paths)
    free = {licence for path in paths for licence in _licences(path) if licence.startswith(FREE)}
    return Manifests(paths, where={"licence": frozenset(free)})


def chances(rows: Sequence[Row], sense: Sense) -> Tensor:
    """How often each row is drawn: each set by its share; within one, a label by the root of its count."""
    count = Counter((row.path.parts[:-1], row.label) for row in rows)
    weights = torch.tensor([count[row.path.parts[:-1], row.label] ** -0.5 for row in rows])
    for name, share in sense.sets.items():
        own = torch.tensor([name in row.path.parts for row in rows])
        if own.any():
            weights[own] *= share / weights[own].sum()
    return weights


def _licences(manifest: Path) -> set[str]:
    with manifest.open(newline="", encoding="utf-8") as file:
        return {row.get("licence", "") for row in csv.DictReader(file)}
