"""One indexing run: roots in, a report out. Walk, reconcile, read what is new, keep the vector index fresh.

Order of work, each step a transaction of its own, so that a run may end anywhere and the next goes on:

1. Roots that are not there become offline with all their locations; nothing of theirs is deleted.
2. Root by root: walk, plan, write what needs no reading (renames, returns, disappearances).
3. Read, decode, encode and commit what is left, in chunks.
4. Collect garbage, then write the vector index.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from bindsearch.answers import State
from bindsearch.encoders.protocol import Encoder
from bindsearch.errors import EncoderError, QueryError
from bindsearch.index.changes import collect_garbage
from bindsearch.index.filters import descends
from bindsearch.index.models import Failure, Location, Root
from bindsearch.index.records import FileStat, Reader, ensure_space
from bindsearch.index.store import Store
from bindsearch.index.vectors.view import STALE_ROWS
from bindsearch.ingest.knowledge import Incomplete, Knowledge
from bindsearch.ingest.pace import FullPace, Pace
from bindsearch.ingest.pipeline import Pipeline
from bindsearch.ingest.plan import Job, Plan, Planner, apply
from bindsearch.ingest.progress import NoProgress, Progress, RunReport
from bindsearch.ingest.quiet import Doubts, Quiet
from bindsearch.ingest.walk import Entry, Identity, Problem, WalkOptions, walk
from bindsearch.loaders import LoadOptions
from bindsearch.media import Passage
from bindsearch.modality import Modality
from bindsearch.references import REFERENCE_QUERIES
from bindsearch.settings import Settings

ENTRIES_PER_LOOK = 256  # of a walk, from one question to the pace to the next


@dataclass(frozen=True, slots=True)
class _Target:
    """A root to walk, or the part of it at or below ``prefix``."""

    root: Root
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes about it.

    ``retry_failed`` tries again what failed before: all of it, or what did before a moment (seconds since
    1970). ``pace`` may hold the run up or end it, ``quiet`` says which files are left for later. Without
    ``adds_roots`` paths that lie in no root are passed over.
    """

    retry_failed: bool | float = False
    pace: Pace = field(default_factory=FullPace)
    quiet: Quiet = field(default_factory=Quiet)
    adds_roots: bool = True

    @classmethod
    def of(
        cls,
        retry_failed: bool | float,
        pace: Pace | None,
        quiet: float,
        doubtful: dict[Path, FileStat],
        *,
        adds_roots: bool,
    ) -> Self:
        """As ``Library.index`` has them; ``doubtful`` are files that failed once, kept from run to run."""
        return cls(retry_failed, pace or FullPace(), Quiet(quiet, Doubts(doubtful)), adds_roots)


class _ToldToEnd(Exception):
    """The pace will not have the walk go on."""


