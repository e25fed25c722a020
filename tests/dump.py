"""Everything that a library knows, in a form in which two libraries can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from bindsearch.index.catalog import Catalog
from bindsearch.index.hits import absolute
from bindsearch.index.models import Content, Failure, Location, Root, Segment, SpaceRow, VectorRow

CONTENT_FIELDS = (
    "hint",
    "size",
    "modality",
    "format",
    "taken_at",
    "width",
    "height",
    "duration",
    "title",
    "present_locations",
)
SEGMENT_FIELDS = ("ordinal", "modality", "start", "end", "first_line", "last_line", "text")


def dump(library: Path) -> dict[str, Any]:
    """Contents, segments, vectors, locations and failures, without row numbers and times of writing."""
    catalog = Catalog.open(library)
    try:
        with catalog.write() as session:
            contents = {c.id: c for c in session.scalars(select(Content))}
            names = {key: c.identity.hex() for key, c in contents.items()}
            roots = {root.id: root.path for root in session.scalars(select(Root))}
            segments = {s.id: s for s in session.scalars(select(Segment))}
            spaces = {space.id: space.key for space in session.scalars(select(SpaceRow))}
            return {
                "contents": {
                    names[c.id]: [getattr(c, field) for field in CONTENT_FIELDS] for c in contents.values()
                },
                "segments": sorted(
                    [names[s.content_id], *(str(getattr(s, field)) for field in SEGMENT_FIELDS)]
                    for s in segments.values()
                ),
                "vectors": {
                    (
                        spaces[v.space_id],
                        names[segments[v.segment_id].content_id],
                        segments[v.segment_id].ordinal,
                    ): v.data
                    for v in session.scalars(select(VectorRow))
                },
                "locations": {
                    absolute(roots[at.root_id], at.path): (names[at.content_id], at.state)
                    for at in session.scalars(select(Location))
                },
                "failures": {
                    absolute(roots[f.root_id], f.path): (f.stage, f.reason)
                    for f in session.scalars(select(Failure))
                },
            }
    finally:
        catalog.close()
