"""Tags: names that contents have, given by a person or by a classifier.

A tag hangs off a content: a file that is renamed keeps it, two copies share it, and what is forgotten loses
it. A name is kept as ``classifying.clean_name`` gives it. Names that differ in case only are one tag, spelt
as it was when it first came into the library; see ``spelt``.

Nothing that a classifier does changes a tag that was given by hand. Of two classifiers the later counts.
None of these functions commits: see changes.py.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from bindsearch.index.fetching import IDS_PER_STATEMENT, as_json, fetched
from bindsearch.index.schema import TagSource, tags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    Reader = Connection | Session

_NAMES = """
SELECT t.content_id, t.name FROM json_each(?) AS asked
CROSS JOIN tags AS t ON t.content_id = asked.value ORDER BY t.name
"""


class NewTag(NamedTuple):
    """A name for a content; ``score`` is a classifier's probability, None where a person says so."""

    content_id: int
    name: str
    score: float | None = None


class Tag(NamedTuple):
    """A tag as it is kept."""

    name: str
    source: TagSource
    score: float | None


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many contents have a tag: all of them, and those that a person gave it to."""

    name: str
    files: int
    by_hand: int


def spelt(reader: Reader, names: Iterable[str]) -> tuple[str, ...]:
    """``names`` as the library spells them, or as they are where it does not know them."""
    known = {name.casefold(): name for name in reader.scalars(select(tags.c.name).distinct()).all()}
    return tuple(known.get(name.casefold(), name) for name in names)


def put_tags(session: Session, source: TagSource, given: Sequence[NewTag]) -> int:
    """Give contents tags; returns how many are new, or come from another source than before."""
    rows = [new._asdict() | {"source": source, "added_at": time.time()} for new in given]
    if not rows:
        return 0
    before = _count(session, source)
    statement = upsert(tags)
    values = {name: statement.excluded[name] for name in ("source", "score", "added_at")}
    kept = None if source is TagSource.HAND else tags.c.source != TagSource.HAND
    statement = statement.on_conflict_do_update(
        index_elements=["content_id", "name"], set_=values, where=kept
    )
    session.execute(statement, rows)
    return _count(session, source) - before


def take_stale(
    session: Session,
    source: TagSource,
    names: Collection[str],
    looked_at: Collection[int],
    given: Iterable[NewTag],
) -> int:
    """Take away what ``source`` said before of the contents ``looked_at`` and does not say any more.

    Only its tags of ``names``; those in ``given`` stay. Returns how many.
    """
    still = {(new.content_id, new.name) for new in given}
    among = set(looked_at)
    rows = session.execute(
        select(tags.c.id, tags.c.content_id, tags.c.name).where(
            tags.c.source == source, tags.c.name.in_(names)
        )
    )
    stale = [row.id for row in rows if row.content_id in among and (row.content_id, row.name) not in still]
    return _delete(session, stale)


def remove_tag(session: Session, name: str, content_ids: Collection[int] | None = None) -> int:
    """Take ``name`` from some contents, or from all, whoever gave it; returns from how many."""
    rows = session.execute(select(tags.c.id, tags.c.content_id).where(tags.c.name == name)).all()
    among = None if content_ids is None else set(content_ids)
    return _delete(session, [row.id for row in rows if among is None or row.content_id in among])


def rename_tag(session: Session, old: str, new: str) -> int:
    """Call a tag ``new``; a content that has both keeps one, by hand if either was.

    Returns how many had it.
    """
    rows = session.execute(
        select(tags.c.id, tags.c.content_id, tags.c.source).where(tags.c.name == old)
    ).all()
    if old == new:
        return len(rows)
    others = select(tags.c.content_id, tags.c.id, tags.c.source).where(tags.c.name == new)
    has = {row.content_id: row for row in session.execute(others)}
    doomed = []
    for row in rows:
        other = has.get(row.content_id)
        if other is not None:
            weaker = row.source != TagSource.HAND or other.source == TagSource.HAND
            doomed.append(row.id if weaker else other.id)
    _delete(session, doomed)
    session.execute(update(tags).where(tags.c.name == old).values(name=new))
    return len(rows)


def tags_of(reader: Reader, content_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The names that contents have, in alphabetical order, by content id; those without any are left out."""
    catalog = reader if isinstance(reader, Connection) else reader.connection()
    found: dict[int, tuple[str, ...]] = {}
    for content, name in fetched(catalog, _NAMES, as_json(content_ids)):
        found[content] = (*found.get(content, ()), name)
    return found


def full_tags_of(reader: Reader, content_ids: Sequence[int]) -> dict[int, list[Tag]]:
    """As ``tags_of``, with where each tag comes from."""
    found: dict[int, list[Tag]] = {}
    for first in range(0, len(content_ids), IDS_PER_STATEMENT):
        own = tags.c.content_id.in_(content_ids[first : first + IDS_PER_STATEMENT])
        for row in reader.execute(select(tags).where(own).order_by(tags.c.name)):
            found.setdefault(row.content_id, []).append(Tag(row.name, TagSource(row.source), row.score))
    return found


def count_tags(reader: Reader) -> list[TagCount]:
    """Every tag with how many contents have it, in alphabetical order; those of missing files count, too."""
    by_hand = func.sum(tags.c.source == TagSource.HAND)
    statement = select(tags.c.name, func.count(), by_hand).group_by(tags.c.name).order_by(tags.c.name)
    return [TagCount(*row) for row in reader.execute(statement)]


def _count(session: Session, source: TagSource) -> int:
    return session.scalar(select(func.count()).select_from(tags).where(tags.c.source == source)) or 0


def _delete(session: Session, tag_ids: Sequence[int]) -> int:
    params: list[dict[str, Any]] = [{"the_id": tag_id} for tag_id in tag_ids]
    if params:
        session.execute(delete(tags).where(tags.c.id == bindparam("the_id")), params)
    return len(params)