class Indexer:
    """Runs over one store whose writer lock is held."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        options: LoadOptions,
        settings: Settings,
        progress: Progress | None,
        run_options: RunOptions | None = None,
    ) -> None:
        self._store = store
        self._catalog = store.catalog
        self._encoder = encoder
        self._options = options
        self._settings = settings
        self._progress = progress or NoProgress()
        self._run_options = run_options or RunOptions()
        self._report = RunReport()

    def run(self, paths: Sequence[Path]) -> RunReport:
        """Bring ``paths`` (or, if none are named, every root) up to date.

        A path inside a known root updates that part of it; any other becomes a root. Raises QueryError for
        a path that neither exists nor is known, LibraryError when the catalog cannot be written.
        """
        started = time.monotonic()
        with suppress(_ToldToEnd):
            self._run(paths)
        self._report.seconds = time.monotonic() - started
        return self._report

    def _run(self, paths: Sequence[Path]) -> None:
        with self._catalog.write() as session:
            space_id = ensure_space(session, self._encoder.space).id
            targets = self._targets(session, paths)
            self._report.offline_roots = _mark_offline(session)
        jobs = self._reconcile(targets, space_id)
        self._progress.planned(len(jobs), sum(job.stat.size for job in jobs))
        pipeline = Pipeline(
            self._catalog,
            space_id,
            self._encoder,
            self._options,
            self._settings,
            self._report,
            self._progress,
            self._run_options.pace,
            self._run_options.quiet,
        )
        pipeline.run(jobs)
        self._check_pace()
        whole = any(target.prefix is None for target in targets)
        self._tidy(garbage=self._has_seen_all(targets), views=whole or self._report.segments >= STALE_ROWS)

    def _check_pace(self) -> None:
        if not self._run_options.pace.go_on():
            self._report.unfinished = True
            raise _ToldToEnd

    def _paced(self, found: Iterator[Entry | Problem]) -> Iterator[Entry | Problem]:
        for count, item in enumerate(found):
            if count % ENTRIES_PER_LOOK == 0:
                self._check_pace()
            yield item

    def _targets(self, session: Session, paths: Sequence[Path]) -> list[_Target]:
        roots = {root.path: root for root in session.scalars(select(Root))}
        if not paths and not roots:
            raise QueryError("the library has no roots yet", hint="name a folder: bindsearch index FOLDER")
        if not paths:
            return [_Target(root) for root in roots.values()]
        targets: dict[tuple[str, str | None], _Target] = {}
        for path in paths:
            for target in self._targets_of(session, path, roots):
                targets[target.root.path, target.prefix] = target
        return [
            target
            for target in targets.values()
            if target.prefix is None or (target.root.path, None) not in targets
        ]

    def _targets_of(self, session: Session, path: Path, roots: dict[str, Root]) -> list[_Target]:
        """The root at ``path`` and those inside it; or the part at ``path`` of a root that holds it."""
        name = os.path.abspath(path)  # noqa: PTH100 - normalises without following links
        inside = [_Target(root) for root in roots.values() if root.path != name and descends(root.path, name)]
        if name in roots:
            return [_Target(roots[name]), *inside]
        holders = [root for root in roots.values() if descends(name, root.path)]
        if holders:
            holder = max(holders, key=lambda root: len(root.path))
            return [_Target(holder, os.path.relpath(name, holder.path)), *inside]
        if not self._run_options.adds_roots:
            return inside
        if not os.path.lexists(name):
            raise QueryError("no such file or folder", subject=name)
        roots[name] = Root(path=name, state=State.PRESENT, added_at=time.time())
        session.add(roots[name])
        session.flush()
        return [_Target(roots[name]), *inside]

    def _reconcile(self, targets: Sequence[_Target], space_id: int) -> list[Job]:
        knowledge = Knowledge(
            Incomplete(space_id, self._encoder.space.modalities),
            retry_failed=self._run_options.retry_failed,
            quiet=self._run_options.quiet,
        )
        with self._catalog.read() as catalog:
            identities = _identities(catalog, self._store.folder)
        jobs: list[Job] = []
        for target in targets:
            if Path(target.root.path) not in self._report.offline_roots:
                plan = self._reconcile_one(target, knowledge, identities)
                jobs += plan.jobs
                self._report.add(plan)
                self._progress.walked(Path(target.root.path), plan.files)
        return jobs

    def _reconcile_one(self, target: _Target, knowledge: Knowledge, identities: set[Identity]) -> Plan:
        path = target.root.path
        options = WalkOptions(skip=frozenset(identities - _identity(path)))
        with self._catalog.write() as session:
            planner = Planner(session, target.root, knowledge, target.prefix)
            plan = planner.take(self._paced(walk(Path(path), options, target.prefix)))
            apply(session, plan)
            if plan.moved:
                _drop_emptied_roots(session)
        return plan

    def _has_seen_all(self, targets: Sequence[_Target]) -> bool:
        """Whether no file can hold a content that no location is known to hold.

        As long as one may, as where a file was replaced and its bytes lie under a name that is looked at
        later, the content must stay: its tags, given by hand, would go with it.
        """
        walked = {target.root.path for target in targets if target.prefix is None}
        with self._catalog.read() as catalog:
            roots = set(catalog.scalars(select(Root.path)))
        return roots <= walked and not self._report.restless

    def _tidy(self, *, garbage: bool, views: bool) -> None:
        """Left out when a run is interrupted: garbage is not found, and a view catches up by itself.

        So it does with what a small run adds, for which the whole index would have to be read.
        """
        if garbage:
            with self._catalog.write() as session:
                collect_garbage(session)
        if not views:
            return
        # A full disk costs the next start some time, and nothing else.
        with suppress(OSError):
            self._store.maintain(self._encoder.space)


def _mark_offline(session: Session) -> list[Path]:
    """Put roots that are not there offline with all they hold, and take back those that are there again."""
    offline = []
    for root in session.scalars(select(Root)).all():
        if _is_away(session, root):
            offline.append(Path(root.path))
            _change(session, root.id, State.PRESENT, State.OFFLINE)
            root.state = State.OFFLINE
        elif root.state == State.OFFLINE:
            root.state = State.PRESENT
            _change(session, root.id, State.OFFLINE, State.PRESENT)
    return offline


def _change(session: Session, root_id: int, old: State, new: State) -> None:
    statement = update(Location).where(Location.root_id == root_id, Location.state == old)
    session.execute(statement.values(state=new))


def _is_away(session: Session, root: Root) -> bool:
    """Whether a root is gone, or is the empty mount point of a disk that was unplugged."""
    try:
        status = os.stat(root.path)  # noqa: PTH116 - str paths throughout
    except OSError:
        return True
    if not stat.S_ISDIR(status.st_mode):
        return False
    with suppress(OSError), os.scandir(root.path) as entries:
        if next(entries, None) is not None:
            return False
    devices = session.scalars(select(Location.device).where(Location.root_id == root.id).distinct()).all()
    return bool(devices) and status.st_dev not in devices


def _drop_emptied_roots(session: Session) -> None:
    """A root that is gone and whose every file has moved elsewhere was renamed: forget its old name."""
    held = select(func.count()).where(Location.root_id == Root.id).scalar_subquery()
    emptied = select(Root.id).where(Root.state == State.OFFLINE, held == 0)
    session.execute(delete(Failure).where(Failure.root_id.in_(emptied)))
    session.execute(delete(Root).where(Root.id.in_(emptied)))


def _identities(catalog: Reader, library: Path) -> set[Identity]:
    """Folders that no walk enters from outside: the library's own, and every root."""
    return set().union(*map(_identity, (str(library), *catalog.scalars(select(Root.path)))))


def _identity(path: str) -> set[Identity]:
    """The identity of a folder, if it is there."""
    with suppress(OSError):
        status = os.stat(path)  # noqa: PTH116 - str paths throughout
        return {(status.st_dev, status.st_ino)}
    return set()


def keep_references(store: Store, encoder: Encoder) -> None:
    """Let queries in words be judged by the reference queries, which takes their vectors."""
    if Modality.TEXT in encoder.space.modalities and store.references(encoder.space) is None:
        # Neither a full disk nor an encoder without words costs the run: the library's own notes serve.
        with suppress(OSError, EncoderError):
            rows = encoder.encode([Passage(text) for text in REFERENCE_QUERIES])
            store.keep_references(encoder.space, rows)
