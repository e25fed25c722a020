"""Explaining: how a query was understood, and what each part of it has to do with a score.

A query's vector is the sum of its terms' vectors, each times one factor, so its cosine to any item is the sum
of the factors times the terms' own cosines to that item: their *shares*. They add up to the score, and those
of a group's terms to the group's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bindsearch.answers import Hit, Via
from bindsearch.encoders import Space
from bindsearch.errors import QueryError
from bindsearch.index.catalog import Catalog
from bindsearch.ingest.asking import Asked, Asker, Moment, vectors_of
from bindsearch.modality import Modality
from bindsearch.query import Part, Query, Term, TermKind, parse_query, walk


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the query at its ``depth``, from 0.

    ``segments`` says of a term how many of each modality it was read as; a group has none. ``leaves`` are the
    numbers of the terms that it holds, first and one behind the last. ``factor`` is what a term's vector
    counts in the query's vector; of a group it is None.
    """

    depth: int
    part: Part
    segments: dict[Modality, int]
    leaves: tuple[int, int]
    factor: float | None


@dataclass(frozen=True, slots=True)
class Explained:
    """An item's cosine to the query, and each node's share in it.

    ``own`` is each node's cosine by itself, were it the whole query; of a group it is None. ``path`` is the
    item's file, or its id as it was asked for; ``segment_id`` is None where it is not in the library. Of a
    hit ``standing`` is how far it stands out, to which words have added where it was found ``via`` both.
    """

    path: str
    moment: Moment
    segment_id: int | None
    score: float
    shares: tuple[float, ...]
    own: tuple[float | None, ...]
    standing: float | None = None
    via: Via | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A query as a tree, a group before what is in it, and items, best first."""

    query: Query
    nodes: tuple[Node, ...]
    items: tuple[Explained, ...]


def explain_hits(asked: Asked, hits: Sequence[Hit], space: Space, catalog: Catalog) -> Explanation:
    """The shares of the parts of ``asked`` in the scores of ``hits``, from the vectors that are stored."""
    nodes = _nodes(asked)
    with catalog.read() as reader:
        stored = vectors_of(reader, space, [hit.segment_id for hit in hits])
    items: list[Explained] = []
    for hit in hits:
        if hit.segment_id in stored:  # it may have gone since it was found
            moment = Moment(hit.modality, hit.start, hit.end, hit.first_line, hit.last_line)
            vector = stored[hit.segment_id]
            one = _explained(asked, nodes, vector, str(hit.path), moment, hit.segment_id)
            items.append(replace(one, standing=hit.standing, via=hit.via))
    return Explanation(asked.query, nodes, tuple(items))


def explain_item(asker: Asker, query: Query, item: str, k: int) -> Explanation:
    """The shares in the scores of the ``k`` best moments of ``item``, a file or a segment as in a query."""
    asked = asker.ask(query)
    wanted = parse_query([item])
    term = wanted.terms[0]
    if len(wanted.terms) > 1 or not isinstance(term, Term) or term.kind is TermKind.TEXT:
        hint = "name one file, or one segment as in @12"
        raise QueryError("this is neither a file nor a segment", position=0, expression=item, hint=hint)
    reading = asker.read(term, wanted)
    nodes = _nodes(asked)
    segment_id = int(term.value) if term.kind is TermKind.SEGMENT else None
    name = f"@{segment_id}" if segment_id is not None else term.value
    items = [
        _explained(asked, nodes, vector, name, moment, segment_id)
        for moment, vector in zip(reading.moments, reading.vectors, strict=True)
    ]
    items.sort(key=lambda one: -one.score)
    return Explanation(query, nodes, tuple(items[:k]))


def _nodes(asked: Asked) -> tuple[Node, ...]:
    """The query's parts in the order of ``walk``, each with the leaves that are in it."""
    parts = list(walk(asked.query.terms))
    counts: list[int] = []
    done: list[int] = []  # of parts whose group's turn has not come, the first on top
    for _, part in reversed(parts):
        done.append(1 if isinstance(part, Term) else sum(done.pop() for _ in part.parts))
        counts.append(done[-1])
    nodes: list[Node] = []
    first = 0
    for (depth, part), count in zip(parts, reversed(counts), strict=True):
        leaves = first, first + count
        if isinstance(part, Term):
            read = dict(asked.readings[first].counts)
            nodes.append(Node(depth, part, read, leaves, float(asked.sum.factors[first])))
            first += 1
        else:
            nodes.append(Node(depth, part, {}, leaves, None))
    return tuple(nodes)


def _explained(
    asked: Asked,
    nodes: Sequence[Node],
    vector: NDArray[np.float32],
    path: str,
    moment: Moment,
    segment_id: int | None,
) -> Explained:
    cosines = np.stack([reading.vector for reading in asked.readings]).astype(np.float64) @ vector
    sums = np.concatenate([[0.0], np.cumsum(asked.sum.factors * cosines)])
    shares = tuple(float(sums[end] - sums[start]) for start, end in (node.leaves for node in nodes))
    own = tuple(None if node.factor is None else float(cosines[node.leaves[0]]) for node in nodes)
    return Explained(path, moment, segment_id, float(sums[-1]), shares, own)
