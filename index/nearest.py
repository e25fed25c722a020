"""The nearest of each modality, looked for in a thread of its own while the caller looks for words.

Either takes about as long as the other; whoever is ready first takes what modalities are left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.index.vectors import Found, Selection, VectorView
from bindsearch.modality import Modality
from bindsearch.ranking import Judge, Part
from bindsearch.words import NO_WORDS, WordQuery

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query in one space: its unit ``vector`` (d,), the ``parts`` that it is the sum of, and its words."""

    vector: Vector
    parts: tuple[Part, ...]
    words: WordQuery = NO_WORDS

    @property
    def in_words(self) -> bool:
        """Whether it asks for something in words, for which the level of standing out was measured."""
        return any(part.kind is Modality.TEXT and part.factor > 0 for part in self.parts)

    @classmethod
    def of(cls, vector: Vector, kind: Modality) -> Question:
        """A question of a single term."""
        return cls(vector, (Part(kind, 1.0, vector),))


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A question that is still to be read, which takes about as long as to look for its ``words``."""

    words: WordQuery
    read: Callable[[], Question]


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """A question as vectors are asked it: by the unit ``vector`` (d,), in ``kinds``, the greatest first.

    ``judge`` tells how far what it finds stands out.
    """

    question: Question
    judge: Judge
    vector: Vector
    kinds: tuple[Modality, ...]

    @classmethod
    def of(
        cls,
        view: VectorView,
        references: Vector | None,
        question: Question | Unread,
        modalities: Collection[Modality],
        *,
        by_cosine: bool,
    ) -> Posed:
        """In ``modalities``, all if there are none. Raises what reading the question raises."""
        if isinstance(question, Unread):
            question = question.read()
        backgrounds = view.backgrounds(references)
        judge = backgrounds.judge(question.parts)
        kinds = judge.levels.keys() & (modalities or judge.levels.keys())
        by_size = sorted(kinds, key=lambda kind: (-backgrounds.sizes[kind], kind))
        return cls(question, judge, question.vector if by_cosine else judge.vector, tuple(by_size))


class SharedScan:
    """The ``count`` nearest of each modality to the question that ``pose`` gives; it begins at once."""

    def __init__(self, view: VectorView, selection: Selection, count: int, pose: Callable[[], Posed]) -> None:
        self._view, self._selection, self._count = view, selection, count
        self._left: deque[Modality] = deque()
        self._found: dict[Modality, Found] = {}
        pool = ThreadPoolExecutor(1, "scan")
        self._posing = pool.submit(self._pose, pose)
        self._sharing = pool.submit(self._share)  # after that, in the same thread
        pool.shutdown(wait=False)

    def finish(self) -> Posed:
        """Take part in what is left, and see it to its end; raises what ``pose`` raised."""
        posed = self._posing.result()
        self._share()
        self._sharing.result()
        return posed

    def nearest(self, count: int) -> dict[Modality, Found]:
        """The ``count`` nearest of each modality, once it is finished."""
        if count == self._count:
            return self._found
        posed = self._posing.result()
        return self._view.search(posed.vector, count, self._selection, posed.kinds)

    def _pose(self, pose: Callable[[], Posed]) -> Posed:
        posed = pose()
        self._left.extend(posed.kinds)
        return posed

    def _share(self) -> None:
        """Search in modalities that nobody has taken yet, one after another."""
        posed = self._posing.result()
        for kind in iter(self._next, None):
            found = self._view.search(posed.vector, self._count, self._selection, [kind])
            self._found.update(found)

    def _next(self) -> Modality | None:
        with suppress(IndexError):
            return self._left.popleft()
        return None
