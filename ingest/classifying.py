"""Classifying files: which of some labels each file is, read and encoded for this alone.

A file is judged by what it is: a film by its pictures, a captioned photo by its picture. Where a modality is
asked for it is judged by that alone, as a film by its sound. A file of several moments is judged by the
direction of their mean, and each moment by itself where that is wanted. No library is needed, and none is
changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from bindsearch.classifying.labels import Labels
from bindsearch.encoders import Encoder, Vectors
from bindsearch.errors import DamagedFile, MediaError, UnclearFile, UnsupportedFile
from bindsearch.ingest.asking import Asker, Moment, Reading
from bindsearch.ingest.walk import Problem, walk
from bindsearch.loaders import Surroundings
from bindsearch.modality import Modality
from bindsearch.query import Query, Term, TermKind
from bindsearch.settings import Settings


@dataclass(frozen=True, slots=True)
class Guess:
    """A label with its probability, 0..1, and its cosine."""

    label: str
    probability: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file, or one ``moment`` of it, was taken for: all labels as guesses, the likeliest first.

    ``none`` is the probability that no label fits; with those of all guesses it makes 1. ``measured`` says
    whether they rest on measurements in this space and modality or on an estimate.
    """

    path: Path
    moment: Moment
    guesses: tuple[Guess, ...]
    none: float
    measured: bool

    def fitting(self, level: float) -> tuple[Guess, ...]:
        """The guesses that are at least as probable as ``level``."""
        return tuple(guess for guess in self.guesses if guess.probability >= level)


class Classifier:
    """Classifies files among the ``labels``. Use as a context manager: files are decoded apart.

    ``modality`` is what files are judged by in place of what they are.
    """

    def __init__(
        self, encoder: Encoder, settings: Settings, labels: Labels, modality: Modality | None = None
    ) -> None:
        self._asker = Asker(encoder, settings, None)
        self._labels = labels
        self._modality = modality

    def __enter__(self) -> Self:
        self._asker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._asker.__exit__(kind, fault, trace)

    def classify(self, path: Path) -> Verdict:
        """What the file at ``path`` is taken for.

        Raises MediaError for a file that cannot be read, QueryError for one that the space does not embed.
        """
        found = read_file(self._asker, path, self._modality)
        whole = Moment(found.kind) if len(found.moments) > 1 else found.moments[0]
        return self._judge(path, [whole], found.vector[np.newaxis])[0]

    def classify_moments(self, path: Path) -> list[Verdict]:
        """What each moment of the file at ``path`` is taken for; raises as ``classify`` does."""
        found = read_file(self._asker, path, self._modality)
        return self._judge(path, found.moments, found.vectors)

    def _judge(self, path: Path, moments: Sequence[Moment], vectors: Vectors) -> list[Verdict]:
        return [
            self._verdict(path, moment, vector[np.newaxis])
            for moment, vector in zip(moments, vectors, strict=True)
        ]

    def _verdict(self, path: Path, moment: Moment, vector: Vectors) -> Verdict:
        chances = self._labels.probabilities(moment.modality, vector)[0]
        cosines = self._labels.cosines(moment.modality, vector)[0]
        guesses = [
            Guess(label, float(chance), float(cosine))
            for label, chance, cosine in zip(self._labels.names, chances[:-1], cosines, strict=True)
        ]
        guesses.sort(key=lambda guess: -guess.probability)
        measured = self._labels.is_measured(moment.modality)
        return Verdict(path, moment, tuple(guesses), float(chances[-1]), measured)


def read_file(asker: Asker, path: Path, modality: Modality | None = None) -> Reading:
    """A file's moments and their vectors, of ``modality`` or of what the file is."""
    term = Term(1.0, TermKind.FILE, str(path), modality)
    return asker.read(term, Query((term,)))


def files_in(paths: Iterable[Path]) -> Iterator[Path | MediaError]:
    """The files that ``paths`` name, and those in folders among them, as indexing would find them.

    What cannot be walked comes as an error.
    """
    surroundings = Surroundings()
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in walk(path):
            if isinstance(found, Problem):
                yield DamagedFile(found.reason, subject=found.path)
            elif not surroundings.is_part(found.path):
                yield Path(found.path)


def is_other_kind(error: Exception) -> bool:
    """Whether an error only says that a file is of a kind which is not read, as many in a folder are."""
    return isinstance(error, UnsupportedFile) and not isinstance(error, UnclearFile)
