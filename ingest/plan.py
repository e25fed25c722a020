"""Reconciling a root: what a walk sees against what the catalog knows.

A plan says what each file needs, and most need nothing:

* same path, same stat, same hint nothing; if it was missing or offline it is present again
* other path, the same otherwise  the same file under another name: one row is changed, no byte is read
* known to fail, the same         nothing, unless failures are to be retried
* belongs to another file         nothing: it is read with that one (see loaders.surroundings); a root that
                                  is a file is read for its own sake all the same
* changed a moment ago            restless: left for a later run, what is known of it stays (see quiet)
* all else                        a job: its bytes are read, and decoded only if their hash is unknown
* known, but not seen             missing; not so below a folder that could not be read

Planning changes nothing. ``apply`` writes all that needs no reading in the caller's transaction.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from bindsearch.answers import State
from bindsearch.index.changes import (
    Fault,
    Move,
    Placement,
    drop_failures,
    move,
    place,
    record_faults,
    set_state,
)
from bindsearch.index.filters import descends
from bindsearch.index.models import Root
from bindsearch.index.records import (
    FileStat,
    KnownLocation,
    Twin,
    known_failures,
    known_locations,
    other_names,
)
from bindsearch.index.schema import Stage
from bindsearch.ingest.inodes import UNKNOWN, same_file
from bindsearch.ingest.knowledge import Knowledge
from bindsearch.ingest.walk import Entry, Problem
from bindsearch.loaders import NO_HINT, Hint

CLOCK_SECONDS = 0.05  # file systems go by a clock that stands still between two ticks


@dataclass(frozen=True, slots=True)
class Job:
    """A file whose bytes must be read; ``path`` is relative to the root."""

    root_id: int
    path: str
    full_path: Path
    stat: FileStat
    hint: Hint = NO_HINT


@dataclass(slots=True)
class Plan:
    """What a root needs; see the module."""

    root_id: int
    jobs: list[Job] = field(default_factory=list)
    unchanged: int = 0
    revived: list[int] = field(default_factory=list)
    moved: list[tuple[Twin, str]] = field(default_factory=list)
    linked: list[tuple[int, str, FileStat, str]] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    settled_failures: list[str] = field(default_factory=list)
    failing: int = 0
    parts: int = 0
    restless: list[Path] = field(default_factory=list)
    elsewhere: list[Path] = field(default_factory=list)  # other names of files that were written to

    @property
    def files(self) -> int:
        """How many files the walk found, without those that belong to another."""
        settled = self.unchanged + self.failing + len(self.moved) + len(self.linked)
        return settled + len(self.jobs) + len(self.restless)


class Planner:
    """Makes the plan of one root, or of what lies at or below ``prefix`` in it."""

    def __init__(self, session: Session, root: Root, knowledge: Knowledge, prefix: str | None = None) -> None:
        self._session = session
        self._root = root
        self._knowledge = knowledge
        self._prefix = prefix
        self._known = known_locations(session, root.id, prefix)
        contents = {known.content_id for known in self._known.values()}
        self._incomplete = knowledge.incomplete.among(session, contents)
        self._failed = known_failures(session, root.id, prefix)
        self._seen: set[str] = set()
        self._blind: list[str] = []  # folders above the prefix that could not be looked into
        self.plan = Plan(root.id)

    def take(self, found: Iterable[Entry | Problem]) -> Plan:
        """Plan for everything that a walk of the root finds."""
        for item in found:
            path = os.path.relpath(item.path, self._root.path)
            if isinstance(item, Problem) and self._is_on_the_way(path):
                self._blind.append(path)
            elif self._prefix is None or descends(path, self._prefix):
                if isinstance(item, Problem):
                    self._seen.add(path)
                    self.plan.problems.append(item)
                elif path != os.curdir and self._knowledge.surroundings.is_part(item.path):
                    self.plan.parts += 1
                else:
                    self._seen.add(path)
                    self._take_file(path, item)
        self._settle()
        return self.plan

    def _is_on_the_way(self, path: str) -> bool:
        if self._prefix is None or path == self._prefix:
            return False
        return path == os.curdir or descends(self._prefix, path)

    def _take_file(self, path: str, entry: Entry) -> None:
        stat = self._knowledge.inodes.checked(FileStat(*entry[1:]))
        hint = self._knowledge.surroundings.hint(entry.path)
        known = self._known.get(path)
        failing = self._still_fails(path, entry, stat, hint)
        if known is not None and same_file(known.stat, stat) and known.hint == hint.key:
            self._take_known(path, entry, stat, hint, known, failing)
        elif known is None and failing:
            self.plan.failing += 1
        elif (twin := self._twin(path, stat, hint)) is not None:
            self._take_twin(path, stat, twin)
        else:
            if known is not None and known.stat.inode == stat.inode:
                self._look_at_other_names(entry, stat)
            self._add_job(path, entry, stat, hint)

    def _look_at_other_names(self, entry: Entry, stat: FileStat) -> None:
        """A file was written in place; what watches hears of the one name that was used to write."""
        with suppress(OSError):
            if os.stat(entry.path).st_nlink > 1:  # noqa: PTH116 - str paths throughout
                own = Path(entry.path)
                self.plan.elsewhere += [path for path in other_names(self._session, stat) if path != own]

    def _still_fails(self, path: str, entry: Entry, stat: FileStat, hint: Hint) -> bool:
        """Whether a file failed as it is and need not be tried again.

        One that could not even be read is, when its permissions or its place have changed since.
        """
        failure = self._failed.get(path)
        retry = self._knowledge.retry_failed
        if failure is None or failure.stat is None or failure.hint != hint.key:
            return False
        if not same_file(failure.stat, stat):
            return False
        if retry is True or failure.failed_at < retry:
            return False
        return failure.stage is not Stage.READ or not _touched_since(entry.path, failure.failed_at)

    def _take_known(
        self, path: str, entry: Entry, stat: FileStat, hint: Hint, known: KnownLocation, failing: bool
    ) -> None:
        """A file that is where it was; one that the space has tried and could not encode stays so."""
        incomplete = known.content_id in self._incomplete
        if incomplete and not failing:
            self._add_job(path, entry, stat, hint)
            return
        if incomplete:
            self.plan.failing += 1
        else:
            self.plan.unchanged += 1
        if known.state != State.PRESENT:
            self.plan.revived.append(known.id)

    def _take_twin(self, path: str, stat: FileStat, twin: Twin) -> None:
        old = Path(twin.root, twin.path)
        if _lies_there(old, Path(self._root.path, path)):
            self.plan.linked.append((twin.content_id, path, stat, twin.hint))
            return
        self.plan.moved.append((twin, path))
        self._seen.add(twin.path if twin.root == self._root.path else "")
        self._knowledge.twins.moved(stat, twin._replace(root=self._root.path, path=path))

    def _twin(self, path: str, stat: FileStat, hint: Hint) -> Twin | None:
        """The location of the same bytes; a suffix has a say in how they are read, and must be the same."""
        if stat.inode == UNKNOWN:
            return None
        twin = self._knowledge.twins.find(self._session, stat)
        if twin is None or twin.hint != hint.key or _suffix(twin.path) != _suffix(path):
            return None
        return None if self._knowledge.incomplete.among(self._session, [twin.content_id]) else twin

    def _add_job(self, path: str, entry: Entry, stat: FileStat, hint: Hint) -> None:
        if self._knowledge.quiet.is_restless(stat):
            self.plan.restless.append(Path(entry.path))
        else:
            self.plan.jobs.append(Job(self._root.id, path, Path(entry.path), stat, hint))

    def _settle(self) -> None:
        """What was known and not seen is gone, unless it lies where the walk could not look."""
        blind = [os.path.relpath(problem.path, self._root.path) for problem in self.plan.problems]
        blind += self._blind
        for path, known in self._known.items():
            if path not in self._seen and known.state != State.MISSING and not _hidden_by(path, blind):
                self.plan.missing.append(known.id)
        for path in self._failed:
            if path not in self._seen and not _hidden_by(path, blind):
                self.plan.settled_failures.append(path)


def apply(session: Session, plan: Plan) -> None:
    """Write everything of ``plan`` that needs no file to be read."""
    move(session, [Move(twin.location_id, plan.root_id, path) for twin, path in plan.moved])
    place(
        session,
        [Placement(plan.root_id, path, stat, content, hint) for content, path, stat, hint in plan.linked],
    )
    set_state(session, plan.revived, State.PRESENT)
    set_state(session, plan.missing, State.MISSING)
    drop_failures(session, plan.root_id, plan.settled_failures)
    root = session.get_one(Root, plan.root_id)
    record_faults(
        session,
        [
            Fault(plan.root_id, os.path.relpath(path, root.path), Stage.WALK, reason, None)
            for path, reason in plan.problems
        ],
    )
    session.execute(
        update(Root).where(Root.id == plan.root_id).values(state=State.PRESENT, walked_at=time.time())
    )


def _lies_there(old: Path, new: Path) -> bool:
    """Whether a file that is at ``new`` is at ``old`` as well.

    Where a file system does not tell upper from lower case, or ways to write an accent, it answers to the
    old name after a change of no more than that; what counts then is how the folder lists it.
    """
    if not os.path.lexists(old):
        return False
    if _folded(old) != _folded(new):
        return True
    with suppress(OSError):
        return all(
            own.name in os.listdir(own.parent)  # noqa: PTH208 - names
            for own, other in zip((old, *old.parents), (new, *new.parents), strict=True)
            if own.name != other.name
        )
    return False


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFD", os.fspath(path)).casefold()


def _suffix(path: str) -> str:
    return Path(path).suffix.lower()


def _touched_since(path: str, moment: float) -> bool:
    """Whether anything but the bytes of a file has changed since ``moment``."""
    try:
        return os.stat(path).st_ctime >= moment - CLOCK_SECONDS  # noqa: PTH116
    except OSError:
        return False


def _hidden_by(path: str, blind: list[str]) -> bool:
    return any(place == os.curdir or descends(path, place) for place in blind)
