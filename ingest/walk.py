"""Walking a root: every file under it, in the same order each time, and every name that cannot be walked.

The files of a folder come first, in the order of their names' bytes, then its folders one after the other.
Links are followed. A folder that several ways lead to is walked once: by its own path where that lies under
the root, since links to folders are kept until the rest is done. A link that leads back to a folder which
holds it is a loop and reported; a file that several ways lead to comes once for each.

Left out without a word: names that begin with a dot (unless asked for), what operating systems and tools
strew about (``CLUTTER``), the folders in ``WalkOptions.skip``, names that vanish during the walk, and what
``.bindsearchignore`` files say: gitignore syntax, valid below the folder that each lies in, the innermost
rule first. Ignore files above the root are not read. A root that is itself a file is given whatever its name.

Paths are ``str`` as ``os.fsdecode`` makes them: bytes that are not UTF-8 appear as lone surrogates.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from bindsearch.loaders.files import sort_of_file

IGNORE_FILE = ".bindsearchignore"
IGNORE_FILE_BYTES = 1_000_000

# Compared in lower case: Windows writes some of these in several spellings.
CLUTTER = frozenset(
    {
        IGNORE_FILE,
        ".ds_store",
        "thumbs.db",
        "desktop.ini",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__macosx",
        "node_modules",
        ".git",
        "__pycache__",
    }
)
CLUTTER_PREFIX = "._"  # macOS keeps a file's resource fork under this name on foreign disks

Identity = tuple[int, int]  # (device, inode): the same for every path that leads to one folder


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """What to leave out: ``exclude`` are gitignore patterns that outrank every ignore file.

    ``skip`` names folders that are never entered, such as the library's own, by device and inode.
    """

    hidden: bool = False
    exclude: tuple[str, ...] = ()
    skip: frozenset[Identity] = frozenset()


class Entry(NamedTuple):  # a tuple, since a walk makes one for each of some 100,000 files
    """A regular file as it was when the walk passed; for a link, the file that it leads to."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    device: int


class Problem(NamedTuple):
    """Something that was to be walked and could not be; files under it may well exist."""

    path: str
    reason: str


class _FolderLink(Exception):
    """There is a link to a folder: what lies behind it depends on all of the root."""


def walk(
    root: Path, options: WalkOptions | None = None, below: str | None = None
) -> Iterator[Entry | Problem]:
    """Every file that ``root``, a folder or a single file, holds, and every problem on the way.

    With ``below``, a path relative to the root, only folders on the way to it and below it are looked into,
    and nothing but what lies at or below it and problems on the way need be given. What is given of that part
    is what a walk of the whole root gives: so where a link to a folder is met, the whole root is walked.
    """
    path = os.fspath(root)
    try:
        status = os.stat(path)  # noqa: PTH116 - str paths throughout
    except OSError as error:
        yield Problem(path, _missing(path, error))
        return
    if not stat.S_ISDIR(status.st_mode):
        yield _classify(path, status)
        return
    options = options or WalkOptions()
    if below is not None and below != os.curdir:
        with suppress(_FolderLink):
            yield from list(_Walk(path, options, Path(below).parts).run(status))
            return
    yield from _Walk(path, options).run(status)


class _Rules(NamedTuple):
    """One set of patterns; they apply to paths below the folder whose path has ``cut`` characters."""

    cut: int
    spec: GitIgnoreSpec


class _Folder(NamedTuple):
    path: str
    identity: Identity
    rules: tuple[_Rules, ...]  # the outermost first
    way: tuple[str, ...] = ()  # the names that lead on to the part that is walked; none inside it


class _Walk:
    """One walk: what is still to be done and where it has been."""

    def __init__(self, root: str, options: WalkOptions, way: tuple[str, ...] = ()) -> None:
        self.root = root
        self.way = way
        self.options = options
        self.exclude = GitIgnoreSpec.from_lines(options.exclude) if options.exclude else None
        self.visited: set[Identity] = set(options.skip)
        self.stack: list[_Folder] = []
        self.links: deque[_Folder] = deque()

    def run(self, status: os.stat_result) -> Iterator[Entry | Problem]:
        """The whole walk, ending with a look whether the root is still the folder it was."""
        root = _Folder(self.root, _identity(status), (), self.way)
        self.stack.append(root)
        while self.stack or self.links:
            folder = self.stack.pop() if self.stack else self.links.popleft()
            if folder.identity not in self.visited:
                self.visited.add(folder.identity)
                yield from self._folder(folder)
        try:
            gone = _identity(os.stat(self.root)) != root.identity  # noqa: PTH116
        except OSError:
            gone = True
        if gone:
            yield Problem(self.root, "vanished during the walk")

    def _folder(self, folder: _Folder) -> Iterator[Entry | Problem]:
        try:
            names, stopped = _listing(folder.path)
        except FileNotFoundError:
            return
        except OSError as error:
            yield Problem(folder.path, f"unreadable folder: {error.strerror}")
            return
        rules, problems = self._rules_in(folder, names)
        yield from problems
        inside = folder._replace(rules=rules)
        below: list[_Folder] = []
        for entry in names:
            if folder.way and entry.name != folder.way[0]:
                continue
            item = self._entry(entry, inside)
            if isinstance(item, _Folder):
                if self.way and entry.is_symlink():
                    raise _FolderLink
                (self.links if entry.is_symlink() else below).append(item)
            elif item is not None:
                yield item
        self.stack.extend(reversed(below))
        if stopped:
            yield Problem(folder.path, f"unreadable folder: {stopped.strerror}")

    def _entry(self, entry: os.DirEntry[str], folder: _Folder) -> Entry | Problem | _Folder | None:
        if _is_clutter(entry.name) or (entry.name[0] == "." and not self.options.hidden):
            return None
        status, problem = _status(entry)
        is_folder = status is not None and stat.S_ISDIR(status.st_mode)
        if self._ignored(entry.path, folder.rules, is_folder):
            return None
        if status is None:
            return problem
        if not is_folder:
            return _classify(entry.path, status)
        if entry.is_symlink() and _leads_back(entry.path, folder.path):
            return Problem(entry.path, "link loop: leads back to a folder that holds it")
        return _Folder(entry.path, _identity(status), folder.rules, folder.way[1:])

    def _ignored(self, path: str, rules: tuple[_Rules, ...], is_folder: bool) -> bool:
        """Whether the innermost rule that says anything says to leave it out."""
        if not rules and self.exclude is None:
            return False
        shown = path + "/" * is_folder
        chain: Iterable[_Rules] = reversed(rules)
        if self.exclude is not None:
            chain = (_Rules(len(self.root), self.exclude), *chain)
        for rule in chain:
            verdict = rule.spec.check_file(shown[rule.cut :].lstrip("/")).include
            if verdict is not None:
                return verdict
        return False

    def _rules_in(
        self, folder: _Folder, names: list[os.DirEntry[str]]
    ) -> tuple[tuple[_Rules, ...], list[Problem]]:
        """The rules that hold inside ``folder``: those above it and those of its own ignore file."""
        found = next((entry for entry in names if entry.name == IGNORE_FILE), None)
        if found is None:
            return folder.rules, []
        try:
            spec, refused = _read_rules(found)
        except OSError as error:
            return folder.rules, [Problem(found.path, f"ignore file cannot be read: {error.strerror}")]
        problems = [Problem(found.path, f"ignore rule not understood: {line!r}") for line in refused]
        return (*folder.rules, _Rules(len(folder.path), spec)), problems


def _listing(path: str) -> tuple[list[os.DirEntry[str]], OSError | None]:
    """What a folder holds, by the bytes of the names, and the error that cut the listing short."""
    entries: list[os.DirEntry[str]] = []
    stopped = None
    with os.scandir(path) as scan:
        try:
            entries.extend(scan)
        except OSError as error:
            stopped = error
    entries.sort(key=lambda entry: os.fsencode(entry.name))
    return entries, stopped


def _read_rules(entry: os.DirEntry[str]) -> tuple[GitIgnoreSpec, list[str]]:
    """The patterns of an ignore file and the lines that are none; one bad line costs one line."""
    if not stat.S_ISREG(entry.stat().st_mode):  # opening a fifo would block for ever
        raise OSError(errno.EINVAL, "not a regular file")
    with open(entry.path, "rb") as file:  # noqa: PTH123
        lines = [line.removesuffix("\r") for line in os.fsdecode(file.read(IGNORE_FILE_BYTES)).split("\n")]
    good: list[str] = []
    refused: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            refused.append(line)
        else:
            good.append(line)
    return GitIgnoreSpec.from_lines(good), refused


def _status(entry: os.DirEntry[str]) -> tuple[os.stat_result | None, Problem | None]:
    """The status of what an entry leads to, or why there is none; neither for a name that has vanished."""
    try:
        return entry.stat(), None
    except FileNotFoundError as error:
        return None, Problem(entry.path, _missing(entry.path, error)) if entry.is_symlink() else None
    except OSError as error:
        return None, Problem(entry.path, _missing(entry.path, error))


def _missing(path: str, error: OSError) -> str:
    """Why there is nothing to see at ``path``, in words."""
    if error.errno == errno.ELOOP:
        return "symbolic links in a circle"
    if error.errno != errno.ENOENT:
        return f"cannot be read: {error.strerror}"
    return "a symbolic link to nothing" if os.path.islink(path) else "no such file or folder"  # noqa: PTH114


def _classify(path: str, status: os.stat_result) -> Entry | Problem:
    if stat.S_ISREG(status.st_mode):
        return Entry(path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
    return Problem(path, f"not a regular file but {sort_of_file(status.st_mode)}")


def _leads_back(link: str, folder: str) -> bool:
    """Whether a link inside ``folder`` leads to that folder or to one above it."""
    target = os.path.realpath(link)
    inside = os.path.realpath(folder)
    return inside == target or inside.startswith(target.rstrip("/") + "/")


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _is_clutter(name: str) -> bool:
    return name.lower() in CLUTTER or name.startswith(CLUTTER_PREFIX)
