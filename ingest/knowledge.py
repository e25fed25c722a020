"""What the whole library knows that the plan of a root may need; shared by the plans of one run.

A run over a few files must not read a catalog of many, so things are looked up as they are asked for, and
only when there are many questions is all of it read at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from bindsearch.index.records import FileStat, Reader, Twin, contents_without, find_twin, locations_by_stat
from bindsearch.ingest.inodes import Inodes
from bindsearch.ingest.quiet import Quiet
from bindsearch.loaders import Surroundings

MOST_QUESTIONS = 1_000  # about what reading 50,000 rows costs


class Twins:
    """Locations by the stat of their files, by which a file is known again under another name."""

    def __init__(self) -> None:
        self._known: dict[FileStat, Twin] = {}
        self._has_all = False
        self._asked = 0

    def find(self, catalog: Reader, stat: FileStat) -> Twin | None:
        """A location with that stat."""
        if stat in self._known or self._has_all:
            return self._known.get(stat)
        self._asked += 1
        if self._asked > MOST_QUESTIONS:
            self._known = locations_by_stat(catalog) | self._known
            self._has_all = True
            return self._known.get(stat)
        return find_twin(catalog, stat)

    def moved(self, stat: FileStat, twin: Twin) -> None:
        """Note where a location lies from now on."""
        self._known[stat] = twin


class Incomplete:
    """Contents without vectors in the space that is filled, as far as that embeds ``modalities``."""

    def __init__(self, space_id: int, modalities: Collection[str]) -> None:
        self._space_id = space_id
        self._modalities = modalities
        self._all: set[int] | None = None

    def among(self, catalog: Reader, contents: Collection[int]) -> set[int]:
        """Those of ``contents`` that are incomplete."""
        if self._all is None and len(contents) <= MOST_QUESTIONS:
            return contents_without(catalog, self._space_id, self._modalities, contents)
        if self._all is None:
            self._all = contents_without(catalog, self._space_id, self._modalities)
        return self._all.intersection(contents)


@dataclass(slots=True)
class Knowledge:
    """What is known, and what a run wants of it; see the classes and indexer.RunOptions."""

    incomplete: Incomplete
    twins: Twins = field(default_factory=Twins)
    retry_failed: bool | float = False
    quiet: Quiet = field(default_factory=Quiet)
    inodes: Inodes = field(default_factory=Inodes)
    surroundings: Surroundings = field(default_factory=Surroundings)
