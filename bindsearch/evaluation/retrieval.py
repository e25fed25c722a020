"""Retrieval: does a query of one modality find what it belongs to in another?

With text on one side, its items are the captions of the other side's files, each a query of its own; any
of a file's captions is a right answer for it. Between two file modalities, files with the same ``pair_id``
belong together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Encoder, Vectors
from bindsearch.errors import SettingsError
from bindsearch.evaluation.manifest import Row, encode_files, encode_texts, read_rows, require
from bindsearch.evaluation.metrics import Relevance, Scores, median_rank, ranks, recall_at
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class Direction:
    """The figures of one direction; recalls are shares in 0..1, ranks count from 1."""

    source: Modality
    target: Modality
    queries: int
    items: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float


@dataclass(frozen=True, slots=True)
class Side:
    """The items of one modality: their vectors and the pair that each belongs to."""

    modality: Modality
    vectors: Vectors
    pairs: NDArray[np.str_]


def retrieval(
    manifest: Path, split: str, source: Modality, target: Modality, encoder: Encoder
) -> tuple[Direction, Direction]:
    """The figures from ``source`` to ``target`` and back.

    Raises SettingsError when the manifest cannot serve, EncoderError when the encoder lacks a modality,
    MediaError for a file that cannot be read.
    """
    if source == target:
        raise SettingsError("retrieval needs two modalities", subject=str(source), hint="choose another --to")
    require(encoder, source, target)
    first, second = _sides(manifest, split, source, target, encoder)
    similarity = first.vectors @ second.vectors.T
    relevant = first.pairs[:, np.newaxis] == second.pairs[np.newaxis, :]
    return (
        _measured(source, target, similarity, relevant),
        _measured(target, source, similarity.T, relevant.T),
    )


def _sides(
    manifest: Path, split: str, source: Modality, target: Modality, encoder: Encoder
) -> tuple[Side, Side]:
    if Modality.TEXT in (source, target):
        files = target if source is Modality.TEXT else source
        rows = read_rows(manifest, split, files)
        sides = _caption_side(manifest, rows, encoder), _file_side(files, rows, encoder)
        return sides if source is Modality.TEXT else (sides[1], sides[0])
    left, right = (read_rows(manifest, split, modality) for modality in (source, target))
    shared = {row.pair for row in left} & {row.pair for row in right}
    if not shared:
        raise SettingsError(f"pairs no {source} with {target}", subject=str(manifest))
    return (
        _file_side(source, [row for row in left if row.pair in shared], encoder),
        _file_side(target, [row for row in right if row.pair in shared], encoder),
    )


def _file_side(modality: Modality, rows: list[Row], encoder: Encoder) -> Side:
    # A file without captions still stands among the items; it is only never a right answer.
    vectors = encode_files(encoder, (row.path for row in rows))
    return Side(modality, vectors, np.array([row.pair for row in rows]))


def _caption_side(manifest: Path, rows: list[Row], encoder: Encoder) -> Side:
    captions = [(text, row.pair) for row in rows for text in row.captions]
    if not captions:
        raise SettingsError("has no captions in these rows", subject=str(manifest))
    vectors = encode_texts(encoder, (text for text, _ in captions))
    return Side(Modality.TEXT, vectors, np.array([pair for _, pair in captions]))


def _measured(source: Modality, target: Modality, similarity: Scores, relevant: Relevance) -> Direction:
    answerable = relevant.any(axis=1)
    found = ranks(similarity[answerable], relevant[answerable])
    return Direction(
        source=source,
        target=target,
        queries=len(found),
        items=similarity.shape[1],
        recall_at_1=recall_at(found, 1),
        recall_at_5=recall_at(found, 5),
        recall_at_10=recall_at(found, 10),
        median_rank=median_rank(found),
    )
