"""Running the daemon: the supervisor and the server together, from the first sign of life to a clean end.

Order of a start: the server with the daemon's lock (searches are answered from here on), the watcher, word
to the service manager. The end goes the other way round, and takes at most END_SECONDS: what hangs then is
left to the operating system, which costs nothing, since nothing is held that a kill could harm.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bindsearch.errors import BindsearchError
from bindsearch.index.disk import disk_errors
from bindsearch.ingest.daemon.notify import Notifier
from bindsearch.ingest.daemon.supervisor import DaemonOptions, Supervisor
from bindsearch.ingest.library import Library
from bindsearch.ingest.serving import Server
from bindsearch.remote.status import DaemonStatus
from bindsearch.settings import Settings

__all__ = ["DaemonOptions", "run"]

log = logging.getLogger("bindsearch.daemon")

END_SECONDS = 4.5  # who asks us to end waits for 5
SERVER_END_SECONDS = 1.0
TEND_SECONDS = 2.0
NOT_CLEAN = 1


def run(folder: Path, settings: Settings, options: DaemonOptions | None = None) -> None:
    """Watch and serve the library in ``folder`` until SIGTERM or Ctrl-C.

    SIGHUP has every root walked; where it belongs to a terminal, which is then gone, it ends the daemon.
    Raises QueryError for a root that is not there, LibraryBusy where another daemon serves the library,
    LibraryError where its folder cannot be used.
    """
    supervisor = Supervisor(folder, settings, options)
    with ExitStack() as stack:
        stack.enter_context(_signals(supervisor))
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        library = stack.enter_context(Library.open(folder, settings=settings))
        daemon = _Daemon(supervisor, library, settings)
        stack.callback(daemon.server.stop, SERVER_END_SECONDS)
        daemon.server.start()
        supervisor.run(daemon.tick)
        daemon.notifier.stopping()


class _Daemon:
    """What goes on beside the supervisor's own work: the server, its memory, word to the service manager."""

    def __init__(self, supervisor: Supervisor, library: Library, settings: Settings) -> None:
        self._supervisor = supervisor
        self._library = library
        self._unload_seconds = settings.watch.unload_minutes * 60
        self._tended_at = float("-inf")
        self._is_ready = False
        self.notifier = Notifier()
        self.server = Server(library, _Ears(supervisor, self), port=settings.watch.port)

    def tick(self) -> None:
        """Called by the supervisor about once a second."""
        now = time.monotonic()
        if now - self._tended_at < TEND_SECONDS:
            return
        self._tended_at = now
        self.notifier.alive()
        self._say()
        if self._unload_seconds and self.server.unload_idle(self._unload_seconds):
            log.info("encoders unloaded")
        try:
            self._library.freshen()
        except BindsearchError as error:
            log.warning("the vector index cannot be brought up to date", extra={"fault": str(error)})

    def status(self) -> DaemonStatus:
        """The supervisor's status, with what the server knows."""
        status = self._supervisor.status()
        return replace(status, searches=self.server.searches, loaded=self.server.loaded)

    def _say(self) -> None:
        if not self.notifier.is_heard:
            return
        status = self._supervisor.status()
        doing = f"{status.activity}: {status.why}" if status.why else str(status.activity)
        if status.queue:
            doing += f", {status.queue:,} files to go"
        if self._is_ready:
            self.notifier.status(doing)
        else:
            self.notifier.ready(doing)
            self._is_ready = True


class _Ears:
    """The supervisor as the server controls it; its status has in it what the server knows."""

    def __init__(self, supervisor: Supervisor, daemon: _Daemon) -> None:
        self.pause = supervisor.pause
        self.resume = supervisor.resume
        self.rescan = supervisor.rescan
        self.retry_failed = supervisor.retry_failed
        self.status: Callable[[], DaemonStatus] = daemon.status


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[None]:
    """Within the block, SIGTERM and Ctrl-C end the daemon; see ``run`` for SIGHUP.

    Signals belong to the main thread; in any other the caller ends the supervisor itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # In threads of their own, since the main thread may hold just the lock that these need.
    def end(number: int, frame: FrameType | None) -> None:
        _start(supervisor.stop)
        _start(_end_in_time)

    def walk(number: int, frame: FrameType | None) -> None:
        _start(supervisor.rescan)

    hang_up = end if sys.stderr.isatty() else walk
    handlers = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: hang_up}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # one that was not set from Python
                signal.signal(number, handler)


def _start(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _end_in_time() -> None:
    """End the process after END_SECONDS, whatever it is at; the worker ends with it."""
    time.sleep(END_SECONDS)
    log.error("did not end within %g s; leaving", END_SECONDS)
    os._exit(NOT_CLEAN)
