"""The tables of the catalog, the one truth of a library.

    roots ──< locations >── contents ──< segments ──< vectors >── spaces
      └────< failures           └───< tags               tombstones  active_spaces

* A *content* is bytes and the way to read them; a *location* is a path where they lie. Renaming a file
  changes one location row and nothing else. ``identity`` is what a content is known by: the SHA-256 of the
  bytes or, where a file's place has a say (``hint``, see loaders.hints), of that hash and the hint together.
* ``contents.present_locations`` counts the locations in state ``present``. Triggers keep it (see the
  first migration), so that no writer can forget to; a content that counts 0 is not found by searches.
* ``vectors.id`` and ``tombstones.seq`` only ever grow. They are the sequence numbers by which a vector
  index catches up: rows above the highest ``vectors.id`` that it holds are new, tombstones above the
  highest ``seq`` that it has seen name vectors that are gone.
* Paths are stored as the bytes that the file system uses, since a POSIX path need not be text.
* The tables are SQLAlchemy Core's; ``models.py`` maps typed classes onto them for those who write. Searching
  does without the ORM, whose import would be a fifth of a cold search.
* Times are seconds since 1970 UTC. Vectors are little-endian float16 of unit length, which moves a
  cosine by at most 5e-5.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from bindsearch.answers import State


class Stage(StrEnum):
    """Where a file failed. ``UNSUPPORTED`` is no fault of the file: it is of a kind not read.

    ``UNCLEAR`` is none either: it could be read in several ways, and the reason gives the rule to write.
    """

    WALK = "walk"
    READ = "read"
    DECODE = "decode"
    ENCODE = "encode"
    UNSUPPORTED = "unsupported"
    UNCLEAR = "unclear"


class TagSource(StrEnum):
    """Who gave a tag: a person, or a classifier that knew its name or examples of it."""

    HAND = "hand"
    WORDS = "words"
    EXAMPLES = "examples"


class Role(StrEnum):
    """What an active space is for: it answers searches, or is being filled so as to answer them later."""

    ANSWERING = "answering"
    FILLING = "filling"


class FsPath(TypeDecorator[str]):
    """A path as Python's ``os`` functions give it, stored as the file system's bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """From ``str`` (lone surrogates stand for bytes that are not UTF-8) to bytes."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """From bytes to ``str``."""
        return None if value is None else os.fsdecode(value)


METADATA = MetaData()

# A folder (or a single file) that the library watches; ``path`` is absolute.
roots = Table(
    "roots",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("path", FsPath, nullable=False, unique=True),
    Column("state", String, nullable=False, default=State.PRESENT),
    Column("added_at", Float, nullable=False),
    Column("walked_at", Float),
)

# The bytes of a file and what they say of themselves; see loaders.FileFacts for the units.
contents = Table(
    "contents",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("identity", LargeBinary, nullable=False, unique=True),
    Column("sha256", LargeBinary),
    Column("hint", String, nullable=False, default="", server_default=""),
    Column("size", Integer, nullable=False),
    Column("modality", String, nullable=False),
    Column("format", String, nullable=False),
    Column("taken_at", Float),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration", Float),
    Column("camera", String),
    Column("title", String),
    Column("present_locations", Integer, nullable=False, default=0, server_default="0"),
    Column("added_at", Float, nullable=False),
    Index("contents_without_location", "id", sqlite_where=text("present_locations = 0")),
    Index("contents_by_time", "taken_at"),
)

# A path, relative to its root, where a content lies; ``path`` is "." for a root that is a file. ``hint`` is
# the content's.
locations = Table(
    "locations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("root_id", Integer, ForeignKey("roots.id", ondelete="CASCADE"), nullable=False),
    Column("content_id", Integer, ForeignKey("contents.id"), nullable=False),
    Column("path", FsPath, nullable=False),
    Column("state", String, nullable=False, default=State.PRESENT),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("device", Integer, nullable=False),
    Column("hint", String, nullable=False, default="", server_default=""),
    UniqueConstraint("root_id", "path"),
    Index("locations_by_content", "content_id", "state"),
    Index("locations_by_inode", "inode", "device"),
)

# The unit that is embedded and found; ``start`` and ``end`` are seconds, lines count from 1.
segments = Table(
    "segments",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("content_id", Integer, ForeignKey("contents.id", ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("modality", String, nullable=False),
    Column("start", Float),
    Column("end", Float),
    Column("first_line", Integer),
    Column("last_line", Integer),
    Column("text", String),
    UniqueConstraint("content_id", "ordinal"),
)

# A space that this library holds vectors of; the fields are those of encoders.Space.
spaces = Table(
    "spaces",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("weights_sha256", String, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("preprocessing", String, nullable=False),
    Column("added_at", Float, nullable=False),
)

# Which spaces the library works with; without any row it is the one that its settings name. ``name`` is
# what the encoder is opened by, ``key`` that of its row in ``spaces`` once there is one, ``modalities`` what
# it can embed, separated by spaces.
active_spaces = Table(
    "active_spaces",
    METADATA,
    Column("role", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("key", String, nullable=False),
    Column("modalities", String, nullable=False),
)

# One segment's vector in one space: ``data`` is ``dimensions`` little-endian float16.
vectors = Table(
    "vectors",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("segment_id", Integer, ForeignKey("segments.id", ondelete="CASCADE"), nullable=False),
    Column("space_id", Integer, ForeignKey("spaces.id"), nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("segment_id", "space_id"),
    Index("vectors_by_space", "space_id", "id"),
    sqlite_autoincrement=True,
)

# A name that a content was given; ``score`` is a classifier's probability, 0..1.
tags = Table(
    "tags",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("content_id", Integer, ForeignKey("contents.id", ondelete="CASCADE"), nullable=False),
    Column("name", String, nullable=False),
    Column("source", String, nullable=False),
    Column("score", Float),
    Column("added_at", Float, nullable=False),
    UniqueConstraint("content_id", "name"),
    Index("tags_by_name", "name", "content_id"),
)

# A vector that is gone. A trigger writes it whenever a vectors row is deleted.
tombstones = Table(
    "tombstones",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("vector_id", Integer, nullable=False),
    Column("space_id", Integer, nullable=False),
    Index("tombstones_by_space", "space_id", "seq"),
    sqlite_autoincrement=True,
)

# A path that could not be taken in, with the stage and the reason. It is tried again when size, mtime, inode
# or hint change, or when asked.
failures = Table(
    "failures",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("root_id", Integer, ForeignKey("roots.id", ondelete="CASCADE"), nullable=False),
    Column("path", FsPath, nullable=False),
    Column("stage", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("failed_at", Float, nullable=False),
    Column("size", Integer),
    Column("mtime_ns", Integer),
    Column("inode", Integer),
    Column("device", Integer),
    Column("hint", String, nullable=False, default="", server_default=""),
    UniqueConstraint("root_id", "path"),
)
