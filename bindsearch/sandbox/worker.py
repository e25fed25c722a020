"""The worker process: reads requests, loads the files, writes what comes of them. Started by process.py.

Its messages go over pipes of their own, and its standard streams lead nowhere, so a decoder that prints
cannot disturb them. For each Request it writes Opened, the media one by one and Ended; or, at any point,
Refused for a MediaError. A full pipe holds it up, so that little is decoded ahead of the reader.

Any other exception of a loader is a fault in bindsearch: it writes Broke and ends, as it does without a word
when its host is gone.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import bindsearch
from bindsearch.errors import DamagedFile, MediaError
from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.sandbox.limits import (
    die_with,
    go_first_when_memory_ends,
    limit_memory,
    resident_bytes,
    yield_as_host_does,
)
from bindsearch.sandbox.wire import Broke, Ended, Message, Opened, Ready, Refused, Request, Stop, pack, unpack

# Decoders leak: after so many files, or grown so large, a worker makes room for a fresh one.
MOST_FILES = 2_000
MOST_RESIDENT_BYTES = 512 << 20
_FILES_PER_LOOK = 16

Loader = Callable[[Path, LoadOptions, Hint], LoadedFile]


def main(loader: str, memory: str, requests: str, answers: str, lifeline: str) -> None:
    """Serve until the host is gone: ``loader`` is "module:function", the last three are descriptors."""
    die_with(int(lifeline))
    limit_memory(int(memory))
    go_first_when_memory_ends()
    yield_as_host_does()
    for descriptor in (int(requests), int(answers), int(lifeline)):
        os.set_inheritable(descriptor, False)
    channel = Channel(int(requests), int(answers))
    worker = Worker(_named(loader), int(memory), channel)
    _hush_errors()
    try:
        channel.send(Ready(str(bindsearch.__file__)))
        worker.run()
    except (EOFError, BrokenPipeError):
        return


class Channel:
    """The worker's ends of the pipes."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._poller = select.poll()
        self._poller.register(requests, select.POLLIN)

    def send(self, message: Message) -> None:
        """Write all of ``message``. Raises BrokenPipeError when the host is gone."""
        buffers = pack(message)
        while buffers:
            written = os.writev(self._answers, buffers)
            while buffers and written >= buffers[0].nbytes:
                written -= buffers.pop(0).nbytes
            if written:
                buffers[0] = buffers[0][written:]

    def receive(self) -> Request | Stop:
        """The next message. Raises EOFError when the host is gone."""
        message: Request | Stop = unpack(self._fill, (Request, Stop), 0)
        return message

    def is_called(self) -> bool:
        """Whether the host has said something, or is gone."""
        return bool(self._poller.poll(0))

    def _fill(self, view: memoryview) -> None:
        while view:
            count = os.readv(self._requests, [view])
            if not count:
                raise EOFError
            view = view[count:]


class Worker:
    """Serves requests until one of them has used it up."""

    def __init__(self, load: Loader, memory: int, channel: Channel) -> None:
        self._load = load
        self._memory = memory
        self._channel = channel
        self._files = 0
        self._options = LoadOptions()

    def run(self) -> None:
        """Take requests until spent. Raises EOFError or BrokenPipeError when the host is gone."""
        spent = False
        while not spent:
            request = self._channel.receive()
            if isinstance(request, Request):  # a Stop may come when the file has just ended
                answer = self._serve(request)
                spent = answer.spent
                self._channel.send(answer)

    def _serve(self, request: Request) -> Ended | Refused:
        self._files += 1
        try:
            self._stream(request)
        except MediaError as error:
            return Refused.of(error, request.path, self._is_spent())
        except MemoryError:
            return Refused.of(self._too_large(request.path), request.path, spent=True)
        except BrokenPipeError:
            raise
        except Exception as fault:
            self._channel.send(Broke(f"{type(fault).__name__}: {fault}"[:500]))
            raise
        return Ended(self._is_spent())

    def _stream(self, request: Request) -> None:
        self._options = request.options or self._options
        loaded = self._load(Path(request.path), self._options, request.hint or NO_HINT)
        self._channel.send(Opened(loaded.facts, loaded.notes))
        for medium in loaded.media:
            self._channel.send(medium)
            if self._channel.is_called():
                return

    def _is_spent(self) -> bool:
        if self._files % _FILES_PER_LOOK:
            return False
        return self._files >= MOST_FILES or resident_bytes() > MOST_RESIDENT_BYTES

    def _too_large(self, path: str) -> DamagedFile:
        reason = f"needs more memory than the {self._memory / 1e9:.1f} GB allowed"
        return DamagedFile(reason, subject=path, hint="decoder_memory in settings.toml allows more")


def _named(loader: str) -> Loader:
    module, _, name = loader.partition(":")
    function: Loader = getattr(import_module(module), name)
    return function


def _hush_errors() -> None:
    """From here on nobody reads standard error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
