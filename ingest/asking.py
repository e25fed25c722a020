"""Asking: the terms of a query read and embedded, and joined to one vector.

A file with several segments stands for their mean's direction. A film asks with its pictures and a captioned
photo with its picture; only a file that the space cannot embed as what it is asks with what else is in it. A
term that names a modality asks with that alone, and of maps and logs it says what the file is to be read as.
Of a file that is cut to a span, each segment counts by how many seconds of it lie in the span.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from bindsearch.arithmetic import Sum, combine, combine_tree
from bindsearch.encoders import Encoder, Space
from bindsearch.errors import BindsearchError, QueryError
from bindsearch.here import reached
from bindsearch.index.catalog import Catalog
from bindsearch.index.nearest import Question, Unread
from bindsearch.index.schema import segments, spaces, vectors
from bindsearch.ingest.opened import AskedWords
from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.query import Query, Span, Term, TermKind
from bindsearch.ranking import Part
from bindsearch.settings import Settings
from bindsearch.words import words_of_query

if TYPE_CHECKING:
    from bindsearch.loaders import Hint, LoadedFile
    from bindsearch.sandbox import Sandbox

Vector = NDArray[np.float32]

# What a file may be told to be; a film and a sound are known by their bytes alone.
_TOLD = frozenset({Modality.IMAGE, Modality.DEPTH, Modality.THERMAL, Modality.IMU, Modality.SENSOR})


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a segment of a term lies: the times and lines are those of its medium."""

    modality: Modality
    start: float | None = None
    end: float | None = None
    first_line: int | None = None
    last_line: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a term was read as: its moments with their vectors (moments, d), and the term's vector (d,)."""

    moments: tuple[Moment, ...]
    vectors: Vector
    vector: Vector

    @property
    def counts(self) -> Mapping[Modality, int]:
        """How many moments there are of each modality."""
        return Counter(moment.modality for moment in self.moments)

    @property
    def kind(self) -> Modality:
        """The modality that most of it is."""
        return max(self.counts, key=lambda modality: (self.counts[modality], modality))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A query with what each of its terms was read as, in the order of its leaves, and their sum."""

    query: Query
    readings: tuple[Reading, ...]
    sum: Sum

    @property
    def vector(self) -> Vector:
        """The query's unit vector (d,)."""
        return self.sum.vector

    @property
    def question(self) -> Question:
        """What the index is asked: the vector, and the terms that it is the sum of."""
        pairs = zip(self.readings, self.sum.factors.tolist(), strict=True)
        parts = tuple(Part(one.kind, own, one.vector) for one, own in pairs)
        return Question(self.vector, parts, words_of_query(self.query, exact=False))


def question_of(query: Query, ask: Callable[[Query], Asked]) -> Question | Unread:
    """What the index is asked by ``query``: read now or, if it is all in words, while the index looks."""
    if all(term.kind is TermKind.TEXT for term in query.leaves()):
        return Unread(words_of_query(query, exact=False), lambda: ask(query).question)
    return ask(query).question


