"""The worker: a child process that does the daemon's indexing, one run after the other. Started by hand.py.

It reads orders from standard input and writes events to standard output (see messages.py). It yields to
everybody, takes up no more processors than it is allowed, and ends when it has had no work for a while. Told
to stop, by an order or by SIGTERM, it commits what is finished and ends; without a word it dies with the
daemon. kill -9 at any moment costs the chunk in flight and no more.

A run that is to retry what failed remembers when it began: what fails again after that is not retried by the
next slice of the same work, which would come to no end.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bindsearch.encoders import Encoder
from bindsearch.errors import BindsearchError
from bindsearch.ingest.daemon.manners import be_nice
from bindsearch.ingest.daemon.messages import (
    Ended,
    Event,
    Fault,
    Finished,
    Planned,
    Started,
    Waiting,
    Walked,
    Work,
    read_order,
    write_event,
)
from bindsearch.ingest.daemon.pacing import Orders, OthersLoad, SlicePace
from bindsearch.ingest.library import Library
from bindsearch.ingest.progress import Outcome
from bindsearch.sandbox.limits import die_with
from bindsearch.settings import Settings


def main(arguments: Sequence[str] | None = None, encoder: Encoder | None = None) -> None:
    """Serve until told to stop or idle for long; ``encoder`` takes the place of the library's own."""
    options = _parser().parse_args(arguments)
    die_with(options.lifeline)
    os.set_inheritable(options.lifeline, False)
    be_nice()
    worker = Worker(options, _own_stdout(), encoder)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: worker.orders.stop())
    threading.Thread(target=worker.listen, args=(0,), name="orders", daemon=True).start()
    worker.serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Indexes for the daemon.")
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--max-load", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=0)
    return parser


def _own_stdout() -> BinaryIO:
    """Standard output for events alone; what libraries print goes to standard error."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return events


class Worker:
    """One library's worker; ``listen`` and ``serve`` run in a thread each."""

    def __init__(self, options: argparse.Namespace, events: BinaryIO, encoder: Encoder | None) -> None:
        self.orders = Orders()
        self._options = options
        self._events = events
        self._encoder = encoder
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._load = OthersLoad()
        self._opened: Library | None = None
        self._retries_before = 0.0

    def listen(self, orders: int) -> None:
        """Take orders from a descriptor until the daemon closes its end."""
        told: dict[str, Callable[[], None]] = {
            "pause": self.orders.pause,
            "resume": self.orders.resume,
            "stop": self.stop,
        }
        for line in _lines(orders):
            order, work = read_order(line)
            if order == "run":
                self._work.put(work)
            else:
                told[order]()
        self.stop()

    def stop(self) -> None:
        """Have it end, after what is finished has been committed."""
        self.orders.stop()
        self._work.put(None)

    def serve(self) -> None:
        """Do the work that comes, until there is none for long."""
        while not self.orders.stopped:
            try:
                work = self._work.get(timeout=self._options.idle)
            except queue.Empty:
                break
            if work is not None:
                self._tell(self._run(work))
        if self._opened is not None:
            self._opened.close()

    def _run(self, work: Work) -> Ended:
        pace = SlicePace(
            self.orders,
            self._load,
            self._options.max_load,
            work.seconds,
            self._options.library,
            lambda reason: self._tell(Waiting(reason)),
        )
        if not pace.begin():
            return Ended(unfinished=True)
        self._tell(Started(os.getpid()))
        retries_before = self._retry(work)
        try:
            library = self._library()
            report = library.index(
                work.paths,
                retry_failed=retries_before,
                progress=_Teller(self._tell),
                pace=pace,
                quiet=work.quiet,
                adds_roots=work.adds_roots,
            )
        except (BindsearchError, OSError) as error:
            return Ended(unfinished=True, error=Fault.of(error))
        if not report.unfinished:
            self._retries_before = 0.0
        return Ended.of(report)

    def _retry(self, work: Work) -> float:
        """The moment before which failures are retried; 0 for none."""
        if not work.retry_failed:
            return 0.0
        self._retries_before = self._retries_before or time.time()
        return self._retries_before

    def _library(self) -> Library:
        if self._opened is None:
            folder = self._options.library
            settings = Settings.of(folder)
            settings = replace(settings, threads=self._options.threads or settings.threads)
            settings = replace(settings, threads=_keep_to(settings.workers))
            # Decoders and encoder may have as many threads each, since the processors bound both together: it
            # depends on the files and the space which of them are busy.
            self._opened = Library.open(folder, encoder=self._encoder, settings=settings)
        return self._opened

    def _tell(self, event: Event) -> None:
        with suppress(BrokenPipeError):  # the daemon is gone, and so will this be
            self._events.write(write_event(event))
            self._events.flush()


class _Teller:
    """Passes on a run's progress."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def walked(self, root: Path, files: int) -> None:
        """See Progress."""
        self._tell(Walked(root, files))

    def planned(self, files: int, size: int) -> None:
        """See Progress."""
        self._tell(Planned(files, size))

    def finished(self, path: Path, size: int, outcome: Outcome) -> None:
        """See Progress."""
        self._tell(Finished(path, size, outcome))


def _lines(descriptor: int) -> Iterator[bytes]:
    """The lines that come, without a buffered file, which a thread must not be reading at the end."""
    rest = b""
    while part := os.read(descriptor, 65_536):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _keep_to(processors: int) -> int:
    """Take up no more than so many processors, this process and its decoders together; how many it may.

    Threads that are started from now on are bound, so no library can take more, whatever it thinks best.
    """
    if not hasattr(os, "sched_setaffinity"):
        return processors
    own = sorted(os.sched_getaffinity(0))
    if processors < len(own):
        with suppress(OSError):
            os.sched_setaffinity(0, own[-processors:])
    return min(processors, len(own))


if __name__ == "__main__":
    main()
