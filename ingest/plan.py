"""Reconciling a root: what a walk sees against what the catalog knows.

A plan says what each file needs, and most need nothing:

* same path, same stat, same hint nothing; if it was missing or offline it is present again
* other path, the same otherwise  the same file under another name: one row is changed, no byte is read
* known to fail, the same         nothing, unless failures are to be retried
* belongs to another file         nothing: it is read with that one (see loaders.surroundings); a root that
                                  is a file is read for its own sake all the same
* all else                        a job: its bytes are read, and decoded only if their hash is unknown
* known, but not seen             missing; not so below a folder that could not be read

Planning changes nothing. ``apply`` writes all that needs no reading in the caller's transaction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

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
from bindsearch.index.records import FileStat, KnownLocation, Twin, known_failures, known_locations
from bindsearch.index.schema import Stage, State
from bindsearch.ingest.walk import Entry, Problem
from bindsearch.loaders import NO_HINT, Hint, Surroundings


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

    @property
    def files(self) -> int:
        """How many files the walk found, without those that belong to another."""
        return self.unchanged + self.failing + len(self.jobs) + len(self.moved) + len(self.linked)


@dataclass(slots=True)
class Knowledge:
    """What the whole library knows, shared by the plans of one run.

    ``twins`` recognise a file by its stat; ``incomplete`` are contents without vectors in the space.
    """

    twins: dict[FileStat, Twin]
    incomplete: set[int]
    retry_failed: bool = False
    surroundings: Surroundings = field(default_factory=Surroundings)


class Planner:
    """Makes the plan of one root, or of what lies at or below ``prefix`` in it."""

    def __init__(self, session: Session, root: Root, knowledge: Knowledge, prefix: str | None = None) -> None:
        self._root = root
        self._knowledge = knowledge
        self._prefix = prefix
        self._known = known_locations(session, root.id, prefix)
        self._failed = known_failures(session, root.id)
        self._seen: set[str] = set()
        self.plan = Plan(root.id)

    def take(self, found: Iterable[Entry | Problem]) -> Plan:
        """Plan for everything that a walk of the root finds."""
        for item in found:
            path = os.path.relpath(item.path, self._root.path)
            if self._prefix is None or descends(path, self._prefix):
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

    def _take_file(self, path: str, entry: Entry) -> None:
        stat = FileStat(*entry[1:])
        hint = self._knowledge.surroundings.hint(entry.path)
        known = self._known.get(path)
        failing = self._failed.get(path) == (stat, hint.key) and not self._knowledge.retry_failed
        if known is not None and _same_file(known, stat) and known.hint == hint.key:
            self._take_known(path, entry, hint, known, failing)
        elif known is None and failing:
            self.plan.failing += 1
        elif (twin := self._twin(stat, hint)) is not None:
            self._take_twin(path, stat, twin)
        else:
            self._add_job(path, entry, hint)

    def _take_known(self, path: str, entry: Entry, hint: Hint, known: KnownLocation, failing: bool) -> None:
        """A file that is where it was; one that the space has tried and could not encode stays so."""
        incomplete = known.content_id in self._knowledge.incomplete
        if incomplete and not failing:
            self._add_job(path, entry, hint)
            return
        if incomplete:
            self.plan.failing += 1
        else:
            self.plan.unchanged += 1
        if known.state != State.PRESENT:
            self.plan.revived.append(known.id)

    def _take_twin(self, path: str, stat: FileStat, twin: Twin) -> None:
        old = Path(twin.root, twin.path)
        if os.path.lexists(old):
            self.plan.linked.append((twin.content_id, path, stat, twin.hint))
            return
        self.plan.moved.append((twin, path))
        self._seen.add(twin.path if twin.root == self._root.path else "")
        self._knowledge.twins[stat] = twin._replace(root=self._root.path, path=path)

    def _twin(self, stat: FileStat, hint: Hint) -> Twin | None:
        twin = self._knowledge.twins.get(stat)
        if twin is None or twin.hint != hint.key or twin.content_id in self._knowledge.incomplete:
            return None
        return twin

    def _add_job(self, path: str, entry: Entry, hint: Hint) -> None:
        self.plan.jobs.append(Job(self._root.id, path, Path(entry.path), FileStat(*entry[1:]), hint))

    def _settle(self) -> None:
        """What was known and not seen is gone, unless it lies where the walk could not look."""
        blind = [os.path.relpath(problem.path, self._root.path) for problem in self.plan.problems]
        for path, known in self._known.items():
            if path not in self._seen and known.state != State.MISSING and not _hidden_by(path, blind):
                self.plan.missing.append(known.id)
        for path in self._failed:
            inside = self._prefix is None or descends(path, self._prefix)
            if inside and path not in self._seen and not _hidden_by(path, blind):
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


def _same_file(known: KnownLocation, stat: FileStat) -> bool:
    """Whether a file at its known path is unchanged; device numbers change from mount to mount."""
    return known.stat[:3] == stat[:3]


def _hidden_by(path: str, blind: list[str]) -> bool:
    return any(place == os.curdir or descends(path, place) for place in blind)