class Asker:
    """Reads queries in the space of one encoder. Use as a context manager: files are decoded apart.

    Without a ``catalog`` there are no segments to ask with. ``known`` are texts that were asked with before.
    """

    def __init__(
        self, encoder: Encoder, settings: Settings, catalog: Catalog | None, known: AskedWords | None = None
    ) -> None:
        self._encoder = encoder
        self._known = known or AskedWords()
        self._settings = settings
        self._catalog = catalog
        self._sandbox: Sandbox | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def ask(self, query: Query) -> Asked:
        """Read every term of ``query``, each that is written twice once.

        Raises QueryError, with its position, for a term that this space or library cannot ask with;
        MediaError for a file that cannot be read.
        """
        known: dict[Term, Reading] = {}
        readings: list[Reading] = []
        for term in query.leaves():
            alike = replace(term, weight=1.0)
            if alike not in known:
                known[alike] = self.read(term, query)
            readings.append(known[alike])
        joined = combine_tree(query, np.stack([reading.vector for reading in readings]))
        return Asked(query, tuple(readings), joined)

    def read(self, term: Term, query: Query) -> Reading:
        """What ``term`` of ``query`` stands for. Raises as ``ask`` does."""
        try:
            match term.kind:
                case TermKind.TEXT:
                    return self._words(term.value)
                case TermKind.SEGMENT:
                    return self._segment(int(term.value))
            return self._file(term, query.stdin)
        except QueryError as fault:
            raise fault.at(term.position, query.expression) from None

    def _words(self, text: str) -> Reading:
        vectors = self._known.vectors(self._encoder, text)
        return Reading((Moment(Modality.TEXT),), vectors, vectors[0])

    def _segment(self, segment_id: int) -> Reading:
        space = self._encoder.space
        if self._catalog is None:
            raise QueryError("there is no library to have segments", subject=f"@{segment_id}")
        with self._catalog.read() as catalog:
            row = catalog.execute(select(segments).where(segments.c.id == segment_id)).first()
            vector = vectors_of(catalog, space, [segment_id]).get(segment_id)
        if row is None:
            hint = "search --json prints the ids of segments"
            raise QueryError("there is no such segment", subject=f"@{segment_id}", hint=hint)
        if vector is None:
            raise QueryError(f"it has no vector in {space.id}", subject=f"@{segment_id}")
        moment = Moment(Modality(row.modality), row.start, row.end, row.first_line, row.last_line)
        return Reading((moment,), vector[np.newaxis], vector)

    def _file(self, term: Term, stdin: Path | None) -> Reading:
        path = Path(term.value).expanduser()
        if term.is_stdin:
            if stdin is None:
                hint = "name a file; only the command line reads standard input"
                raise QueryError("there is no standard input here", subject=term.name, hint=hint)
            path = stdin
        with _called(path) as there:
            return self._moments(there, term)

    def _moments(self, path: Path, term: Term) -> Reading:
        loaded = self._load(path, term)
        wanted = self._wanted(loaded, term)
        moments: list[Moment] = []
        rows: list[Vector] = []
        seconds: list[float] = []
        for media in loaded.media:
            if media.modality not in wanted:
                continue
            part = 1.0 if term.span is None else _overlap(media, term.span, loaded)
            if part > 0:
                moments.append(_moment(media))
                rows.append(self._encoder.encode([media]))
                seconds.append(part)
        if not rows:
            raise self._nothing(loaded, term)
        vectors = np.concatenate(rows)
        return Reading(tuple(moments), vectors, combine(vectors, seconds))

    def _load(self, path: Path, term: Term) -> LoadedFile:
        from bindsearch.loaders import LoadOptions, Surroundings
        from bindsearch.sandbox import Sandbox

        if self._sandbox is None:
            sandbox = Sandbox(self._settings.decoder_seconds, self._settings.decoder_memory)
            self._sandbox = self._open.enter_context(sandbox)
        options = LoadOptions.of(self._settings, self._encoder.picture_side)
        if term.span is not None:
            options = replace(options, part=(term.span.start, term.span.end))
        hint = Surroundings().hint(path)
        return self._sandbox.load(
            path, options, hint if term.modality is None else _told(hint, term.modality)
        )

    def _wanted(self, loaded: LoadedFile, term: Term) -> Collection[Modality]:
        """The modalities that the file is to ask with. Raises QueryError for one that is not embedded."""
        known = self._encoder.space.modalities
        if term.modality is None:
            return {loaded.facts.modality} & known or known
        asked = {term.modality}
        if term.modality is Modality.IMAGE:  # the pictures of a film, too
            asked = {Modality.IMAGE, Modality.VIDEO}
        if not asked & known:
            raise QueryError(f"{self._encoder.space.id} does not embed {term.modality}", subject=term.value)
        return asked & known

    def _nothing(self, loaded: LoadedFile, term: Term) -> QueryError:
        kind = loaded.facts.modality
        if term.span is not None:
            length = (
                "" if loaded.facts.duration is None else f"; the file lasts {loaded.facts.duration:.1f} s"
            )
            return QueryError(f"there is no {term.modality or kind} in this span{length}", subject=term.value)
        if term.modality is not None:
            return QueryError(f"this is {kind}, without {term.modality} in it", subject=term.value)
        return QueryError(f"{self._encoder.space.id} does not embed {kind}", subject=term.value)


def vectors_of(catalog: Connection, space: Space, segment_ids: Collection[int]) -> dict[int, Vector]:
    """The unit vectors (d,), float32, of those of some segments that have one in ``space``, by their ids."""
    statement = (
        select(vectors.c.segment_id, vectors.c.data)
        .join(spaces)
        .where(vectors.c.segment_id.in_(segment_ids), spaces.c.key == space.key)
    )
    found = {row.segment_id: np.frombuffer(row.data, "<f2") for row in catalog.execute(statement)}
    return {key: combine(row[np.newaxis], [1.0]) for key, row in found.items()}


def _told(hint: Hint, modality: Modality) -> Hint:
    """``hint`` as if a rule said that the file holds ``modality``."""
    from bindsearch.loaders import NO_HINT

    if modality not in _TOLD or hint.wishes(modality):
        return hint
    if hint.ruled and hint.modality is not None:  # its units and columns are those of something else
        hint = replace(NO_HINT, neighbours=hint.neighbours)
    return replace(hint, modality=modality, ruled=True)


@contextmanager
def _called(path: Path) -> Iterator[Path]:
    """Where the file lies that was typed as ``path``; errors about it call it as it was typed."""
    typed, there = os.fspath(path), reached(os.fspath(path))
    try:
        yield Path(there)
    except BindsearchError as fault:
        if fault.subject == os.fspath(Path(there)):
            fault.subject = typed
        raise


def _moment(media: Media) -> Moment:
    names = ("start", "end", "first_line", "last_line")
    return Moment(media.modality, *(getattr(media, name, None) for name in names))


def _overlap(media: Media, span: Span, loaded: LoadedFile) -> float:
    """How many seconds of a medium lie in ``span``; none of words that come along with a film or a sound.

    Raises QueryError for a file that has no time.
    """
    start, end = getattr(media, "start", None), getattr(media, "end", None)
    if start is not None and end is not None:
        return float(min(end, span.end) - max(start, span.start))
    if media.modality is Modality.TEXT is not loaded.facts.modality:
        return 0.0
    kind = loaded.facts.modality
    raise QueryError(
        f"this is {kind} without a time, so no span can be cut out of it", subject=str(loaded.path)
    )
