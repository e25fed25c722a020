"""The supervisor: joins the watcher, the worker that indexes, and the server that answers searches.

    watcher   what has changed and is quiet  --due paths-->  agenda
    agenda    what is to be reconciled       --work------->  worker, a process of its own
    server    searches, meanwhile and always, from threads of this process

This process never writes the catalog and never holds the writer lock. It keeps nothing on disk but its log
and what tells others where it listens; so it can be killed at any instruction, and the next start walks every
root.

One thread, the caller of ``run``, does all of this; others only leave wishes (``pause``, ``rescan``...) and
wake it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import bindsearch
from bindsearch.errors import BindsearchError, LibraryBusy, LibraryMissing, QueryError
from bindsearch.index.overview import root_paths
from bindsearch.index.paths import descends
from bindsearch.index.store import Store
from bindsearch.ingest.daemon.agenda import Agenda
from bindsearch.ingest.daemon.hand import Hand
from bindsearch.ingest.daemon.ledger import Ledger
from bindsearch.ingest.daemon.manners import Manners
from bindsearch.ingest.daemon.messages import Ended, Event, Fault, Finished, Planned, Waiting, Walked, Work
from bindsearch.ingest.watching.watcher import Watcher
from bindsearch.remote.status import Activity, DaemonStatus
from bindsearch.settings import Settings

log = logging.getLogger("bindsearch.daemon")

LOOK_SECONDS = 2.0  # between two looks at the catalog's roots, the battery and the clock
SLICE_SECONDS = 60.0  # a run lets go of the library after so long, so that others may write
WORKER_IDLE_SECONDS = 60.0
WORKER_STOP_SECONDS = 3.0
SWEEP_SECONDS = 3600.0  # between two walks of all roots in one run, which alone can tell what is garbage
BUSY = LibraryBusy.__name__
BUSY_SECONDS = 10.0  # between two tries while another program writes to the library


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """What is not for the settings to say: ``roots`` to add, and how tests put an encoder of their own in.

    ``worker_command`` starts the worker, None for the usual one.
    """

    roots: tuple[Path, ...] = ()
    worker_command: Sequence[str] | None = None
    slice_seconds: float = SLICE_SECONDS


@dataclass(slots=True)
class _State:
    """Why nothing is indexed now, one reason for each that can stop it."""

    paused_until: float | None = None  # of the steady clock; infinity until somebody says go on
    manners: str | None = None
    load: str | None = None
    fault: Fault | None = None
    known_roots: tuple[Path, ...] = ()
    new_roots: list[Path] = field(default_factory=list)  # not in the catalog yet
    looked_at: float = float("-inf")
    swept_at: float = field(default_factory=time.monotonic)


class Supervisor:
    """Keeps the library in ``folder`` up to date until ``stop``; implements serving's ``Control``.

    Raises QueryError where a root to be added is not there, or there is none at all, and LibraryDamaged.
    """

    def __init__(self, folder: Path, settings: Settings, options: DaemonOptions | None = None) -> None:
        self.folder = folder
        self._settings = settings
        self._options = options or DaemonOptions()
        self._manners = Manners(settings.watch)
        self._watcher = Watcher(settings.watch, skip=[folder])
        self._agenda = Agenda()
        self._ledger = Ledger(time.monotonic())
        self._state = _State()
        self._heard: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.RLock()  # what status() reads is changed as one
        self._stopping = threading.Event()
        self._started_at = time.time()
        self._hand = Hand(
            folder,
            on_event=self._on_event,
            command=self._options.worker_command,
            idle_seconds=WORKER_IDLE_SECONDS,
            threads=settings.workers,
            max_load=settings.watch.max_load,
        )
        self._add_named_roots()

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Work until ``stop`` is called, from any thread; ``tick`` is called about once a second."""
        with ExitStack() as stack:
            self._watcher.start(self._roots())
            stack.callback(self._watcher.stop)
            stack.callback(self._hand.stop, WORKER_STOP_SECONDS)
            log.info("watching", extra={"roots": [str(root) for root in self._roots()]})
            while not self._stopping.is_set():
                now = time.monotonic()
                with self._lock:
                    self._step(now)
                tick()
                self._watcher.wake.wait(self._time_to_wait(now))
                self._watcher.wake.clear()
            log.info("stopping")

    def stop(self) -> None:
        """End ``run`` soon; also from a signal handler."""
        self._stopping.set()
        self._watcher.wake.set()

    def pause(self, seconds: float | None = None) -> None:
        """Index nothing for so many seconds, or until ``resume``."""
        self._tell(partial(self._pause, seconds))

    def resume(self) -> None:
        """End a pause."""
        self._tell(self._resume)

    def rescan(self, paths: Sequence[Path] = ()) -> None:
        """Reconcile ``paths``, or every root. Raises QueryError for a path that lies in no root."""
        roots = self._roots()
        for path in paths:
            if not any(descends(os.fspath(path), os.fspath(root)) for root in roots):
                raise QueryError("in none of the roots that are watched", subject=str(path))
        self._tell(partial(self._agenda.add, paths or roots))

    def retry_failed(self) -> None:
        """Reconcile every root and try again what failed before."""
        self._tell(lambda: self._agenda.retry_failed(self._roots()))

    def status(self) -> DaemonStatus:
        """How things stand now."""
        now = time.monotonic()
        with self._lock:
            activity, why = self._activity(now)
            return DaemonStatus(
                pid=os.getpid(),
                version=bindsearch.__version__,
                library=str(self.folder),
                started_at=self._started_at,
                activity=activity,
                why=why,
                queue=self._ledger.queue,
                restless=self._watcher.restless,
                settled=self._is_settled(),
                rate=self._ledger.rate(now),
                done=self._ledger.done,
                failed=self._ledger.failed,
                memory=resident_bytes(),
                worker_memory=self._hand.memory(),
                roots=tuple(self._watcher.roots()),
                degraded=tuple(self._watcher.degraded()),
            )

    def _step(self, now: float) -> None:
        """Everything there is to do now; holds the lock."""
        with suppress(queue.Empty):
            while True:
                self._heard.get_nowait()()
        if now - self._state.looked_at >= LOOK_SECONDS:
            self._state.looked_at = now
            self._look_around(now)
        for due in self._watcher.take_due(now):
            log.debug("due", extra={"path": str(due.path), "reason": due.reason})
            self._agenda.add([due.path])
        if self._may_index() and not self._hand.is_busy:
            self._give_work(now)

    def _look_around(self, now: float) -> None:
        state = self._state
        reason = self._manners.reason_to_wait(time.time())
        if reason != state.manners:
            log.info("indexing waits" if reason else "indexing goes on", extra={"reason": reason})
            state.manners = reason
        if state.paused_until is not None and now >= state.paused_until:
            self._resume()
        roots = self._roots_now()
        if roots != state.known_roots:
            state.known_roots = roots
            state.new_roots = [root for root in state.new_roots if root not in roots]
            self._watcher.set_roots(self._roots())
        if now - state.swept_at >= SWEEP_SECONDS and self._is_settled():
            state.swept_at = now
            self._agenda.add(roots)
        if self._may_index():
            self._hand.resume()
        else:
            self._hand.pause()

    def _give_work(self, now: float) -> None:
        paths, retry = self._agenda.take(now, self._roots())
        if not paths:
            return
        quiet = self._settings.watch.quiet_seconds
        try:
            new = any(path in self._state.new_roots for path in paths)
            self._hand.run(Work(paths, retry, quiet, self._options.slice_seconds, adds_roots=new))
        except BindsearchError as error:
            self._failed(Fault.of(error), now)

    def _on_event(self, event: Event) -> None:
        """Called by the hand, from a thread of its own."""
        self._tell(partial(self._hear, event))

    def _hear(self, event: Event) -> None:
        now = time.monotonic()
        match event:
            case Planned(files, _):
                self._ledger.planned(files)
            case Finished(_, _, outcome):
                self._ledger.finished(outcome, now)
            case Walked(root, files):
                log.debug("walked", extra={"root": str(root), "files": files})
            case Waiting(reason):
                self._state.load = reason
            case Ended():
                self._end(event, now)

    def _end(self, ended: Ended, now: float) -> None:
        self._ledger.ended(unfinished=ended.unfinished)
        self._state.load = None
        for path in ended.restless:
            self._watcher.put_back(path, self._settings.watch.quiet_seconds)
        if ended.error is not None:
            self._failed(ended.error, now)
        elif ended.unfinished:
            self._agenda.cut_short()
        else:
            self._succeeded(ended)

    def _succeeded(self, ended: Ended) -> None:
        if self._state.fault is not None:
            log.info("indexing works again")
        self._state.fault = None
        roots = set(self._roots())
        for path in self._agenda.done():
            if path in roots:
                self._watcher.reconciled(path)
        told = {name: ended.report.get(name) for name in ("seen", "indexed", "moved", "missing", "failed")}
        log.info("reconciled", extra=told | {"seconds": ended.report.get("seconds")})

    def _failed(self, fault: Fault, now: float) -> None:
        self._state.fault = fault
        if fault.kind == BUSY:
            pause = self._agenda.failed(now, BUSY_SECONDS)
            log.info("another program writes to the library", extra={"again_in": pause})
        else:
            pause = self._agenda.failed(now)
            log.warning("indexing failed", extra={"fault": str(fault), "again_in": pause})

    def _activity(self, now: float) -> tuple[Activity, str | None]:
        state = self._state
        if self._stopping.is_set():
            return Activity.STOPPING, None
        if state.paused_until is not None:
            rest = state.paused_until - now
            return Activity.PAUSED, None if rest == float("inf") else f"for {max(0.0, rest):.0f} s more"
        if state.manners or state.load:
            return Activity.WAITING, state.manners or state.load
        if state.fault is not None:
            busy = state.fault.kind == BUSY
            return Activity.WAITING if busy else Activity.STALLED, str(state.fault)
        return Activity.INDEXING if self._hand.is_busy else Activity.IDLE, None

    def _is_settled(self) -> bool:
        nothing_left = not len(self._agenda) and not self._hand.is_busy and self._heard.empty()
        return nothing_left and not self._state.new_roots and self._watcher.settled

    def _may_index(self) -> bool:
        return self._state.paused_until is None and self._state.manners is None

    def _pause(self, seconds: float | None) -> None:
        self._state.paused_until = float("inf") if seconds is None else time.monotonic() + seconds
        self._hand.pause()
        log.info("paused", extra={"seconds": seconds})

    def _resume(self) -> None:
        self._state.paused_until = None
        if self._may_index():
            self._hand.resume()
        log.info("resumed")

    def _time_to_wait(self, now: float) -> float:
        """Until there may be something to do, and never longer than to the next look around."""
        times = [self._state.looked_at + LOOK_SECONDS, self._watcher.next_due(), self._agenda.next_at()]
        ahead = [moment - now for moment in times if moment is not None]
        return min(1.0, max(0.02, min(ahead)))

    def _tell(self, wish: Callable[[], None]) -> None:
        self._heard.put(wish)
        self._watcher.wake.set()

    def _roots(self) -> tuple[Path, ...]:
        return (*self._state.known_roots, *self._state.new_roots)

    def _known_roots(self) -> tuple[Path, ...]:
        """The catalog's roots; none where there is no library yet."""
        try:
            with Store.open(self.folder) as store, store.catalog.read() as catalog:
                return root_paths(catalog)
        except LibraryMissing:
            return ()

    def _roots_now(self) -> tuple[Path, ...]:
        """The catalog's roots; those known before where it cannot be read just now."""
        try:
            return self._known_roots()
        except BindsearchError as error:
            if self._state.known_roots:  # else it is just being made
                log.warning("the library cannot be read", extra={"fault": str(error)})
            return self._state.known_roots

    def _add_named_roots(self) -> None:
        state = self._state
        state.known_roots = self._known_roots()
        for named in self._options.roots:
            path = Path(os.path.abspath(named.expanduser()))  # noqa: PTH100 - links stay
            if not os.path.lexists(path):
                raise QueryError("no such file or folder", subject=str(path))
            if not any(descends(os.fspath(path), os.fspath(root)) for root in self._roots()):
                state.new_roots.append(path)
            self._agenda.add([path])
        if not self._roots():
            raise QueryError("the library has no roots yet", hint="name a folder: bindsearch watch FOLDER")


def resident_bytes() -> int:
    """How much memory this process takes up."""
    import psutil

    return int(psutil.Process().memory_info().rss)
