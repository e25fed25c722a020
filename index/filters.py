"""Filters: which segments a search may find, turned into a selection of vector ids inside the search."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, Select, exists, func, select, text

from bindsearch.answers import State
from bindsearch.index.paths import below, descends, under
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import contents, locations
from bindsearch.index.vectors import Selection
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.conditions import Condition
    from bindsearch.index.matching import Ids, Mask, Matcher
    from bindsearch.index.moments import Moments

__all__ = ["Filter", "below", "descends", "select_vectors", "under", "wanted_contents"]

# CROSS JOIN keeps SQLite to this order: without statistics it would scan all vectors for every file. The
# vectors' rows themselves are not read, since the index of segment and space holds all that is asked.
_OF_CONTENTS = """
SELECT group_concat(v.id) FROM json_each(:contents) AS wanted
CROSS JOIN segments AS s ON s.content_id = wanted.value
CROSS JOIN vectors AS v ON v.segment_id = s.id AND v.space_id = :space
"""
_OF_ALL = """
SELECT group_concat(v.id) FROM segments AS s
CROSS JOIN vectors AS v ON v.segment_id = s.id AND v.space_id = :space
"""
_OF_KINDS = "WHERE s.modality IN (SELECT value FROM json_each(:kinds))"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a hit must satisfy; empty fields ask for nothing.

    ``folders`` are absolute paths of folders or files. ``since`` (included) and ``until`` (excluded) are
    seconds since 1970 UTC, held against the time the content was taken or, where it does not say, the
    file's modification time. ``offline`` also finds files on roots that are not there now. ``where`` is
    a condition that must hold as well (see bindsearch.conditions).
    """

    modalities: frozenset[Modality] = frozenset()
    folders: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    offline: bool = False
    where: Condition | None = None

    @property
    def states(self) -> tuple[State, ...]:
        """The states in which a location may be found."""
        return (State.PRESENT, State.OFFLINE) if self.offline else (State.PRESENT,)

    @property
    def only_hides(self) -> bool:
        """Whether nothing is asked for beyond a file's being there."""
        return not (self.modalities or self.offline or self._asks_of_files)

    @property
    def _asks_of_files(self) -> bool:
        return bool(self.folders or self.where) or self.since is not None or self.until is not None


def select_vectors(
    catalog: Connection, space_id: int, wanted: Filter, moments: Moments | None = None
) -> Selection:
    """The vectors of a space that ``wanted`` lets through.

    Without any wish, only what has no present location is left out, which costs nothing in a library
    where little is missing. ``moments`` of the space serve where they are loaded. Raises QueryError for a
    place that has not been looked up.
    """
    if wanted.only_hides or not wanted._asks_of_files:
        key = "plain", space_id, wanted.modalities, wanted.offline
        return remembered(catalog, key, lambda: _plain(catalog, space_id, wanted))
    hidden = _hidden(catalog, wanted)
    parts = [
        _of_mask(catalog, space_id, mask, kinds, moments) for mask, kinds in _masks(catalog, wanted, hidden)
    ]
    return Selection(only=np.sort(np.concatenate([np.empty(0, np.int64), *parts])))


def _plain(catalog: Connection, space_id: int, wanted: Filter) -> Selection:
    """As ``select_vectors``, where nothing is asked of files."""
    gone = _of_contents(catalog, space_id, _hidden(catalog, wanted), ())
    if wanted.only_hides:
        return Selection(without=gone)
    ids = _of_all(catalog, space_id, wanted.modalities)
    return Selection(only=np.setdiff1d(ids, gone, assume_unique=True) if len(gone) else ids)


def _of_mask(
    catalog: Connection, space_id: int, mask: Mask, kinds: Collection[Modality], moments: Moments | None
) -> Ids:
    if moments is not None and moments.loaded:
        return moments.among(mask, kinds)
    if mask.all():
        return _of_all(catalog, space_id, kinds)
    return _of_contents(catalog, space_id, np.flatnonzero(mask), kinds)


