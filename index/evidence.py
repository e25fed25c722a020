"""Evidence: what the words of a query add to the standing of segments, in nats (see fusion).

It is the evidence of the hits that ``find_words`` gives, reckoned for all of them at once. What each hit
holds and how it scores by BM25 is not asked, so that SQLite need not look at any text: that takes most of the
time of a word that many files hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from bindsearch.fusion import KNOWN, NAMED_SHARE, WRITTEN_SHARE, surprise_of_words
from bindsearch.index.fetching import as_json, fetched
from bindsearch.index.filters import Filter, wanted_contents
from bindsearch.index.words import Field, WordHit, contents_with, expected
from bindsearch.modality import Modality
from bindsearch.words import Word, WordQuery

if TYPE_CHECKING:
    from bindsearch.index.matching import Mask

Ids = NDArray[np.int64]
Nats = NDArray[np.float64]
Masks = Sequence[tuple["Mask", Sequence[Modality]]]

_TEXTS = """
SELECT s.id, s.content_id, s.modality FROM segment_words
CROSS JOIN segments AS s ON s.id = segment_words.rowid WHERE segment_words MATCH ?
"""
_FIRST = """
SELECT s.content_id, s.id, min(s.ordinal) FROM json_each(?) AS asked
CROSS JOIN segments AS s ON s.content_id = asked.value {where} GROUP BY s.content_id
"""
_OF_KINDS = "WHERE s.modality IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What words add to the standing of segments, in nats, by segment and by content."""

    segments: Mapping[int, float]
    contents: Mapping[int, float]

    @classmethod
    def of_hits(cls, hits: Iterable[WordHit], *, all_moments: bool = False) -> Evidence:
        """The evidence of hits; with ``all_moments`` for those segments alone that are hits themselves."""
        return cls._of((hit.segment_id, hit.content_id, hit.evidence) for hit in hits)._told(all_moments)

    @classmethod
    def of_query(
        cls, catalog: Connection, asked: WordQuery, limit: int, wanted: Filter, *, all_moments: bool = False
    ) -> Evidence:
        """As ``of_hits`` of the hits of ``find_words`` for the words ``asked``: the ``limit`` best of them.

        Of hits with as much evidence, those of files that came first.
        """
        if not asked.wanted:
            return cls({}, {})
        found = [_Sightings.of(catalog, *word, wanted) for word in expected(catalog, asked)]
        masks = wanted_contents(catalog, wanted)
        told = _told(catalog, found, masks, limit)
        return cls._of(zip(*(column.tolist() for column in told), strict=True))._told(all_moments)

    def of(self, segment_id: int, content_id: int, modality: str) -> float:
        """Of one segment: its own, or what is known of its file where it is no text that could hold words."""
        if modality == Modality.TEXT or segment_id in self.segments:
            return self.segments.get(segment_id, 0.0)
        return self.contents.get(content_id, 0.0)

    def of_many(self, segment_ids: Ids, content_ids: Ids, modality: str) -> Nats:
        """As ``of``, of many segments (n,) of one modality."""
        own, whole = self.segments, self.contents
        if modality == Modality.TEXT:
            return np.array([own.get(one, 0.0) for one in segment_ids.tolist()], np.float64)
        pairs = zip(segment_ids.tolist(), content_ids.tolist(), strict=True)
        found = [own[one] if one in own else whole.get(content, 0.0) for one, content in pairs]
        return np.array(found, np.float64)

    @classmethod
    def _of(cls, found: Iterable[tuple[int, int, float]]) -> Evidence:
        own: dict[int, float] = {}
        whole: dict[int, float] = {}
        for segment, content, nats in found:
            own[segment] = nats
            whole[content] = max(nats, whole.get(content, 0.0))
        return cls(own, whole)

    def _told(self, all_moments: bool) -> Evidence:
        return Evidence(self.segments, {}) if all_moments else self


@dataclass(frozen=True, slots=True, eq=False)
class _Sightings:
    """Where one word was found.

    ``files`` are contents (n,), sorted, and ``chances`` (n,) what the least was to meet it where it is; in
    ``texts`` are the rows (segment, content, modality), and ``written`` is the chance of a text.
    """

    word: Word
    usual: float
    files: Ids
    chances: Nats
    texts: Sequence[Any]
    written: float

    @classmethod
    def of(
        cls,
        catalog: Connection,
        word: Word,
        chances: Mapping[Field, float],
        places: Sequence[Field],
        wanted: Filter,
    ) -> _Sightings:
        """Of ``word``, looked for in ``places``."""
        files, least = [_NONE], [_NO_NATS]
        for place in places:
            if place is not Field.TEXT:
                files.append(np.array(contents_with(catalog, word, place, wanted), np.int64))
                least.append(np.full(len(files[-1]), chances[place]))
        ids, own = _least(np.concatenate(files), np.concatenate(least))
        asks = Field.TEXT in places
        texts = fetched(catalog, _TEXTS, f"{Field.TEXT} : ({word.match})") if asks else ()
        usual = 1 - math.prod(1 - chances[place] for place in Field if place is not Field.TEXT)
        return cls(word, usual, ids, own, texts, chances[Field.TEXT])


