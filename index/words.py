"""Finding by words: SQLite's full text index (FTS5), asked word by word.

What is known of a file as a whole (names, folders, title, tags) lies in the table ``file_words``, the texts
of segments (notes' passages, captions, what lies beside a file) in ``segment_words``; the migration that made
them says how, and triggers keep both. A passage that holds the words is a hit of its own. Where only the file
as a whole holds them the hit is its first segment that the filter lets through.

A hit's ``score`` is BM25, weighted by the field. Its ``evidence`` is what fusion works with: BM25 says which
of several texts speaks most of a word, but not whether it is remarkable that one does (see fusion).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, func, select

from bindsearch.answers import Hit, Via
from bindsearch.fusion import KNOWN, evidence_of_words, surprise_of_words
from bindsearch.index.fetching import fetched, portions
from bindsearch.index.filters import Filter, under, wanted_contents
from bindsearch.index.hits import make_hit, paths_of, segments_of
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import locations, segments, tags
from bindsearch.modality import Modality
from bindsearch.words import Word, WordQuery, words_of_string

if TYPE_CHECKING:
    from bindsearch.index.matching import Mask


class Field(StrEnum):
    """Where a word was found."""

    NAME = "name"
    FOLDER = "folder"
    TITLE = "title"
    TAG = "tag"
    TEXT = "text"


# A name, a title or a tag is chosen to say what a file is about; a text mentions much besides.
WEIGHTS = {Field.NAME: 2.0, Field.FOLDER: 1.0, Field.TITLE: 2.0, Field.TAG: 2.0, Field.TEXT: 1.0}

# A ranking passes over words that so many hold: they tell nothing, and asking for them takes longest.
_USUAL = dict.fromkeys(Field, 0.2) | {Field.TEXT: math.exp(-KNOWN)}
_USUAL_COUNT = 100

_COUNTED_WORDS = 4_096  # whose counts are remembered until the catalog changes

_LOCATED = """
SELECT l.content_id FROM file_words CROSS JOIN locations AS l ON l.id = file_words.rowid / 4
WHERE file_words MATCH ? AND l.state IN (?, ?)
"""
_CONTENTS = {
    Field.NAME: _LOCATED,
    Field.FOLDER: _LOCATED,
    Field.TITLE: "SELECT rowid / 4 FROM file_words WHERE file_words MATCH ?",
    Field.TAG: "SELECT t.content_id FROM file_words CROSS JOIN tags AS t ON t.id = file_words.rowid / 4 "
    "WHERE file_words MATCH ?",
}

_KINDS = (Field.NAME, Field.TITLE, Field.TAG)  # by the remainder of the number of a row in file_words
_STRIDE = 4


@dataclass(frozen=True, slots=True)
class WordHit:
    """A segment found by words: BM25 ``score``, ``evidence`` in nats, where and which words were found."""

    segment_id: int
    content_id: int
    score: float
    evidence: float
    fields: tuple[Field, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trace:
    """One word found in one place: its field, weighted BM25, and the chance to meet it in that field."""

    field: Field
    score: float
    chance: float


@dataclass(slots=True)
class _Sightings:
    """Where one word was found: in files as a whole, by content, and in texts, by segment."""

    word: Word
    files: dict[int, list[_Trace]] = field(default_factory=dict)
    texts: dict[int, _Trace] = field(default_factory=dict)
    chances: dict[Field, float] = field(default_factory=dict)

    @property
    def usual(self) -> float:
        """The chance that a file has the word in its name, folders, title or tags."""
        return 1 - math.prod(1 - self.chances[place] for place in Field if place is not Field.TEXT)


def find_words(
    catalog: Connection,
    asked: WordQuery | str,
    limit: int | None = None,
    wanted: Filter | None = None,
    *,
    exact: bool = False,
) -> list[WordHit]:
    """The segments that ``wanted`` lets through and that hold the words, best first.

    By evidence, and any word will do; or, with ``exact``, by BM25, and every wanted word has to be in the
    segment's text or in what is known of its file, and none of the unwanted ones anywhere in the file. A
    string stands for its words. ``limit`` None gives all.
    """
    asked = words_of_string(asked, exact=exact) if isinstance(asked, str) else asked
    wanted = wanted or Filter()
    if not asked.wanted:
        return []
    totals = _totals(catalog)
    seen = [_sightings(catalog, word, wanted, totals, exact=exact) for word in asked.wanted]
    owners = _owners(catalog, seen, wanted)
    if exact:
        banned = _unwanted(catalog, asked, totals)
        owners = {segment: content for segment, content in owners.items() if content not in banned}
    judge = _Judge(seen)
    ranked = (
        (judge.rank(*owner, exact=exact), owner) for owner in owners.items() if judge.suits(*owner, exact)
    )
    best = sorted(ranked) if limit is None else nsmallest(limit, ranked)
    return [judge.hit(*owner) for _, owner in best]


def search_words(
    catalog: Connection, asked: WordQuery, k: int, wanted: Filter | None = None, *, all_moments: bool = False
) -> list[Hit]:
    """The ``k`` best hits by words alone, every one of which must be there, best first.

    One a file unless ``all_moments``. A hit's ``score`` is its BM25. No vector has a say, nor need there be
    any.
    """
    wanted = wanted or Filter()
    best: list[WordHit] = []
    seen: set[int] = set()
    for hit in find_words(catalog, asked, None, wanted, exact=True):
        if len(best) < k and (all_moments or hit.content_id not in seen):
            best.append(hit)
        seen.add(hit.content_id)
    rows = segments_of(catalog, [hit.segment_id for hit in best])
    places = paths_of(catalog, [hit.content_id for hit in best], wanted)
    found = (hit for hit in best if hit.content_id in places)
    made = (make_hit(hit.score, rows[hit.segment_id], places[hit.content_id]) for hit in found)
    return [replace(hit, via=Via.WORDS) for hit in made]


class _Judge:
    """Joins what each word found to hits."""

    def __init__(self, seen: Sequence[_Sightings]) -> None:
        self._seen = seen
        self._known: dict[tuple[tuple[bool, ...], tuple[float, ...]], float] = {}

    def suits(self, segment: int, content: int, exact: bool) -> bool:
        """Whether any word, or with ``exact`` every one, is there."""
        there = (segment in one.texts or content in one.files for one in self._seen)
        return all(there) if exact else any(there)

    def rank(self, segment: int, content: int, *, exact: bool) -> tuple[float, float, int]:
        """What is least for the best hit."""
        score = sum(trace.score for trace in self._best(segment, content))
        return 0.0 if exact else -self._evidence(segment, content), -score, segment

    def hit(self, segment: int, content: int) -> WordHit:
        """The hit, with each word counted where it weighs most."""
        found = [self._traces(one, segment, content) for one in self._seen]
        told = {trace.field for traces in found for trace in traces}
        words = [one.word for one, traces in zip(self._seen, found, strict=True) if traces]
        return WordHit(
            segment_id=segment,
            content_id=content,
            score=sum(trace.score for trace in self._best(segment, content)),
            evidence=self._evidence(segment, content),
            fields=tuple(place for place in Field if place in told),
            words=tuple(" ".join(word.tokens) for word in words),
        )

    def _best(self, segment: int, content: int) -> Iterator[_Trace]:
        """Of each word that is there, where it weighs most."""
        for one in self._seen:
            traces = self._traces(one, segment, content)
            if traces:
                yield max(traces, key=lambda trace: trace.score) if len(traces) > 1 else traces[0]

    def _evidence(self, segment: int, content: int) -> float:
        return evidence_of_words(self._named(content), self._rarest(segment))

    def _traces(self, one: _Sightings, segment: int, content: int) -> list[_Trace]:
        text = one.texts.get(segment)
        return one.files.get(content, []) + ([text] if text else [])

    def _named(self, content: int) -> float:
        """Nats of the words of the file as a whole."""
        if all(content not in one.files for one in self._seen):
            return 0.0
        traces = [one.files.get(content, []) for one in self._seen]
        there = tuple(bool(some) for some in traces)
        chances = tuple(
            min((trace.chance for trace in some), default=one.usual)
            for one, some in zip(self._seen, traces, strict=True)
        )
        if (there, chances) not in self._known:
            weights = [one.word.weight for one in self._seen]
            self._known[there, chances] = surprise_of_words(there, chances, weights)
        return self._known[there, chances]

    def _rarest(self, segment: int) -> float:
        """Nats of the rarest word of the segment's text."""
        here = (one for one in self._seen if segment in one.texts)
        return max((-math.log(one.texts[segment].chance) * one.word.weight for one in here), default=0.0)


