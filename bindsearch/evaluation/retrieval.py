"""Retrieval: does a query of one modality find what it belongs to in another?

With text on one side, its items are the captions of the other side's files, each a query of its own; a
caption that several files share is one item, for which each of them is right. Between two file modalities,
files with the same ``pair_id`` belong together, and a file without a partner is left out. ``by`` label, those
with the same label do, and every labelled file stands among the items, so that a label which few files share
is as hard to find as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bindsearch.encoders import Vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row, spread
from bindsearch.evaluation.metrics import (
    Relevance,
    Scores,
    chance_at,
    chance_average_precision,
    mean_average_precision,
    median_rank,
    ranks,
    recall_at,
)
from bindsearch.modality import Modality

By = Literal["pair", "label"]


@dataclass(frozen=True, slots=True)
class Direction:
    """The figures of one direction; recalls are shares in 0..1, ranks count from 1.

    ``chance_at_k`` is the recall that a random order of the items would have, ``chance_average_precision``
    the mean average precision.
    """

    source: Modality
    target: Modality
    queries: int
    items: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    mean_average_precision: float
    median_rank: float
    chance_at_1: float
    chance_at_5: float
    chance_at_10: float
    chance_average_precision: float


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The items of one modality: their vectors, and for each the keys of what it belongs to."""

    vectors: Vectors
    keys: list[frozenset[str]]


def retrieval(
    manifests: Manifests,
    split: str,
    source: Modality,
    target: Modality,
    embedder: Embedder,
    *,
    by: By = "pair",
    limit: int | None = None,
) -> tuple[Direction, Direction]:
    """The figures from ``source`` to ``target`` and back; ``limit`` is the most files of a modality.

    Raises SettingsError when the manifests cannot serve, EncoderError when the space lacks a modality,
    MediaError for a file that cannot be read.
    """
    if source == target:
        raise SettingsError("retrieval needs two modalities", subject=str(source), hint="choose another --to")
    embedder.require(source, target)
    if Modality.TEXT in (source, target):
        files = target if source is Modality.TEXT else source
        rows = spread(_keyed(manifests, split, files, by), limit)
        sides = _captions(manifests, rows, by, embedder), _files(rows, by, embedder)
        first, second = sides if source is Modality.TEXT else sides[::-1]
    else:
        left, right = _paired(manifests, split, source, target, by, limit)
        first, second = _files(left, by, embedder), _files(right, by, embedder)
    similarity, relevant = first.vectors @ second.vectors.T, _relevance(first.keys, second.keys)
    return (
        _measured(source, target, similarity, relevant),
        _measured(target, source, similarity.T, relevant.T),
    )


def _key(row: Row, by: By) -> str:
    return row.pair if by == "pair" else row.label


def _keyed(manifests: Manifests, split: str, modality: Modality, by: By) -> list[Row]:
    rows = [row for row in manifests.rows(split, modality) if _key(row, by)]
    if not rows:
        raise SettingsError(f"labels no {modality} in split {split!r}", subject=manifests.name)
    return rows


def _paired(
    manifests: Manifests, split: str, source: Modality, target: Modality, by: By, limit: int | None
) -> tuple[list[Row], list[Row]]:
    """The rows of either modality: by pair those with a partner, by label all that have one."""
    left, right = (_keyed(manifests, split, modality, by) for modality in (source, target))
    if by == "label":
        left, right = spread(left, limit), spread(right, limit)
    shared = {_key(row, by) for row in left} & {_key(row, by) for row in right}
    if not shared:
        raise SettingsError(f"{by}s no {source} with {target}", subject=manifests.name, hint=_other_way(by))
    if by == "label":
        return left, right
    left = spread([row for row in left if row.pair in shared], limit)
    chosen = {row.pair for row in left}
    return left, [row for row in right if row.pair in chosen]


def _other_way(by: By) -> str | None:
    return "--by label compares by label" if by == "pair" else None


def _files(rows: list[Row], by: By, embedder: Embedder) -> _Side:
    # A file without captions still stands among the items; it is only never a right answer.
    return _Side(embedder.rows(rows), [frozenset([_key(row, by)]) for row in rows])


def _captions(manifests: Manifests, rows: list[Row], by: By, embedder: Embedder) -> _Side:
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for caption in row.captions:
            keys[caption].add(_key(row, by))
    if not keys:
        raise SettingsError("has no captions in these rows", subject=manifests.name)
    return _Side(embedder.texts(list(keys)), [frozenset(own) for own in keys.values()])


def _relevance(first: Sequence[frozenset[str]], second: Sequence[frozenset[str]]) -> Relevance:
    """Which items of ``second`` share a key with each of ``first``."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for place, keys in enumerate(second):
        for key in keys:
            holders[key].append(place)
    relevant = np.zeros((len(first), len(second)), np.bool_)
    for place, keys in enumerate(first):
        for key in keys:
            relevant[place, holders.get(key, [])] = True
    return relevant


def _measured(source: Modality, target: Modality, similarity: Scores, relevant: Relevance) -> Direction:
    answerable = relevant.any(axis=1)
    similarity, relevant = similarity[answerable], relevant[answerable]
    found = ranks(similarity, relevant)
    return Direction(
        source=source,
        target=target,
        queries=len(found),
        items=similarity.shape[1],
        recall_at_1=recall_at(found, 1),
        recall_at_5=recall_at(found, 5),
        recall_at_10=recall_at(found, 10),
        mean_average_precision=mean_average_precision(similarity, relevant),
        median_rank=median_rank(found),
        chance_at_1=chance_at(relevant, 1),
        chance_at_5=chance_at(relevant, 5),
        chance_at_10=chance_at(relevant, 10),
        chance_average_precision=chance_average_precision(relevant),
    )
