"""Loaders that misbehave as decoders do, named to a Sandbox as "tests.sandbox.stand_ins:crash".

A file whose name begins with "good" is a grey picture to them, so that a test can see the sandbox go on.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bindsearch.errors import UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.hints import Hint
from bindsearch.media import Media, Passage, Picture, Sound
from bindsearch.modality import Modality
from bindsearch.sandbox import worker

FACTS = FileFacts(Modality.IMAGE, "stand-in")


def _loaded(path: Path, media: Iterator[Media], *notes: str) -> LoadedFile:
    return LoadedFile(path, FACTS, media, notes)


def grey(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """A grey picture; its note is the worker's process id."""
    return _loaded(path, iter([Picture(np.full((4, 6, 3), 128, np.uint8))]), str(os.getpid()))


def leaky(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """As ``grey``, from a worker that is worn out after three files."""
    worker.MOST_FILES, worker._FILES_PER_LOOK = 3, 1
    return grey(path, options, hint)


def grown(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """As ``grey``, from a worker that is too large already."""
    worker.MOST_RESIDENT_BYTES, worker._FILES_PER_LOOK = 1, 1
    return grey(path, options, hint)


def echo(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """What it was asked, in its notes."""
    return _loaded(path, iter([Passage("x")]), str(path), repr(options), repr(hint))


def surroundings(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Where and with what it runs, in its notes."""
    status = Path("/proc/self/status").read_text()
    said = [os.environ.get("OMP_NUM_THREADS", ""), str(Path.cwd()), str("" in sys.path), str(os.getsid(0))]
    score = Path("/proc/self/oom_score_adj").read_text().strip()
    core = next(line for line in Path("/proc/self/limits").read_text().splitlines() if "core" in line)
    threads = next(line for line in status.splitlines() if line.startswith("Threads"))
    return _loaded(path, iter([Passage("x")]), *said, score, core.split()[4], threads.split()[1])


def crash(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Reads where nothing is."""
    if not path.name.startswith("good"):
        ctypes.string_at(0)
    return grey(path, options, hint)


def abort(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Ends as a C++ program without memory does."""
    os.abort()


def crash_half_way(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """One picture, then a crash."""

    def media() -> Iterator[Media]:
        yield Picture(np.zeros((2, 2, 3), np.uint8))
        ctypes.string_at(0)

    return _loaded(path, media())


def hang(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Sleeps in C, holding the interpreter."""
    if not path.name.startswith("good"):
        ctypes.PyDLL(None).sleep(1000)
    return grey(path, options, hint)


def hang_half_way(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """One picture, then sleep without end."""

    def media() -> Iterator[Media]:
        yield Picture(np.zeros((2, 2, 3), np.uint8))
        hang(path, options, hint)

    return _loaded(path, media())


def grow(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Takes memory without end."""
    held = []
    while not path.name.startswith("good"):
        held.append(np.ones(4_000_000))
    return grey(path, options, hint)


def grow_in_small_steps(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Takes memory without end, piece by piece, out of the heap of small blocks."""
    held: list[bytes] = []
    while not path.name.startswith("good"):
        held.append(bytes(1000))
    return grey(path, options, hint)


def chatter(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Prints, as decoders do, from Python and below it."""
    sys.stdout.write("noise " * 50_000)
    os.write(1, b"noise" * 50_000)
    os.write(2, b"noise" * 50_000)
    return grey(path, options, hint)


def scribble(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Writes noise to every descriptor there is, the private ones too."""
    if not path.name.startswith("good"):
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"\x07\0\0\0garbage" * 10)
            except OSError:
                continue
    return grey(path, options, hint)


def leave(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Ends the process as if all were well."""
    os._exit(0)


def leave_politely(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Asks Python to end."""
    sys.exit(3)


def kill_itself(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """As the kernel does when memory ends."""
    os.kill(os.getpid(), 9)
    time.sleep(60)
    raise AssertionError


def fork_and_crash(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Leaves a child behind that holds all pipes open, and crashes; the child's id is written to the file."""
    child = os.fork()
    if not child:
        time.sleep(1000)
    path.write_text(str(child))
    os.kill(os.getpid(), 11)
    raise AssertionError


def fork_and_hang(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Writes its own and a child's process id to the file, then hangs."""
    child = os.fork()
    if not child:
        time.sleep(1000)
    path.write_text(f"{os.getpid()} {child}")
    return hang(path, options, hint)


def blunder(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Raises what no loader may raise."""
    raise ZeroDivisionError("a fault of ours")


def wrong_type(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Breaks the promise of what a Sound is."""
    return _loaded(path, iter([Sound(np.zeros(3), 16_000, 0.0, 1.0)]))  # type: ignore[arg-type]


def refuse(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Is not read."""
    raise UnsupportedFile("not read", subject=str(path), hint="write a rule")


def endless(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Media without end."""

    def media() -> Iterator[Media]:
        while not path.name.startswith("good"):
            yield Picture(np.zeros((100, 100, 3), np.uint8))
        yield from grey(path, options, hint).media

    return _loaded(path, media(), str(os.getpid()))


def slow_steps(path: Path, options: LoadOptions, hint: Hint) -> LoadedFile:
    """Ten passages, a fifth of a second each."""

    def media() -> Iterator[Media]:
        for number in range(10):
            time.sleep(0.2)
            yield Passage(str(number))

    return _loaded(path, media())
