"""Candidates of a search side by side, and which of them are hits of their own.

There may be thousands, since whatever words speak for is one; so they lie in arrays, and only the few that
become hits are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.index.moments import Ids, Owners, kind_of
from bindsearch.modality import Modality

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Segments that may become hits: of each its vector's id, ids, unit vector and standing.

    ``kinds`` are the numbers of modalities; ``by_words`` says whether words speak for it.
    """

    vectors: Ids
    segments: Ids
    contents: Ids
    kinds: Ids
    rows: Rows
    standings: NDArray[np.float64]
    by_words: NDArray[np.bool_]

    @classmethod
    def of(
        cls, owners: Owners, rows: Rows, standings: NDArray[np.float64], by_words: NDArray[np.bool_]
    ) -> Candidates:
        """Those of some vectors."""
        return cls(*owners, rows, standings, by_words)

    @classmethod
    def joined(cls, parts: Sequence[Candidates], dimensions: int) -> Candidates:
        """All of them, part by part."""
        none, nobody = np.empty(0, np.int64), np.empty(0, bool)
        empty = cls(
            none,
            none,
            none,
            none.astype(np.int8),
            np.empty((0, dimensions), np.float32),
            nobody * 1.0,
            nobody,
        )
        columns = zip(*(part._columns() for part in (empty, *parts)), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def __len__(self) -> int:
        return len(self.vectors)

    def chosen(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> Candidates:
        """Those at ``places``, in their order."""
        return Candidates(*(column[places] for column in self._columns()))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (
            self.vectors,
            self.segments,
            self.contents,
            self.kinds,
            self.rows,
            self.standings,
            self.by_words,
        )


@dataclass(slots=True, eq=False)
class Kept:
    """A candidate that is a hit of its own, with the contents that are folded into it."""

    segment: int
    content: int
    kind: int
    vector: Rows
    standing: float
    by_words: bool
    folded: list[int] = field(default_factory=list)


def apart(
    candidates: Candidates, k: int, *, all_moments: bool, limits: Mapping[Modality, float]
) -> list[Kept]:
    """The best ``k`` that are hits of their own; of each content only the best unless ``all_moments``.

    ``candidates`` come best first. What is as near to a better hit of another file as its modality's cosine
    in ``limits`` is folded into that; nothing is in modalities without one.
    """
    shelf = _Shelf(k, limits, candidates.rows.shape[1])
    seen: set[int] = set()
    contents = candidates.contents.tolist()
    for place, content in enumerate(contents):
        if len(shelf.kept) == k:
            for late in _left(contents, place, seen, all_moments, shelf.near_late(candidates, place)):
                shelf.fold_late(candidates, late)
            break
        if content in seen and not all_moments:
            continue
        seen.add(content)
        like = shelf.nearly_the_same(candidates, place)
        if like is None:
            shelf.add(candidates, place)
        else:
            like.folded.append(content)
    return shelf.kept


def _left(contents: Sequence[int], start: int, seen: set[int], all_moments: bool, near: Ids) -> Iterator[int]:
    """The places from ``start`` on, of those ``near`` a hit, that are to be folded into one."""
    if all_moments:
        yield from near.tolist()
        return
    first: dict[int, int] = {}
    for place in range(start, len(contents)):
        first.setdefault(contents[place], place)
    yield from (
        place for place in near.tolist() if first[contents[place]] == place and contents[place] not in seen
    )


class _Shelf:
    """The hits so far, with their vectors side by side for each modality."""

    def __init__(self, k: int, limits: Mapping[Modality, float], dimensions: int) -> None:
        self.kept: list[Kept] = []
        self._limits = {kind_of(modality): limit for modality, limit in limits.items()}
        self._most, self._dimensions = k, dimensions
        self._like: dict[int, list[Kept]] = {}
        self._rows: dict[int, Rows] = {}

    def add(self, candidates: Candidates, place: int) -> None:
        """Keep the candidate at ``place``, the next best."""
        kind = int(candidates.kinds[place])
        one = Kept(
            int(candidates.segments[place]),
            int(candidates.contents[place]),
            kind,
            candidates.rows[place],
            float(candidates.standings[place]),
            bool(candidates.by_words[place]),
        )
        self.kept.append(one)
        if kind not in self._limits:
            return
        like = self._like.setdefault(kind, [])
        rows = self._rows.get(kind)
        if rows is None or len(like) == len(rows):
            grown = np.zeros((2 * len(like) + 8, self._dimensions), np.float32)
            grown[: len(like)] = grown[:0] if rows is None else rows
            self._rows[kind] = rows = grown
        rows[len(like)] = one.vector
        like.append(one)

    def nearly_the_same(self, candidates: Candidates, place: int) -> Kept | None:
        """The best hit of another file that the candidate hardly differs from."""
        kind = int(candidates.kinds[place])
        like = self._like.get(kind, ())
        if not like:
            return None
        near = np.flatnonzero(self._rows[kind][: len(like)] @ candidates.rows[place] >= self._limits[kind])
        content = candidates.contents[place]
        return next((like[one] for one in near.tolist() if like[one].content != content), None)

    def near_late(self, candidates: Candidates, start: int) -> Ids:
        """The places from ``start`` on that are near some hit, whichever that is."""
        found = [np.empty(0, np.int64)]
        for kind, like in self._like.items():
            places = start + np.flatnonzero(candidates.kinds[start:] == kind)
            scores = candidates.rows[places] @ self._rows[kind][: len(like)].T
            found.append(places[(scores >= self._limits[kind]).any(axis=1)])
        return np.sort(np.concatenate(found))

    def fold_late(self, candidates: Candidates, place: int) -> None:
        """Fold the candidate into the hit that it is like, if that is of another file."""
        like = self.nearly_the_same(candidates, place)
        if like is not None:
            like.folded.append(int(candidates.contents[place]))
