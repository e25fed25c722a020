"""What each item is to lie near: vectors of the frozen space, none of which training moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bindsearch.classifying.prompts import PROMPTS, label_vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Row
from bindsearch.modality import Modality

RUNS = 50
HELD_OUT = 10


@dataclass(frozen=True, slots=True)
class Lessons:
    """The targets of n items; all vectors are unit length.

    ``partners`` and ``texts`` hold (count, dimensions) for each item, perhaps empty. ``labels`` (n,) are rows
    of ``prototypes`` (labels, dimensions), -1 for none. ``chances`` (n,) is how often to draw each,
    ``held_out`` (n,) which are never drawn and only measured.
    """

    partners: Sequence[Tensor]
    texts: Sequence[Tensor]
    labels: Tensor
    prototypes: Tensor
    chances: Tensor
    held_out: Tensor


def lessons_of(
    rows: Sequence[Row],
    partners: Sequence[Row],
    embedder: Embedder,
    say: Callable[[str], None],
) -> Lessons:
    """The lessons of ``rows``; ``partners`` are rows of modalities that the space embeds, matched by pair.

    Raises SettingsError when no row has a partner, a caption or a label, MediaError for a partner that
    cannot be read.
    """
    wanted = {row.pair for row in rows}
    partners = [row for row in partners if row.pair in wanted]
    labels = sorted({row.label for row in rows if row.label})
    if not (partners or labels or any(row.captions for row in rows)):
        raise SettingsError("no row has a partner, a caption or a label to be bound by")
    say(f"{len(rows):,} items, {len(partners):,} partners, {len(labels)} labels")
    return Lessons(
        partners=_by_pair(rows, partners, embedder),
        texts=_captions(rows, embedder),
        labels=torch.tensor([labels.index(row.label) if row.label else -1 for row in rows]),
        prototypes=_prototypes(rows[0].modality, labels, embedder),
        chances=torch.ones(len(rows)),
        held_out=held_out(rows),
    )


def held_out(rows: Sequence[Row]) -> Tensor:
    """Which rows are kept for validation: every tenth of fifty runs of neighbours, (rows,).

    Neighbours in a manifest are often of one place or one person: held out by runs, they are strangers.
    """
    pairs = {pair: place for place, pair in enumerate(dict.fromkeys(row.pair for row in rows))}
    run = [pairs[row.pair] * RUNS // len(pairs) for row in rows]
    return torch.tensor([number % HELD_OUT == HELD_OUT // 2 for number in run])


def _by_pair(rows: Sequence[Row], partners: Sequence[Row], embedder: Embedder) -> list[Tensor]:
    vectors = (
        torch.from_numpy(embedder.rows(partners)) if partners else torch.empty(0, embedder.space.dimensions)
    )
    places: dict[str, list[int]] = {}
    for place, partner in enumerate(partners):
        places.setdefault(partner.pair, []).append(place)
    return [vectors[places.get(row.pair, [])] for row in rows]


def _captions(rows: Sequence[Row], embedder: Embedder) -> list[Tensor]:
    texts = list(dict.fromkeys(text for row in rows for text in row.captions))
    vectors = torch.from_numpy(embedder.texts(texts)) if texts else torch.empty(0, embedder.space.dimensions)
    places = {text: place for place, text in enumerate(texts)}
    return [vectors[[places[text] for text in row.captions]] for row in rows]


def _prototypes(modality: Modality, labels: Sequence[str], embedder: Embedder) -> Tensor:
    if not labels:
        return torch.empty(0, embedder.space.dimensions)
    return torch.from_numpy(np.asarray(label_vectors(embedder.texts, labels, PROMPTS[modality]), np.float32))
