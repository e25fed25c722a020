"""How a search is to be done: plain values that are read before one is asked for.

Apart from answers, so that a command which asks a daemon loads those while it waits for one.
"""

from __future__ import annotations

from dataclasses import dataclass

# From this standing on a hit is said to stand out; see docs/ranking.md for how it was measured.
LEVEL = 4.0


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search.

    ``words`` lets what is written (names, tags, notes) rank together with meaning; ``exact`` searches by
    words alone, all of which must be there. ``all_moments`` gives every segment that fits, not only the best
    of each file; ``duplicates`` also those that are nearly the same as a better hit. ``by_cosine`` ranks by
    the bare cosine. A hit stands out from the standing ``level`` on, LEVEL if None;
    with ``strict`` no other is given.
    """

    words: bool = True
    exact: bool = False
    all_moments: bool = False
    duplicates: bool = False
    by_cosine: bool = False
    level: float | None = None
    strict: bool = False

    @property
    def least(self) -> float:
        """The standing from which on a hit stands out."""
        return LEVEL if self.level is None else self.level
