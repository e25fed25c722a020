"""``Sandbox``: files loaded by a worker process that may crash, hang or grow without harm.

    with Sandbox(seconds=60, memory=4_000_000_000) as sandbox:
        loaded = sandbox.load(path, options, hint)
        for media in loaded.media:
            ...

The worker starts with the first file and serves those after it too; it is replaced when it failed, when it is
worn out, and when an iterator over media was left half-way and does not come to its end at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bindsearch.errors import BindsearchError, DamagedFile
from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.media import Media
from bindsearch.sandbox.process import Died, Process, Silent, how_it_ended
from bindsearch.sandbox.wire import MEDIA, Broke, Ended, Garbled, Opened, Refused, Request, Stop

LOADER = "bindsearch.loaders:load"
_STOP_SECONDS = 0.3  # about what a new worker costs
_DYING_SECONDS = 2.0
_DEFAULTS = LoadOptions()


class Sandbox:
    """Loads one file at a time, for one thread at a time; several threads have a sandbox each.

    ``seconds`` is how long the worker may be silent while something is awaited of it: the time that the
    reader of the media takes does not count. ``memory`` is how many bytes it may allocate, and how many one
    medium may have. ``loader`` names the function that the worker loads with, as "module:function".
    """

    def __init__(self, seconds: float, memory: int, loader: str = LOADER) -> None:
        self._seconds = seconds
        self._memory = memory
        self._loader = loader
        self._process: Process | None = None
        self._options: LoadOptions | None = None  # those that the worker knows
        self._turn = 0
        self._busy = False
        self._stopped = False
        self._changing = threading.Lock()

    def load(
        self, path: str | os.PathLike[str], options: LoadOptions = _DEFAULTS, hint: Hint = NO_HINT
    ) -> LoadedFile:
        """As ``bindsearch.loaders.load``; media of the file before this one can no longer be read.

        Raises MediaError, as does iterating over the media; and BindsearchError when no worker can be
        started or ``stop`` was called.
        """
        path = Path(path)
        process = self._free_worker()
        self._turn += 1
        self._busy = True
        try:
            process.send(self._request(path, options, hint), self._seconds)
        except Silent:
            raise self._silence(path) from None
        except Died:
            raise self._death(path) from None
        opened = self._receive(path, (Opened,))
        return LoadedFile(path, opened.facts, self._media(path, self._turn), opened.notes)

    def _request(self, path: Path, options: LoadOptions, hint: Hint) -> Request:
        known = options == self._options
        self._options = options
        return Request(str(path.absolute()), None if known else options, None if hint == NO_HINT else hint)

    def _media(self, path: Path, turn: int) -> Iterator[Media]:
        while True:
            if turn != self._turn:
                raise RuntimeError("the sandbox has been given another file")
            answer = self._receive(path, (*MEDIA, Ended))
            if isinstance(answer, Ended):
                return
            yield answer

    def _receive(self, path: Path, awaited: tuple[type, ...]) -> Any:
        """The worker's next answer; a refusal or a failure of any kind is raised."""
        process = self._process
        if process is None:
            raise self._interrupted()
        try:
            answer = process.receive((*awaited, Refused, Broke), self._seconds)
        except Silent:
            raise self._silence(path) from None
        except Died:
            raise self._death(path) from None
        except Garbled as fault:
            self._drop()
            raise _damaged(path, f"its decoder gave an answer that makes no sense: {fault}") from None
        except MemoryError:
            self._drop()
            raise _damaged(path, "needs more memory than there is") from None
        except BaseException:  # Ctrl-C may leave half a message in the pipe
            self._drop()
            raise
        if isinstance(answer, Broke):
            self._drop()
            raise _damaged(path, f"its decoder failed ({answer.reason})")
        if isinstance(answer, Ended | Refused):
            self._finish(answer)
        if isinstance(answer, Refused):
            raise answer.error(os.fspath(path))
        return answer

    def _finish(self, answer: Ended | Refused) -> None:
        self._busy = False
        if answer.spent:
            self._drop()

    def _silence(self, path: Path) -> BindsearchError:
        self._drop()
        reason = f"its decoder was silent for {self._seconds:g} s and was stopped"
        return _damaged(path, reason, "decoder_seconds in settings.toml allows more")

    def _death(self, path: Path) -> BindsearchError:
        status = self._drop(_DYING_SECONDS)
        return self._interrupted() if self._stopped else _damaged(path, f"its decoder {how_it_ended(status)}")

    def _interrupted(self) -> BindsearchError:
        return BindsearchError("reading was stopped")

    def _free_worker(self) -> Process:
        """A worker that waits for a request: the one there is, or a new one."""
        if self._process is not None and self._busy:
            self._settle(self._process)
        if self._process is not None and not self._process.is_alive():
            self._drop()
        if self._process is None:
            self._start()
        if self._stopped or self._process is None:
            raise self._interrupted()
        return self._process

    def _start(self) -> None:
        process = Process(self._loader, self._memory)
        self._options = None
        with self._changing:
            self._process = process
            if self._stopped:
                process.kill()

    def _settle(self, process: Process) -> None:
        """Bring the worker to the end of a file whose media are no longer wanted, or drop it."""
        deadline = time.monotonic() + _STOP_SECONDS
        try:
            process.send(Stop(), _STOP_SECONDS)
            while self._busy:
                left = max(0.0, deadline - time.monotonic())
                answer = process.receive((Opened, *MEDIA, Ended, Refused), left)
                if isinstance(answer, Ended | Refused):
                    self._finish(answer)
        except (Silent, Died, Garbled, MemoryError):
            self._drop()

    def _drop(self, grace: float = 0.0) -> int:
        """End the worker, if there is one; how it ended."""
        with self._changing:
            process, self._process = self._process, None
        self._busy = False
        return process.close(grace) if process is not None else 0

    def stop(self) -> None:
        """From any thread: end what is under way. It, and every load after it, raises BindsearchError."""
        with self._changing:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the worker. The sandbox may be used again; it then starts a new one."""
        self._turn += 1
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _damaged(path: Path, reason: str, hint: str | None = None) -> DamagedFile:
    return DamagedFile(reason, subject=os.fspath(path), hint=hint)
