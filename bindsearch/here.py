"""Where names of files are looked up from: this process's own folder, or that of whoever asks a daemon.

Queries and filters name files as a person typed them, so relative to the folder that the person stands in.
``standing`` says which folder that is for as long as a block lasts, in the thread that runs it; without it
all is as the operating system has it. Names stay as they were typed wherever they are shown.

Who asks from afar may name only what the library knows: ``standing`` takes a function that says what that is,
and then nothing else of the file system is looked at, so that no answer tells what there is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Standpoint:
    folder: str
    knows: Callable[[str], bool] | None


_STANDPOINT: ContextVar[_Standpoint | None] = ContextVar("standpoint", default=None)


@contextmanager
def standing(folder: str, knows: Callable[[str], bool] | None = None) -> Iterator[None]:
    """Look names up from ``folder``, an absolute path, as long as the block lasts.

    With ``knows`` there are no files but those of which it says so, given their absolute path.
    """
    token = _STANDPOINT.set(_Standpoint(folder, knows))
    try:
        yield
    finally:
        _STANDPOINT.reset(token)


def reached(name: str) -> str:
    """The path by which this process reaches the file that a person calls ``name``; ``~`` is a letter."""
    stands = _STANDPOINT.get()
    return name if stands is None else os.path.join(stands.folder, name)  # noqa: PTH118 - names stay as they are


def absolute(name: str | Path) -> str:
    """The absolute path of what a person calls ``name``: ``~`` is home, ``..`` is taken out, links stay."""
    return os.path.abspath(reached(os.path.expanduser(name)))  # noqa: PTH100, PTH111


def exists(name: str) -> bool:
    """Whether there is anything of that name; False for one that cannot be."""
    path = reached(name)
    return _is_known(path) and os.path.exists(path)  # noqa: PTH110 - never raises


def is_folder(name: str) -> bool:
    """Whether there is a folder of that name."""
    path = reached(name)
    return _is_known(path) and os.path.isdir(path)  # noqa: PTH112 - never raises


def is_file(name: str) -> bool:
    """Whether there is a plain file of that name, after links."""
    path = reached(name)
    return _is_known(path) and os.path.isfile(path)  # noqa: PTH113 - never raises


def _is_known(path: str) -> bool:
    stands = _STANDPOINT.get()
    if stands is None or stands.knows is None:
        return True
    # With .. in it a path may lead elsewhere than it seems to, if a folder on the way is a link.
    return os.path.normpath(path) == path and stands.knows(path)
