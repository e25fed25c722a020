"""A tree of inotify watches: one for each folder of a root, kept in step with the folders (inotify(7)).

watchdog reads the kernel's queue; which folders are watched is decided here, since the general observer, made
for all systems, passes in silence over what matters to us: a queue that overflowed, a folder that could not
be watched because of a limit, a folder that was moved away with its watches still on it, a root that was
deleted or replaced. Links to folders are followed as the walk follows them, each folder is watched once,
hidden folders and clutter not at all. Folders on a file system that does not tell of all changes are not
watched but listed in ``blind``.

Events arrive in the thread of the descriptor, by ``hear(path)``: a file that was created, closed after
writing, moved, deleted, or whose permissions changed; or a folder, for all that it holds.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from bindsearch.ingest.walk import IGNORE_FILE, Identity
from bindsearch.ingest.watching.naming import is_left_out
from bindsearch.loaders.rules import RULES_FILE

MOST_LINKS = 10_000

_GONE = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT
_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_EXCL_UNLINK
)
_LIMITS = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Surface:
    """What a tree may cover: ``skip`` folders are left out, ``is_remote`` tells of those that are polled.

    The latter is asked with the path of a folder and its device number.
    """

    skip: frozenset[Identity]
    is_remote: Callable[[str, int], bool]


class Tree:
    """The watches below ``root``, a folder or a single file, made by ``grow``.

    ``lost`` says why they are not to be relied on any more and must be made anew. ``blind`` are folders whose
    changes nobody tells of, ``links`` are links, as nobody tells when they begin to lead elsewhere.
    """

    def __init__(
        self,
        listening: Callable[[], InotifyFD],
        root: str,
        surface: Surface,
        hear: Callable[[str, bool], None],
    ) -> None:
        self.root = root
        self.lost: str | None = None
        self.blind: list[str] = []
        self.links: set[str] = set()
        self._listening = listening
        self._descriptor: InotifyFD | None = None
        self._surface = surface
        self._hear = hear
        self._only: str | None = None  # the name of a root that is a file
        self._base = root
        self._lock = threading.RLock()
        self._closed = False
        self._paths: dict[WatchDescriptor, tuple[str, CallbackId, Identity]] = {}
        self._watches: dict[str, WatchDescriptor] = {}
        self._places: dict[Identity, str] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def grow(self) -> None:
        """Watch all folders. Raises OSError for a limit of the system, or a root that cannot be watched."""
        self._descriptor = self._listening()
        if not os.path.isdir(self.root):  # noqa: PTH112
            self._base, self._only = os.path.split(self.root)
        try:
            self._grow(self._base)
            if self._base not in self._watches:
                raise OSError(errno.EACCES, os.strerror(errno.EACCES), self._base)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Take all watches away; nothing is heard any more."""
        with self._lock:
            self._closed = True
            self._drop(list(self._watches))

    def is_well(self) -> bool:
        """Whether what happens below the root becomes known."""
        alive = self._descriptor is not None and self._descriptor.is_alive()
        return alive and self.lost is None and self._base in self._watches

    def on_event(self, event: InotifyEvent) -> None:
        """One event of one watch; called by the descriptor."""
        with self._lock:  # a watch may tell of something before it is written down
            known = self._paths.get(event.wd)
        if known is None or self._closed:
            return
        folder = known[0]
        if event.mask & _GONE:
            self._on_gone(folder)
        elif event.name:
            self._on_name(os.path.join(folder, os.fsdecode(event.name)), event)  # noqa: PTH118
        elif folder == self._base:
            self._hear(self.root, True)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """A folder is gone, and its watch with it; called by the descriptor."""
        with self._lock:
            self._forget(wd)

    def on_queue_overflow(self) -> None:
        """Events were lost; called by the descriptor."""
        self._lose("events lost")

    def regrow(self, path: str) -> None:
        """Watch a folder that has come, moved in or become readable, or what a link leads to."""
        if os.path.islink(path):  # noqa: PTH114
            self._note_link(path)
        try:
            self._grow(path)
        except OSError as fault:
            self._lose(f"a new folder cannot be watched: {fault.strerror}")

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        self._hear(self.root, False)

    def _on_gone(self, folder: str) -> None:
        if folder == self._base:
            self._lose("root moved or deleted")
            return
        if os.path.islink(folder):  # noqa: PTH114 - what it led to lies in no folder that is watched
            self._prune(folder, deep=True)
        self._hear(folder, True)

    def _on_name(self, path: str, event: InotifyEvent) -> None:
        name = os.path.basename(path)  # noqa: PTH119
        if self._only is not None:
            if name == self._only:
                self._hear(path, event.is_delete)
            return
        if is_left_out(name):
            if name in (RULES_FILE, IGNORE_FILE):
                self._hear(os.path.dirname(path), False)  # noqa: PTH120
            return
        if event.is_delete or event.is_moved_from:
            # A deleted folder was empty and has no watches left; a moved one, and what a link led to, has.
            self._prune(path, deep=event.is_moved_from or not event.mask & InotifyConstants.IN_ISDIR)
        elif event.mask & InotifyConstants.IN_ISDIR or (
            not event.is_close_write and os.path.islink(path)  # noqa: PTH114
        ):
            self.regrow(path)
        self._hear(path, event.is_delete)

    def _prune(self, path: str, *, deep: bool) -> None:
        """Take the watches off what was at ``path``, with all below if ``deep``."""
        with self._lock:
            if path not in self._watches:
                return
            inside = path + os.sep
            below = [other for other in self._watches if other.startswith(inside)] if deep else []
            self._drop([path, *below])

    def _grow(self, top: str) -> None:
        """Watch ``top`` and all folders below; those behind links last, as the walk has it."""
        stack, links = [top], list[str]()
        while stack or links:
            path = stack.pop() if stack else links.pop(0)
            # Watched before it is listed: what comes in between is heard of or seen, or both.
            if self._watch(path) and self._only is None:
                self._list(path, stack, links)

    def _list(self, path: str, stack: list[str], links: list[str]) -> None:
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if is_left_out(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif entry.is_symlink():
                    self._note_link(entry.path)
                    if entry.is_dir():
                        links.append(entry.path)

    def _note_link(self, path: str) -> None:
        if len(self.links) < MOST_LINKS:
            self.links.add(path)

    def _watch(self, path: str) -> bool:
        """Whether ``path`` is watched now and its folders have to be as well."""
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            return False
        identity = (status.st_dev, status.st_ino)
        if not stat.S_ISDIR(status.st_mode) or (identity in self._surface.skip and path != self._base):
            return False
        if self._surface.is_remote(path, status.st_dev):
            self.blind.append(path)
            return False
        with self._lock:
            if self._closed:
                return False
            known = self._places.get(identity)
            if known == path:
                return True
            if known is not None:
                if _leads_to(known, identity):
                    return False
                self._drop([known])
            return self._add(path, identity)

    def _add(self, path: str, identity: Identity) -> bool:
        if path in self._watches:  # of another folder, which was there before
            self._drop([path])
        own = CallbackId(next(_ids))
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            wd = descriptor.add_callback(os.fsencode(path), _MASK, self, own)
        except OSError as fault:
            if fault.errno in _LIMITS:
                raise
            return False
        if wd < 0:  # watchdog's way to say: permission denied
            descriptor.remove_callbacks([(wd, own)])
            return False
        if (before := self._paths.get(wd)) is not None:
            descriptor.remove_callbacks([(wd, before[1])])
            self._forget(wd)
        self._paths[wd] = (path, own, identity)
        self._watches[path] = wd
        self._places[identity] = path
        return True

    def _drop(self, paths: list[str]) -> None:
        gone = [(wd, self._paths[wd][1]) for path in paths if (wd := self._watches.get(path)) is not None]
        for wd, _ in gone:
            self._forget(wd)
        if self._descriptor is not None and self._descriptor.is_alive():
            self._descriptor.remove_callbacks(gone)

    def _forget(self, wd: WatchDescriptor) -> None:
        path, _, identity = self._paths.pop(wd, ("", 0, (0, 0)))
        if self._watches.get(path) == wd:
            del self._watches[path]
        if self._places.get(identity) == path:
            del self._places[identity]


def _leads_to(path: str, identity: Identity) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity
