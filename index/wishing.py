"""Wishes become a filter: what a person has typed, read."""

from __future__ import annotations

from bindsearch.here import absolute
from bindsearch.index.filters import Filter
from bindsearch.when import parse_instant
from bindsearch.wishes import Wishes


def filter_of(wishes: Wishes, *, sequence: bool = False) -> Filter:
    """The filter; ``sequence`` tells that what came next is asked for, which --within may be for.

    Raises QueryError for a value that cannot be read. Places that are named by a hit or a file are still to
    be looked up (see ingest.nearby).
    """
    since, until = wishes.since, wishes.until
    return Filter(
        modalities=frozenset(wishes.types),
        folders=tuple(map(absolute, wishes.folders)),
        since=None if since is None else parse_instant(since, end=False),
        until=None if until is None else parse_instant(until, end=True),
        offline=wishes.offline,
        where=wishes.condition(sequence=sequence),
    )
