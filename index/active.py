"""Which space answers searches, and which one is being filled to take its place.

A library that is told to use another space goes on answering in the one that it has, until every content
that is present and of a modality that the other can embed has vectors in the other; then the two change
places, in one transaction at the end of an indexing run. Vectors of the space before stay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, or_, select

from bindsearch.encoders.protocol import Space
from bindsearch.index.remembering import remembered
from bindsearch.index.schema import (
    Role,
    Stage,
    active_spaces,
    contents,
    failures,
    locations,
    segments,
    spaces,
    vectors,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class ActiveSpaces:
    """The names of the space that answers and of the one being filled, if there is one.

    ``filled`` of ``fillable`` contents have vectors in the latter.
    """

    answering: str
    filling: str | None = None
    filled: int = 0
    fillable: int = 0


def read_active(catalog: Connection, default: str) -> ActiveSpaces:
    """The active spaces; ``default`` names the one that answers as long as none was chosen."""
    answering = answering_name(catalog) or default
    row = _find(catalog, Role.FILLING)
    if row is None:
        return ActiveSpaces(answering)
    return ActiveSpaces(answering, row.name, *_count(catalog, row.key, row.modalities.split()))


def answering_name(catalog: Connection) -> str | None:
    """The name of the space that answers, None as long as none was chosen."""

    def read() -> str | None:
        return catalog.scalar(select(active_spaces.c.name).where(active_spaces.c.role == Role.ANSWERING))

    return remembered(catalog, "answering", read)


def find_filling(catalog: Connection) -> str | None:
    """The name of the space that is being filled, if there is one."""
    return catalog.scalar(select(active_spaces.c.name).where(active_spaces.c.role == Role.FILLING))


def choose(session: Session, name: str, space: Space, answering: str, *, can_answer: bool) -> None:
    """See Store.choose_space. What one space could not encode will be tried in the other."""
    session.execute(delete(active_spaces).where(active_spaces.c.role == Role.FILLING))
    if name == answering:
        return
    filled, fillable = _count(session.connection(), space.key, space.modalities)
    if filled == fillable or not can_answer:
        _set(session, Role.ANSWERING, name, space.key, space.modalities)
        _retry_encoding(session)
    else:
        set_filling(session, name, space)


def set_filling(session: Session, name: str, space: Space) -> None:
    """Note which space is being filled; what could not be encoded before will be tried in it."""
    _set(session, Role.FILLING, name, space.key, space.modalities)
    _retry_encoding(session)


def switch_if_complete(session: Session) -> bool:
    """Let the space that is being filled answer if nothing lacks vectors in it; returns whether it does."""
    catalog = session.connection()
    row = _find(catalog, Role.FILLING)
    if row is None:
        return False
    filled, fillable = _count(catalog, row.key, row.modalities.split())
    if filled < fillable:
        return False
    _set(session, Role.ANSWERING, row.name, row.key, row.modalities.split())
    session.execute(delete(active_spaces).where(active_spaces.c.role == Role.FILLING))
    return True


def _find(catalog: Connection, role: Role) -> Row[Any] | None:
    return catalog.execute(select(active_spaces).where(active_spaces.c.role == role)).first()


def _set(session: Session, role: Role, name: str, key: str, modalities: Collection[str]) -> None:
    session.execute(delete(active_spaces).where(active_spaces.c.role == role))
    values = {"role": role, "name": name, "key": key, "modalities": " ".join(sorted(modalities))}
    session.execute(insert(active_spaces).values(values))


def _count(catalog: Connection, key: str, modalities: Collection[str]) -> tuple[int, int]:
    """How many present contents are all in a space that embeds these modalities, and how many could be.

    One that the space has tried and could not encode counts as done.
    """
    fits = segments.c.content_id == contents.c.id, segments.c.modality.in_(modalities)
    fillable = contents.c.present_locations > 0, exists().where(*fits)
    space_id = select(spaces.c.id).where(spaces.c.key == key).scalar_subquery()
    embedded = exists().where(vectors.c.segment_id == segments.c.id, vectors.c.space_id == space_id)
    tried = exists().where(
        locations.c.content_id == contents.c.id,
        failures.c.root_id == locations.c.root_id,
        failures.c.path == locations.c.path,
        failures.c.stage == Stage.ENCODE,
    )
    filled = or_(~exists().where(*fits, ~embedded), tried)
    return _number(catalog, *fillable, filled), _number(catalog, *fillable)


def _number(catalog: Connection, *conditions: ColumnElement[bool]) -> int:
    return catalog.scalar(select(func.count()).select_from(contents).where(*conditions)) or 0


def _retry_encoding(session: Session) -> None:
    """Forget what another space could not encode, since this one may."""
    session.execute(delete(failures).where(failures.c.stage == Stage.ENCODE))