def wanted_contents(catalog: Connection, wanted: Filter) -> list[tuple[Mask, list[Modality]]]:
    """Which contents ``wanted`` lets through, as masks by id, with the kinds of segments that are meant.

    No kind comes twice; a list of none stands for all kinds. Raises QueryError as ``select_vectors`` does.
    """
    return list(_masks(catalog, wanted, _hidden(catalog, wanted)))


def _hidden(catalog: Connection, wanted: Filter) -> Ids:
    """Contents without a location in a state in which they may be found."""
    missing = select(contents.c.id).where(contents.c.present_locations == 0)
    if wanted.offline:
        offline = locations.c.content_id == contents.c.id, locations.c.state == State.OFFLINE
        missing = missing.where(~exists().where(*offline))
    return remembered(catalog, ("hidden", wanted.offline), lambda: _read(catalog, missing))


def _masks(catalog: Connection, wanted: Filter, hidden: Ids) -> Iterator[tuple[Mask, list[Modality]]]:
    """The contents that are wanted, with the kinds of segments that are wanted of them; no kind twice.

    Kinds that a condition does not tell apart come together; a list of none stands for all.
    """
    if not wanted._asks_of_files:
        mask = remembered(catalog, ("shown", wanted.offline), lambda: _shown(catalog, hidden))
        yield mask, sorted(wanted.modalities)
        return
    from bindsearch.conditions import Key, facts  # a plain search starts sooner without
    from bindsearch.index.matching import Matcher

    matcher = Matcher(catalog, wanted.states)
    base = _base(matcher, wanted)
    base[hidden] = False
    where = wanted.where
    if where is None or all(fact.key is not Key.TYPE for fact in facts(where)):
        mask = base if where is None else base & matcher.holds(where, Modality.IMAGE)
        yield mask, sorted(wanted.modalities)
        return
    groups: list[tuple[Mask, list[Modality]]] = []
    for kind in sorted(wanted.modalities or Modality):
        mask = base & matcher.holds(where, kind)
        alike = next((kinds for other, kinds in groups if np.array_equal(other, mask)), None)
        if alike is not None:
            alike.append(kind)
        elif mask.any():
            groups.append((mask, [kind]))
    yield from groups


def _shown(catalog: Connection, hidden: Ids) -> Mask:
    """All contents but the ``hidden`` ones."""
    mask = np.ones(1 + (catalog.scalar(select(func.max(contents.c.id))) or 0), dtype=bool)
    mask[hidden] = False
    mask.flags.writeable = False
    return mask


def _base(matcher: Matcher, wanted: Filter) -> Mask:
    """What the plain fields ask of files."""
    mask = matcher.everything()
    if wanted.folders:
        mask &= matcher.inside(wanted.folders)
    if wanted.since is not None or wanted.until is not None:
        start = -np.inf if wanted.since is None else wanted.since
        mask &= matcher.during(start, np.inf if wanted.until is None else wanted.until)
    return mask


def _of_all(catalog: Connection, space_id: int, kinds: Collection[Modality]) -> Ids:
    """Vectors of all contents: of their segments of ``kinds``, of all if there are none; sorted."""
    return _joined(catalog, _OF_ALL, {"space": space_id}, sorted(kinds))


def _of_contents(catalog: Connection, space_id: int, ids: Ids, kinds: Collection[Modality]) -> Ids:
    """As ``_of_all``, of the contents ``ids``."""
    if not len(ids):
        return np.empty(0, np.int64)
    given = {"space": space_id, "contents": json.dumps(ids.tolist())}
    return _joined(catalog, _OF_CONTENTS, given, kinds)


def _joined(
    catalog: Connection, statement: str, given: dict[str, object], kinds: Collection[Modality]
) -> Ids:
    from bindsearch.index.matching import read_ids

    if kinds:
        statement, given = statement + _OF_KINDS, given | {"kinds": json.dumps(list(kinds))}
    return np.sort(read_ids(catalog.scalar(text(statement), given)))


def _read(catalog: Connection, statement: Select[tuple[int]]) -> Ids:
    return np.array(catalog.scalars(statement).all(), dtype=np.int64)