_MOST_PATTERNS = 1 << 40  # of words that files hold; a word more makes at most five times as many

_NONE = np.empty(0, np.int64)
_NO_NATS = np.empty(0, np.float64)


def _told(
    catalog: Connection, found: Sequence[_Sightings], masks: Masks, limit: int
) -> tuple[Ids, Ids, Nats]:
    """Segments, their contents and nats: passages that hold words, and one segment of each other file."""
    files, named = _named(found)
    segments, contents, rarest = _written(found, masks)
    own = _looked_up(files, named, contents)
    nats = evidence_of(own, rarest)
    allowed = np.zeros(len(files), bool)
    for mask, _ in masks:
        allowed |= mask[files]
    left = allowed & ~np.isin(files, contents)
    whole, of_whole = files[left], evidence_of(named[left], np.zeros(int(left.sum())))
    least = _border(np.concatenate([nats, of_whole]), limit)
    whole, of_whole = whole[of_whole >= least], of_whole[of_whole >= least]
    first, owners = _first_segments(catalog, whole, masks)
    segments, contents = np.concatenate([segments, first]), np.concatenate([contents, owners])
    nats = np.concatenate([nats, _looked_up(whole, of_whole, owners)])
    best = np.lexsort((contents, -nats))[:limit]
    return segments[best], contents[best], nats[best]


def evidence_of(named: Nats, rarest: Nats) -> Nats:
    """``fusion.evidence_of_words`` of many (n,)."""
    nats: Nats = NAMED_SHARE * named + WRITTEN_SHARE * np.maximum(rarest - KNOWN, 0.0)
    return nats


def _named(found: Sequence[_Sightings]) -> tuple[Ids, Nats]:
    """Contents that hold words as a whole, sorted, and the nats of those words."""
    files = np.unique(np.concatenate([_NONE, *(one.files for one in found)]))
    chances = np.empty((len(found), len(files)))
    there = np.zeros((len(found), len(files)), bool)
    pattern, patterns = np.zeros(len(files), np.int64), 1
    for number, one in enumerate(found):
        places = np.searchsorted(files, one.files)
        chances[number] = one.usual
        chances[number, places] = one.chances
        there[number, places] = True
        kinds, kind = np.unique(one.chances, return_inverse=True)
        pattern[places] += patterns * (1 + kind)
        patterns *= 1 + len(kinds)
        if patterns > _MOST_PATTERNS:  # many words: numbered anew
            pattern = np.unique(pattern, return_inverse=True)[1]
            patterns = 1 + int(pattern.max(initial=0))
    _, first, back = np.unique(pattern, return_index=True, return_inverse=True)
    weights = [one.word.weight for one in found]
    nats = [surprise_of_words(there[:, at].tolist(), chances[:, at].tolist(), weights) for at in first]
    return files, np.array(nats, np.float64)[back]


def _written(found: Sequence[_Sightings], masks: Masks) -> tuple[Ids, Ids, Nats]:
    """Texts that hold words and may be found, by segment; their contents, and nats of their rarest word."""
    told: dict[int, tuple[int, str, float]] = {}
    for one in found:
        nats = -math.log(one.written) * one.word.weight
        for segment, content, kind in one.texts:
            known = told.get(segment)
            if known is None or known[2] < nats:
                told[segment] = content, kind, nats
    rows = [
        (segment, content, nats)
        for segment, (content, kind, nats) in told.items()
        if any(mask[content] and (not kinds or kind in kinds) for mask, kinds in masks)
    ]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    segments, contents, rarest = columns
    return np.array(segments, np.int64), np.array(contents, np.int64), np.array(rarest, np.float64)


def _first_segments(catalog: Connection, contents: Ids, masks: Masks) -> tuple[Ids, Ids]:
    """Of each content the first segment that may be found, and that content."""
    found = [np.empty((0, 3), np.int64)]
    for mask, kinds in masks:
        given = [as_json(contents[mask[contents]].tolist())] + ([json.dumps(list(kinds))] if kinds else [])
        statement = _FIRST.format(where=_OF_KINDS if kinds else "")
        found.append(np.array(fetched(catalog, statement, *given), np.int64).reshape(-1, 3))
    rows = np.concatenate(found)
    rows = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
    owners, first = np.unique(rows[:, 0], return_index=True)
    return rows[first, 1], owners


def _least(ids: Ids, values: Nats) -> tuple[Ids, Nats]:
    """Every id once, sorted, with the least of its values."""
    order = np.lexsort((values, ids))
    ids, values = ids[order], values[order]
    first = np.ones(len(ids), bool)
    first[1:] = ids[1:] != ids[:-1]
    return ids[first], values[first]


def _looked_up(keys: Ids, values: Nats, wanted: Ids) -> Nats:
    """The values of those ``wanted`` that are among the sorted ``keys``, 0 for others."""
    if not len(keys):
        return np.zeros(len(wanted))
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0.0)


def _border(values: Nats, limit: int) -> float:
    """What the ``limit`` greatest values reach."""
    if len(values) <= limit:
        return -math.inf
    return float(np.partition(values, len(values) - limit)[len(values) - limit])
