"""``bind``: from a manifest and a frozen space to a folder that is a space with one tower more.

In order: the rows and what the tower is shown of them, their partners' and words' vectors in the frozen space
(both kept in the cache), the fit (a checkpoint after each epoch), the files. Interrupted anywhere, the
same options go on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from bindsearch.encoders import Encoder, open_encoder
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.modality import Modality
from bindsearch.training.bind.fit import Epoch, fit_tower
from bindsearch.training.bind.lessons import Lessons, lessons_of
from bindsearch.training.bind.networks import PictureTower, SignalTower
from bindsearch.training.bind.options import BindOptions
from bindsearch.training.bind.shown import shown
from bindsearch.training.bind.tower import write_bound
from bindsearch.training.bind.views import (
    HeatViews,
    MotionViews,
    PictureViews,
    ReadingViews,
    SoundViews,
    Views,
)
from bindsearch.training.towers import load_image_tower

Say = Callable[[str], None]
Report = Callable[[Epoch], None]

UNBINDABLE = (Modality.TEXT, Modality.VIDEO)
FEWEST = 8


def bind(
    options: BindOptions,
    say: Say = lambda line: None,
    report: Report = lambda epoch: None,
    open_space: Callable[[str], Encoder] = open_encoder,
) -> Epoch:
    """Fit a tower and write the space that ``options.out`` is to hold; what its best epoch came to.

    ``say`` takes lines of progress, ``report`` each epoch's figures. Raises SettingsError when the manifests
    or the modality cannot serve, MediaError for a file that cannot be read, EncoderError for the frozen
    space.
    """
    if options.modality in UNBINDABLE:
        raise SettingsError(
            "cannot be bound", subject=str(options.modality), hint="bind pictures or readings"
        )
    encoder = open_space(options.space)
    cache = options.cache or options.out.with_name(f"{options.out.name}.cache")
    embedder = Embedder(encoder, cache / "vectors", say)
    manifests = Manifests(options.manifests)
    rows, partners = rows_and_partners(manifests, options, encoder)
    lessons = lessons_of(rows, partners, embedder, say)
    given = shown(rows, embedder, cache, say)
    tower, epoch = fit_tower(
        tower_for(options.modality, given, embedder.space.dimensions, options.fit.seed),
        views_of(options.modality, given),
        lessons,
        options.fit,
        cache / f"fit-{_digest(options, rows, lessons, embedder)}.pt",
        report,
    )
    met = frozenset(row.modality for row in partners)
    if any(len(texts) for texts in lessons.texts) or len(lessons.prototypes):
        met |= {Modality.TEXT}
    name = options.name or f"{options.space.partition('@')[0]}-{options.modality}"
    write_bound(
        options.out, tower, given[:1], options.modality, (options.space, encoder.space), name, met, epoch
    )
    say(f"wrote {options.out}")
    return epoch


def rows_and_partners(
    manifests: Manifests, options: BindOptions, encoder: Encoder
) -> tuple[list[Row], list[Row]]:
    """The rows to bind, and those of all other modalities that the space embeds.

    Raises SettingsError for fewer rows than can be trained on.
    """
    rows = manifests.rows(options.split, options.modality)
    if len(rows) < FEWEST:
        raise SettingsError(
            f"has {len(rows)} rows; {FEWEST} is the least to train on", subject=manifests.name
        )
    known = encoder.space.modalities - {options.modality, Modality.TEXT}
    there = manifests.modalities(options.split) & known
    return rows, [row for modality in sorted(there) for row in manifests.rows(options.split, modality)]


def tower_for(modality: Modality, given: NDArray[Any], dimensions: int, seed: int) -> nn.Module:
    """A network to train for what ``given``, (items, ...), is."""
    torch.manual_seed(seed)
    if modality in (Modality.IMU, Modality.SENSOR):
        tower = SignalTower(given.shape[-1], dimensions)
        tower.measure(torch.from_numpy(given))
        return tower
    pictures = PictureTower(load_image_tower(), dimensions)
    # The memory layout in which its convolutions are fastest.
    return pictures.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def views_of(modality: Modality, given: NDArray[Any]) -> Views:
    """The random views that suit a modality."""
    match modality:
        case Modality.THERMAL:
            return HeatViews(given)
        case Modality.AUDIO:
            return SoundViews(given)
        case Modality.IMU:
            return MotionViews(given)
        case Modality.SENSOR:
            return ReadingViews(given)
        case _:
            return PictureViews(given)


def _digest(options: BindOptions, rows: list[Row], lessons: Lessons, embedder: Embedder) -> str:
    """By what a checkpoint is known: another fit or other data begin anew."""
    items = "\n".join(f"{row.sheet} {row.name}" for row in rows)
    shapes = f"{sum(map(len, lessons.partners))} {sum(map(len, lessons.texts))} {len(lessons.prototypes)}"
    text = f"{options.fit} {options.modality} {embedder.space.key} {shapes}\n{items}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
