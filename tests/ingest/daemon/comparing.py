"""Whether a library that a daemon has kept is the very one that a fresh scan of the same folders gives.

What counts is what is there: contents with a present file, their segments and vectors, where they lie, what
could not be taken in, and what a search finds. Missing and offline files are the kept library's own affair.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bindsearch.answers import SearchOptions
from bindsearch.index.paths import descends
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.findings import Severity
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.dump import CONTENT_FIELDS, dump
from tests.ingest.daemon.world import Tagged
from tests.tiny import TinyEncoder

QUERIES = ("red", "blue", "green white")
MOST_SHOWN = 5
EVERYTHING = SearchOptions(duplicates=True, all_moments=True, words=False)
ALIKE = {"MARKDOWN": "TEXT"}  # the same bytes under names of both kinds are of either
Seen = dict[str, dict[Any, Any]]


def fresh_library(folder: Path, roots: Sequence[Path]) -> Path:
    """A new library in ``folder`` of ``roots``, as a plain run makes it."""
    with Library(folder, Settings(), TinyEncoder()) as library:
        library.index(roots)
    return folder


def differences(kept: Path, fresh: Path, roots: Sequence[Path], blind: Collection[str] = ()) -> list[str]:
    """Each difference in a line; empty where there are none.

    Only ``roots`` are looked at, and nothing at or below the paths in ``blind``.
    """
    pair = [_seen(folder, [str(root) for root in roots], blind) for folder in (kept, fresh)]
    lines = [line for name in pair[0] for line in _lines(name, pair[0][name], pair[1][name])]
    if not lines and not blind:
        lines = _search_differences(kept, fresh, [str(root) for root in roots])
    return [*lines, *unsound(kept)]


def unsound(library: Path) -> list[str]:
    """What the library's own check finds wrong in it."""
    return [f"verify: {found}" for found in verify(library) if found.severity is Severity.DAMAGE]


def lost_tags(kept: Path, fresh: Path, expected: Iterable[Tagged]) -> list[str]:
    """The tags that a file has lost although it was there, unchanged, all the time."""
    with closing(sqlite3.connect(fresh / CATALOG_FILE)) as connection:
        there = set(connection.execute("SELECT sha256, hint FROM contents WHERE present_locations > 0"))
    with closing(sqlite3.connect(kept / CATALOG_FILE)) as connection:
        rows = "SELECT sha256, hint, name FROM tags JOIN contents ON contents.id = content_id"
        has = set(connection.execute(rows))
    gone = [one for one in expected if (one.sha256, one.hint) in there]
    gone = [one for one in gone if (one.sha256, one.hint, one.name) not in has]
    return [f"tag {one.name} of {one.sha256.hex()[:8]} is lost" for one in gone]


def _seen(library: Path, roots: Sequence[str], blind: Collection[str]) -> Seen:
    state = dump(library)
    fields = [n for n, field in enumerate(CONTENT_FIELDS) if field != "present_locations"]

    def looked_at(path: object) -> bool:
        name = os.fspath(path)  # type: ignore[call-overload]
        return any(descends(name, root) for root in roots) and not any(descends(name, b) for b in blind)

    places = {
        os.fspath(path): identity
        for path, (identity, state_) in state["locations"].items()
        if state_ == "present" and looked_at(path)
    }
    here = set(places.values())
    return {
        "location": places,
        "content": {
            key: [ALIKE.get(row[n], row[n]) for n in fields]
            for key, row in state["contents"].items()
            if key in here
        },
        "segment": {tuple(row[:2]): row[2:] for row in state["segments"] if row[0] in here},
        "vector": {key[1:]: data for key, data in state["vectors"].items() if key[1] in here},
        "failure": {os.fspath(path): why for path, why in state["failures"].items() if looked_at(path)},
    }


def _lines(name: str, kept: Mapping[Any, Any], fresh: Mapping[Any, Any]) -> list[str]:
    lines = [f"{name} lacks {key!r}: {_short(fresh[key])}" for key in fresh if key not in kept]
    lines += [f"{name} too much {key!r}: {_short(kept[key])}" for key in kept if key not in fresh]
    both = [key for key in kept if key in fresh and kept[key] != fresh[key]]
    lines += [f"{name} {key!r}: {_short(kept[key])} instead of {_short(fresh[key])}" for key in both]
    shown = sorted(lines)[:MOST_SHOWN]
    return [*shown, *([f"{name}: {len(lines) - len(shown)} more"] if len(lines) > len(shown) else [])]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 120 else text[:117] + "..."


def _search_differences(kept: Path, fresh: Path, roots: Sequence[str]) -> list[str]:
    answers = [_answers(folder, roots) for folder in (kept, fresh)]
    return [
        f"search {query!r}: {line}"
        for query in QUERIES
        for line in _lines("hit", answers[0][query], answers[1][query])
    ]


def _answers(folder: Path, roots: Sequence[str]) -> dict[str, dict[tuple[str, str], float]]:
    """For each query the score of every moment that it finds."""
    with Library(folder, Settings(), TinyEncoder()) as library:
        found = {query: library.search(query, 2000, options=EVERYTHING) for query in QUERIES}
    return {
        query: {
            (path, str(moment_of(hit))): round(hit.score, 6)
            for hit in answer
            for path in sorted(map(os.fspath, (hit.path, *hit.other_paths)))
            if any(descends(path, root) for root in roots)
        }
        for query, answer in found.items()
    }


def moment_of(hit: Any) -> tuple[Any, ...]:
    """Which part of its file a hit is."""
    return str(hit.modality), hit.start, hit.end, hit.first_line, hit.text
