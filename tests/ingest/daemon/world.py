"""A small world of real folders, and everything that people and programs do to files in it.

An operation is a name and three numbers. What it does depends on these and on what lies in the folders, so
any sequence of operations can be applied to any state: one that finds nothing to act on does nothing. The
same sequence on a fresh world makes the same files, whatever a daemon does meanwhile.

    base/one, two, three    the roots; each holds an anchor that no operation touches
    base/outside            where files come from and go to
    base/parked             roots that are unplugged
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import shutil
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bindsearch.ingest.walk import Entry, walk
from bindsearch.loaders.surroundings import Surroundings

ROOTS = ("one", "two", "three")
ANCHOR = "anchor.png"
IGNORE = ".bindsearchignore"
FOLDERS = ("sub", "Sub", "deep", "a b")
STEMS = ("a", "A", "b", "IMG_1", "stra\xdfe", unicodedata.normalize("NFD", "\xfcber"), "caf\udce9", ".hidden")
SUFFIXES = (".png", ".txt", ".jpg", ".md", ".PNG", ".xyz", ".png~", ".part")
IGNORED = ("*.txt\n", "sub/\n", "a*\n!a.png\n", "*\n")
MOST_FILES = 150
DAY = 86_400
OLD = 1_400_000_000  # seconds since 1970; times long before anything was written here

Operation = tuple[str, int, int, int]


def png(number: int) -> bytes:
    """A picture of one colour, 24 points wide and 16 high."""
    colour = hashlib.blake2b(str(number).encode(), digest_size=3).digest()
    rows = (b"\0" + colour * 24) * 16
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 24, 16, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)))
    body = b"".join(_chunk(name, data) for name, data in (*chunks, (b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bytes_of(number: int) -> bytes:
    """The bytes of a file: mostly pictures and notes, some damaged, some of no kind that is read."""
    match number % 8:
        case 0 | 1 | 2:
            return png(number)
        case 3 | 4:
            return f"note {number % 1000:03}\n\n{'red words ' * 8}\n".encode()
        case 5:
            return f"note {number}\n\n{'red words ' * 90}\n\n{'blue words ' * 90}\n".encode()
        case 6:
            return png(number)[: 40 + number % 20]
        case _:
            return b"" if number % 3 else bytes([number % 256, 0, 255, 254]) * 30


@dataclass(slots=True)
class Tagged:
    """A tag that a file was given: it must stay as long as there is a file like it, wherever that lies."""

    name: str
    sha256: bytes
    hint: str
    suffix: str


@dataclass
class World:
    """The folders below ``base``, files that are still being written, and tags that must survive."""

    base: Path
    open_files: list[tuple[BinaryIO, bytes]] = field(default_factory=list)
    tagged: list[Tagged] = field(default_factory=list)
    count: int = 0

    @classmethod
    def make(cls, base: Path) -> World:
        """A world of three roots, a few files in each."""
        for name in (*ROOTS, "outside", "parked"):
            (base / name).mkdir(parents=True)
        for number, name in enumerate(ROOTS):
            (base / name / ANCHOR).write_bytes(png(1000 + number))
            (base / name / "a.png").write_bytes(png(8 * number))
            (base / name / "sub").mkdir()
            (base / name / "sub" / "b.txt").write_bytes(bytes_of(8 * number + 3))
        return cls(base)

    @property
    def roots(self) -> list[Path]:
        """All roots, whether they are there or not."""
        return [self.base / name for name in ROOTS]

    @property
    def present_roots(self) -> list[Path]:
        """The roots that are there."""
        return [root for root in self.roots if root.is_dir()]

    def folders(self) -> list[Path]:
        """The roots and all folders in them, those that cannot be listed too, in order."""
        inner = (Path(at, name) for at, names, _ in self._walk() for name in names)
        return sorted((*self.present_roots, *inner), key=os.fsencode)

    def files(self) -> list[Path]:
        """All files in the roots that operations may touch, in order."""
        found = (Path(at, name) for at, _, names in self._walk() for name in names)
        return sorted((path for path in found if path.name not in (ANCHOR, IGNORE)), key=os.fsencode)

    def _walk(self) -> Iterator[tuple[str, list[str], list[str]]]:
        return itertools.chain.from_iterable(map(os.walk, self.present_roots))

    def apply(self, operation: Operation) -> None:
        """Do ``operation``; what it would touch may be missing or in the way, and then less happens."""
        name, *numbers = operation
        self.count += 1
        with suppress(OSError):
            OPERATIONS[name](self, *numbers)
        self._forget_what_vanished()

    def finish_writing(self) -> None:
        """Close every file that is being written, its last bytes in it."""
        while self.open_files:
            self._finish(0)

    def make_readable(self) -> None:
        """Give back all permissions."""
        while closed := [folder for folder in self.folders() if not os.access(folder, os.R_OK | os.X_OK)]:
            for folder in closed:
                folder.chmod(0o755)
        for path in self.files():
            with suppress(OSError):
                path.chmod(0o644)

    def unreadable(self) -> list[str]:
        """Files and folders in the roots that this user cannot read."""
        folders = [path for path in self.folders() if not os.access(path, os.R_OK | os.X_OK)]
        return [str(path) for path in (*folders, *(p for p in self.files() if not os.access(p, os.R_OK)))]

    def linked(self) -> list[Path]:
        """Files that have several names, wherever the others are."""
        return [path for path in self.files() if path.stat().st_nlink > 1]

    def tag(self, name: str, path: Path) -> None:
        """Expect the file at ``path`` to keep a tag from now on."""
        found = _likeness(path, Surroundings())
        if found is not None:
            self.tagged.append(Tagged(name, *found))

    def _forget_what_vanished(self) -> None:
        """What no walk finds any more, be it hidden only, has a right to lose its tags."""
        if self.tagged:
            surroundings = Surroundings()
            places = (*self.present_roots, *(self.base / "parked").iterdir())
            found = (Path(one.path) for place in places for one in walk(place) if isinstance(one, Entry))
            alive = {_likeness(path, surroundings) for path in found if not surroundings.is_part(path)}
            self.tagged = [one for one in self.tagged if (one.sha256, one.hint, one.suffix) in alive]

    def _file(self, number: int) -> Path:
        files = self.files()
        if not files:
            raise FileNotFoundError
        return files[number % len(files)]

    def _folder(self, number: int) -> Path:
        folders = self.folders()
        if not folders:
            raise FileNotFoundError
        return folders[number % len(folders)]

    def _inner(self, number: int) -> Path:
        inner = [path for path in self.folders() if path not in self.roots]
        if not inner:
            raise FileNotFoundError
        return inner[number % len(inner)]

    def _name(self, number: int) -> str:
        """A name; most have the suffix that the content of the same number asks for."""
        fitting = (".png", ".png", ".png", ".txt", ".md", ".txt", ".jpg", ".xyz")[number % 8]
        suffix = SUFFIXES[number // 8 % 8] if number % 11 == 0 else fitting
        return STEMS[number // 64 % len(STEMS)] + suffix

    def _place(self, folder: int, number: int) -> Path:
        return self._folder(folder) / self._name(number)

    def _require_room(self) -> None:
        if len(self.files()) > MOST_FILES:
            raise FileExistsError

    def _aside(self) -> Path:
        return self.base / "outside" / f"aside {self.count}"

    def create(self, folder: int, number: int, _: int) -> None:
        """A file appears, or is written over in place, at once."""
        self._require_room()
        self._place(folder, number).write_bytes(bytes_of(number))

    def begin(self, folder: int, number: int, _: int) -> None:
        """A download begins: the first half is there, and the file stays open."""
        path, data = self._place(folder, number), bytes_of(number)
        file = path.open("wb", buffering=0)
        file.write(data[: len(data) // 2])
        self.open_files.append((file, data[len(data) // 2 :]))

    def more(self, which: int, share: int, _: int) -> None:
        """A download goes on."""
        if self.open_files:
            at = which % len(self.open_files)
            file, rest = self.open_files[at]
            cut = share % (len(rest) + 1)
            file.write(rest[:cut])
            self.open_files[at] = file, rest[cut:]

    def end(self, which: int, _: int, __: int) -> None:
        """A download ends."""
        if self.open_files:
            self._finish(which % len(self.open_files))

    def _finish(self, at: int) -> None:
        file, rest = self.open_files.pop(at)
        with file:
            file.write(rest)

    def append(self, which: int, number: int, _: int) -> None:
        """More is written at the end of a file."""
        with self._file(which).open("ab") as file:
            file.write(f"more {number}\n".encode())

    def write_mapped(self, which: int, number: int, _: int) -> None:
        """A byte is changed through a memory map, which tells nobody."""
        path = self._file(which)
        if path.stat().st_size == 0:
            return
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            memory[number % len(memory)] ^= 1

    def save_atomically(self, which: int, number: int, how: int) -> None:
        """A file is replaced as editors do it: a temporary file beside it takes its name."""
        path = self._file(which)
        spare = path.with_name((".tmp-x", f"{path.name}.tmp", "4913", ".goutputstream-QW")[how % 4])
        spare.write_bytes(bytes_of(number))
        if how % 3 == 0:  # the old one is kept beside it
            path.rename(path.with_name(path.name + "~"))
        spare.rename(path)

    def save_anew(self, which: int, number: int, _: int) -> None:
        """A file is deleted and written again."""
        path = self._file(which)
        path.unlink()
        path.write_bytes(bytes_of(number))

    def rename(self, which: int, number: int, _: int) -> None:
        """A file gets another name in its folder."""
        path = self._file(which)
        path.rename(path.with_name(self._name(number)))

    def rename_case(self, which: int, _: int, __: int) -> None:
        """A file's or folder's name changes in case only."""
        path = self._inner(which) if which % 4 == 0 else self._file(which)
        swapped = path.with_name(path.name.swapcase())
        if not os.path.lexists(swapped):
            path.rename(swapped)

    def move(self, which: int, folder: int, _: int) -> None:
        """A file goes to another folder, maybe of another root."""
        path = self._file(which)
        path.rename(self._folder(folder) / path.name)

    def move_out(self, which: int, _: int, __: int) -> None:
        """A file leaves all roots."""
        self._file(which).rename(self._aside())

    def move_in(self, folder: int, number: int, _: int) -> None:
        """A file that was written outside is moved in."""
        self._require_room()
        spare = self._aside()
        spare.write_bytes(bytes_of(number))
        spare.rename(self._place(folder, number))

    def swap(self, first: int, second: int, _: int) -> None:
        """Two files change places."""
        one, two = self._file(first), self._file(second)
        if one != two:
            spare = self._aside()
            one.rename(spare)
            two.rename(one)
            spare.rename(two)

    def copy(self, which: int, folder: int, number: int) -> None:
        """A file is copied; every second time its times are kept."""
        self._require_room()
        path = self._file(which)
        target = self._folder(folder) / (STEMS[number % len(STEMS)] + path.suffix)
        if target != path:
            (shutil.copy2 if number % 2 else shutil.copy)(path, target)

    def link(self, which: int, folder: int, number: int) -> None:
        """A file gets a second name."""
        self._require_room()
        path = self._file(which)
        os.link(path, self._folder(folder) / (STEMS[number % len(STEMS)] + path.suffix))

    def delete(self, which: int, _: int, __: int) -> None:
        """A file is gone."""
        self._file(which).unlink()

    def touch(self, which: int, how: int, number: int) -> None:
        """A file's time changes: to now, to one long ago, to one to come; never to the same one twice."""
        path = self._file(which)
        own = self.count * 1000 + number % 1000
        times = (None, (OLD + own, OLD + own), (2 * OLD + own, 2 * OLD + own))[how % 3]
        os.utime(path, times)

    def chmod(self, which: int, mode: int, _: int) -> None:
        """Permissions of a file or a folder are taken or given."""
        if mode % 3 == 0:
            self._inner(which).chmod(0o755 if mode % 2 else 0o000)
        else:
            self._file(which).chmod(0o644 if mode % 2 else 0o000)

    def make_folder(self, folder: int, which: int, _: int) -> None:
        """An empty folder appears."""
        (self._folder(folder) / FOLDERS[which % len(FOLDERS)]).mkdir()

    def make_deep(self, folder: int, number: int, _: int) -> None:
        """Folders within folders, and a file at their end, all at once."""
        self._require_room()
        deep = self._folder(folder) / "deep" / "deeper" / "deepest"
        deep.mkdir(parents=True, exist_ok=True)
        (deep / self._name(number)).write_bytes(bytes_of(number))

    def rename_folder(self, which: int, name: int, _: int) -> None:
        """A folder gets another name."""
        path = self._inner(which)
        path.rename(path.with_name(FOLDERS[name % len(FOLDERS)]))

    def move_folder(self, which: int, into: int, _: int) -> None:
        """A folder goes elsewhere with all that is in it, maybe to another root."""
        path = self._inner(which)
        path.rename(self._folder(into) / path.name)

    def drop_folder(self, into: int, name: int, number: int) -> None:
        """A folder that was filled outside is moved in whole."""
        self._require_room()
        made = self._aside()
        (made / "sub").mkdir(parents=True)
        for n in range(number % 6 + 1):
            (made / ("sub" * (n % 2)) / self._name(number + n)).write_bytes(bytes_of(number + n))
        made.rename(self._folder(into) / FOLDERS[name % len(FOLDERS)])

    def move_folder_out(self, which: int, _: int, __: int) -> None:
        """A folder leaves all roots, and is written to where it lies now."""
        path, away = self._inner(which), self._aside()
        path.rename(away)
        (away / "after.png").write_bytes(png(self.count))

    def delete_folder(self, which: int, _: int, __: int) -> None:
        """A folder is deleted with all that is in it."""
        shutil.rmtree(self._inner(which))

    def copy_folder(self, which: int, into: int, name: int) -> None:
        """A folder is copied with all that is in it."""
        self._require_room()
        path, target = self._inner(which), self._folder(into) / FOLDERS[name % len(FOLDERS)]
        if not target.is_relative_to(path):
            shutil.copytree(path, target, dirs_exist_ok=True)

    def burst(self, folder: int, number: int, _: int) -> None:
        """Dozens of files at once, and half of them gone again at once."""
        self._require_room()
        made = [self._folder(folder) / f"burst {number % 5} {n}.png" for n in range(24)]
        for n, path in enumerate(made):
            path.write_bytes(png(number + n))
        for path in made[::2]:
            path.unlink()

    def ignore(self, folder: int, which: int, _: int) -> None:
        """An ignore file is written, or deleted."""
        path = self._folder(folder) / IGNORE
        if which % 2:
            path.unlink()
        else:
            path.write_text(IGNORED[which // 2 % len(IGNORED)])

    def become_folder(self, which: int, number: int, _: int) -> None:
        """A folder stands where a file was, with a file in it."""
        path = self._file(which)
        path.unlink()
        path.mkdir()
        (path / self._name(number)).write_bytes(bytes_of(number))

    def become_file(self, which: int, number: int, _: int) -> None:
        """A file stands where a folder was."""
        path = self._inner(which)
        shutil.rmtree(path)
        path.write_bytes(bytes_of(number))

    def unplug(self, which: int, how: int, _: int) -> None:
        """A root is gone at once; every second time an empty folder, where it was mounted, is left."""
        root = self.roots[which % len(ROOTS)]
        parked = self.base / "parked" / root.name
        if not parked.exists() and (root / ANCHOR).exists():
            root.rename(parked)
            if how % 2:
                root.mkdir()

    def plug(self, which: int, _: int, __: int) -> None:
        """A root is there again as it was; what was written where it had been mounted is covered."""
        root = self.roots[which % len(ROOTS)]
        parked = self.base / "parked" / root.name
        if parked.exists():
            if root.exists():
                root.rename(self._aside())
            parked.rename(root)

    def replace_root(self, which: int, number: int, _: int) -> None:
        """A root is deleted and another folder put in its place."""
        root = self.roots[which % len(ROOTS)]
        if root.exists():
            shutil.rmtree(root)
            (root / "sub").mkdir(parents=True)
            (root / ANCHOR).write_bytes(png(number))
            (root / "sub" / self._name(number)).write_bytes(bytes_of(number))


OPERATIONS: dict[str, Callable[[World, int, int, int], None]] = {
    act.__name__: act
    for act in (
        *(World.create, World.begin, World.more, World.end, World.append, World.write_mapped),
        *(World.save_atomically, World.save_anew, World.rename, World.rename_case, World.swap),
        *(World.move, World.move_out, World.move_in, World.copy, World.link, World.delete),
        *(World.touch, World.chmod, World.make_folder, World.make_deep, World.rename_folder),
        *(
            World.move_folder,
            World.drop_folder,
            World.move_folder_out,
            World.delete_folder,
            World.copy_folder,
        ),
        *(World.burst, World.ignore, World.become_folder, World.become_file),
        *(World.unplug, World.plug, World.replace_root),
    )
}
RARE = frozenset(
    {"ignore", "unplug", "replace_root", "delete_folder", "move_folder_out", "burst", "become_file"}
)
COMMON = frozenset({"create", "begin", "more", "end", "rename", "move", "save_atomically", "delete", "plug"})


def _likeness(path: Path, surroundings: Surroundings) -> tuple[bytes, str, str] | None:
    """What makes two files the same content: bytes, the hint of their place, and what their name ends in."""
    with suppress(OSError):
        sha256 = hashlib.sha256(path.read_bytes()).digest()
        return sha256, surroundings.hint(path).key, path.suffix.lower()
    return None