def expected(
    catalog: Connection, asked: WordQuery
) -> Iterator[tuple[Word, dict[Field, float], tuple[Field, ...]]]:
    """Every wanted word, the chance to meet it in each field, and the fields where it tells something."""
    totals = _totals(catalog)
    for word in asked.wanted:
        counts = _counts(catalog, word)
        chances = _chances(counts, totals)
        yield word, chances, tuple(place for place in counts if _tells(place, counts[place], chances[place]))


def contents_with(catalog: Connection, word: Word, place: Field, wanted: Filter) -> list[int]:
    """The contents that hold ``word`` in a field, no text, as far as they may be found there."""
    expression = f"{place} : ({word.match})"
    if place not in (Field.TITLE, Field.TAG) and wanted.folders:
        numbers = fetched(catalog, "SELECT rowid FROM file_words WHERE file_words MATCH ?", expression)
        here = _contents(catalog, place, [row[0] // _STRIDE for row in numbers], wanted)
        return [content for _, content in here]
    return [row[0] for row in fetched(catalog, _CONTENTS[place], expression, *_states(place, wanted))]


def _states(place: Field, wanted: Filter) -> tuple[str, ...]:
    """The parameters of a statement of ``_CONTENTS`` beside the expression: two states."""
    return () if place in (Field.TITLE, Field.TAG) else (wanted.states[0], wanted.states[-1])


def _sightings(
    catalog: Connection, word: Word, wanted: Filter, totals: dict[Field, int], *, exact: bool
) -> _Sightings:
    """Where ``word`` is, in locations that may be found; segments and contents are filtered later."""
    seen = _Sightings(word)
    counts = _counts(catalog, word)
    seen.chances = _chances(counts, totals)
    for place, count in counts.items():
        chance = seen.chances[place]
        if not exact and not _tells(place, count, chance):
            continue
        weight = WEIGHTS[place]
        found = _found(catalog, word, place)
        traces = {number: _Trace(place, weight * score, chance) for number, score in found}
        if place is Field.TEXT:
            seen.texts = traces
            continue
        for number, content in _contents(catalog, place, traces, wanted):
            seen.files.setdefault(content, []).append(traces[number])
    return seen


def _chances(counts: Mapping[Field, int], totals: Mapping[Field, int]) -> dict[Field, float]:
    return {place: min((counts.get(place, 0) + 0.5) / (totals[place] + 1), 1 - 1e-9) for place in Field}


def _tells(place: Field, count: int, chance: float) -> bool:
    """Whether it says something of a file that it holds a word there."""
    return count <= _USUAL_COUNT or chance <= _USUAL[place]


def _counts(catalog: Connection, word: Word) -> dict[Field, int]:
    """How many locations, contents, tags and segments hold ``word``, without those that are none."""
    known: dict[str, dict[Field, int]] = remembered(catalog, "counts of words", dict)
    if word.match not in known:
        if len(known) >= _COUNTED_WORDS:
            known.clear()
        known[word.match] = _count(catalog, word)
    return known[word.match]


def _count(catalog: Connection, word: Word) -> dict[Field, int]:
    kinds = f"SELECT rowid % {_STRIDE}, count(*) FROM file_words WHERE file_words MATCH ? GROUP BY 1"
    found = fetched(catalog, kinds, f"{{name title tag}} : ({word.match})")
    counts = {_KINDS[kind]: count for kind, count in found}
    for place, table in ((Field.FOLDER, "file_words"), (Field.TEXT, "segment_words")):
        statement = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"
        counts[place] = fetched(catalog, statement, f"{place} : ({word.match})")[0][0]
    return {place: count for place, count in counts.items() if count}


def _found(catalog: Connection, word: Word, place: Field) -> list[tuple[int, float]]:
    """The locations, contents, tags or segments that hold ``word`` there, each with its BM25."""
    expression = f"{place} : ({word.match})"
    if place is Field.TEXT:
        return _match(catalog, "segment_words", expression)
    return [(number // _STRIDE, score) for number, score in _match(catalog, "file_words", expression)]


def _match(catalog: Connection, table: str, expression: str) -> list[tuple[int, float]]:
    statement = f"SELECT rowid, -bm25({table}) FROM {table} WHERE {table} MATCH ?"
    return list(fetched(catalog, statement, expression))


def _contents(
    catalog: Connection, place: Field, numbers: Iterable[int], wanted: Filter
) -> Iterator[tuple[int, int]]:
    """The content of each location, content or tag."""
    if place is Field.TITLE:
        yield from ((number, number) for number in numbers)
        return
    table = tags if place is Field.TAG else locations
    statement = select(table.c.id, table.c.content_id)
    if place is not Field.TAG:
        statement = statement.where(locations.c.state.in_(wanted.states))
        if wanted.folders:
            statement = statement.where(under(catalog, wanted.folders))
    for some in portions(numbers):
        yield from ((row[0], row[1]) for row in catalog.execute(statement.where(table.c.id.in_(some))))


def _owners(catalog: Connection, seen: Sequence[_Sightings], wanted: Filter) -> dict[int, int]:
    """Every segment that may be a hit, with its content."""
    masks = wanted_contents(catalog, wanted)
    owners = {row.id: row.content_id for row in _let_through(catalog, segments.c.id, _texts(seen), masks)}
    whole = {content for one in seen for content in one.files} - set(owners.values())
    first: dict[int, Any] = {}
    for row in _let_through(catalog, segments.c.content_id, whole, masks):
        first.setdefault(row.content_id, row)
    return owners | {row.id: row.content_id for row in first.values()}


def _texts(seen: Sequence[_Sightings]) -> set[int]:
    return {segment for one in seen for segment in one.texts}


def _let_through(
    catalog: Connection,
    column: Column[int],
    numbers: Iterable[int],
    masks: Sequence[tuple[Mask, Sequence[Modality]]],
) -> Iterator[Any]:
    """Segments that may be found with ``column`` among ``numbers``, those of a content in their order.

    Of a film's thousand clips, the first of each kind will do where the content is what is asked for.
    """
    statement = select(segments.c.id, segments.c.content_id, segments.c.modality)
    if column is segments.c.content_id:
        statement = statement.add_columns(func.min(segments.c.ordinal).label("at"))
        statement = statement.group_by(segments.c.content_id, segments.c.modality).order_by("at")
    for some in portions(sorted(numbers)):
        rows: Iterable[Any] = catalog.execute(statement.where(column.in_(some)))
        for row in rows:
            if any(mask[row.content_id] and (not kinds or row.modality in kinds) for mask, kinds in masks):
                yield row


def _unwanted(catalog: Connection, asked: WordQuery, totals: dict[Field, int]) -> set[int]:
    """Contents that hold all the words of a term that is taken away, wherever they lie."""
    banned: set[int] = set()
    anywhere = Filter(offline=True)
    for term in asked.unwanted:
        seen = (_sightings(catalog, word, anywhere, totals, exact=True) for word in term)
        banned |= set.intersection(*(_holders(catalog, one) for one in seen))
    return banned


def _holders(catalog: Connection, seen: _Sightings) -> set[int]:
    statement = select(segments.c.content_id)
    holders = set(seen.files)
    for some in portions(seen.texts):
        holders |= set(catalog.scalars(statement.where(segments.c.id.in_(some))))
    return holders


def _totals(catalog: Connection) -> dict[Field, int]:
    """In how many places a word could be, by field; every content could have a title or a tag."""
    return remembered(catalog, "places for words", lambda: _counted(catalog))


def _counted(catalog: Connection) -> dict[Field, int]:
    # The table that FTS5 keeps the lengths in has a row for each text.
    tables = ("contents", "locations", "segment_words_docsize")
    files, places, texts = (fetched(catalog, f"SELECT count(*) FROM {table}")[0][0] for table in tables)
    return {Field.NAME: places, Field.FOLDER: places, Field.TITLE: files, Field.TAG: files, Field.TEXT: texts}
