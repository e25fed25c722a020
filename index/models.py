"""Typed classes over the tables of ``schema.py``, for those who write to the catalog.

What each column means, and its unit, is said there.
"""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped

from bindsearch.index import schema


class Base(DeclarativeBase):
    """The declarative base of every class."""

    metadata = schema.METADATA


class Root(Base):
    """A folder, or a single file, that the library watches."""

    __table__ = schema.roots

    id: Mapped[int]
    path: Mapped[str]
    state: Mapped[str]
    added_at: Mapped[float]
    walked_at: Mapped[float | None]


class Content(Base):
    """The bytes of a file."""

    __table__ = schema.contents

    id: Mapped[int]
    identity: Mapped[bytes]
    sha256: Mapped[bytes]
    hint: Mapped[str]
    size: Mapped[int]
    modality: Mapped[str]
    format: Mapped[str]
    taken_at: Mapped[float | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None]
    camera: Mapped[str | None]
    title: Mapped[str | None]
    present_locations: Mapped[int]
    added_at: Mapped[float]


class Location(Base):
    """A path where a content lies."""

    __table__ = schema.locations

    id: Mapped[int]
    root_id: Mapped[int]
    content_id: Mapped[int]
    path: Mapped[str]
    state: Mapped[str]
    size: Mapped[int]
    mtime_ns: Mapped[int]
    inode: Mapped[int]
    device: Mapped[int]
    hint: Mapped[str]


class Segment(Base):
    """The unit that is embedded and found."""

    __table__ = schema.segments

    id: Mapped[int]
    content_id: Mapped[int]
    ordinal: Mapped[int]
    modality: Mapped[str]
    start: Mapped[float | None]
    end: Mapped[float | None]
    first_line: Mapped[int | None]
    last_line: Mapped[int | None]
    text: Mapped[str | None]


class SpaceRow(Base):
    """A space that the library holds vectors of."""

    __table__ = schema.spaces

    id: Mapped[int]
    key: Mapped[str]
    name: Mapped[str]
    revision: Mapped[str]
    weights_sha256: Mapped[str]
    dimensions: Mapped[int]
    preprocessing: Mapped[str]
    added_at: Mapped[float]


class VectorRow(Base):
    """One segment's vector in one space."""

    __table__ = schema.vectors

    id: Mapped[int]
    segment_id: Mapped[int]
    space_id: Mapped[int]
    data: Mapped[bytes]


class Tombstone(Base):
    """A vector that is gone."""

    __table__ = schema.tombstones

    seq: Mapped[int]
    vector_id: Mapped[int]
    space_id: Mapped[int]


class Failure(Base):
    """A path that could not be taken in."""

    __table__ = schema.failures

    id: Mapped[int]
    root_id: Mapped[int]
    path: Mapped[str]
    stage: Mapped[str]
    reason: Mapped[str]
    failed_at: Mapped[float]
    size: Mapped[int | None]
    mtime_ns: Mapped[int | None]
    inode: Mapped[int | None]
    device: Mapped[int | None]
    hint: Mapped[str]


class Tag(Base):
    """A name that a content was given."""

    __table__ = schema.tags

    id: Mapped[int]
    content_id: Mapped[int]
    name: Mapped[str]
    source: Mapped[str]
    score: Mapped[float | None]
    added_at: Mapped[float]
