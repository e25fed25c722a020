"""What every vector index can do, and the conventions that all of them share.

* A score is the inner product of two unit vectors, their cosine: greater is more similar.
* Ids are ``vectors.id`` of the catalog: they only grow, and none is ever used twice.
* Stored vectors are float16, as in the catalog; scores are computed in float32 from them, so that two
  kinds of index give the same score for the same vector.
* An index is not safe for a change during a search (FAISS crashes); the view holds a lock around both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Rows = NDArray[np.float16]
Queries = NDArray[np.float32]


class Found(NamedTuple):
    """The answer to one query, best first: ``ids`` (n,) and ``scores`` (n,), n at most k."""

    ids: Ids
    scores: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Which vectors may be found: ``only`` these ids, or all but ``without`` these; both sorted."""

    only: Ids | None = None
    without: Ids | None = None

    def __post_init__(self) -> None:
        if self.only is not None and self.without is not None:
            raise ValueError("a selection is either of ids to keep or of ids to leave out")

    def among(self, ids: Ids) -> Selection:
        """The same selection, as far as it concerns the sorted ``ids``."""
        if self.only is not None:
            return Selection(only=common(self.only, ids))
        if self.without is not None and len(self.without):
            return Selection(without=common(self.without, ids))
        return EVERYTHING

    def allows(self, ids: Ids) -> NDArray[np.bool_]:
        """A mask over ``ids``: which of them may be found."""
        if self.only is not None:
            return np.isin(ids, self.only, assume_unique=True)
        if self.without is not None and len(self.without):
            return ~np.isin(ids, self.without, assume_unique=True)
        return np.ones(len(ids), dtype=bool)


EVERYTHING = Selection()


class VectorIndex(Protocol):
    """A set of (id, vector) pairs that answers nearest-neighbour queries."""

    kind: ClassVar[str]

    def __len__(self) -> int:
        """How many vectors can be found."""

    def add(self, ids: Ids, rows: Rows) -> None:
        """Add ``rows`` (n, d) under ``ids`` (n,), which are new and greater than all before."""

    def remove(self, ids: Ids) -> None:
        """Forget ``ids``; those that are not here are passed over."""

    def search(self, query: Queries, k: int, selection: Selection = EVERYTHING) -> Found:
        """The ``k`` best of ``selection`` for one unit vector ``query`` (d,); fewer if there are fewer.

        Equal scores come in the order of their ids.
        """

    def warm(self, room: int) -> int:
        """Make many searches quicker with at most ``room`` bytes of memory; returns how many are taken."""

    @property
    def outgrown(self) -> bool:
        """Whether it was built for far fewer vectors and should be built anew."""

    def contents(self) -> tuple[Ids, Rows]:
        """All (ids, rows), by id."""

    def rows(self, ids: Ids) -> tuple[Ids, Rows]:
        """Those of the sorted ``ids`` that are here, sorted, with their rows (n, d)."""

    def sample(self, count: int) -> Rows:
        """Rows (n, d) of at most ``count`` vectors, chosen by their ids; see ranking.spread_out."""

    @classmethod
    def build(cls, dimensions: int, ids: Ids, rows: Rows, asked: Queries | None = None) -> Self:
        """A new index of ``rows`` (n, d) under ``ids`` (n,).

        ``asked`` (q, d) are queries such as will come; an approximate index is set by how it answers them.
        """

    def write(self, folder: Path, stem: str) -> list[str]:
        """Write the index into ``folder``; returns the names of its files, all starting with ``stem``."""

    @classmethod
    def read(cls, folder: Path, files: list[str], dimensions: int) -> Self:
        """Read back what ``write`` wrote. Raises ValueError or OSError if it does not fit."""


def common(these: Ids, ids: Ids) -> Ids:
    """Those of ``these`` that are among ``ids``; both sorted, and looked up the shorter in the longer."""
    if len(these) > len(ids):
        these, ids = ids, these
    places = np.minimum(np.searchsorted(ids, these), max(len(ids) - 1, 0))
    return these[ids[places] == these] if len(ids) else these[:0]


def ranked(ids: Ids, scores: Scores, k: int) -> Found:
    """The ``k`` best of unordered candidates, by score downwards, then by id."""
    if k < len(ids):
        # Ties at the border must not depend on the partition's whims, so all equals of the k-th stay in.
        border = np.partition(scores, len(scores) - k)[len(scores) - k]
        keep = scores >= border
        ids, scores = ids[keep], scores[keep]
    order = np.lexsort((ids, -scores))[:k]
    return Found(ids[order], scores[order])
