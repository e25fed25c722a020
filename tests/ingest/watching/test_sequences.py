"""Whatever is done to the files of two roots, looks at the paths that become due find all of it."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from bindsearch.index.paths import descends
from bindsearch.ingest.walk import Entry, walk
from bindsearch.ingest.watching.watcher import HAS_INOTIFY
from tests.ingest.watching.following import Follower, following

STEPS = int(os.environ.get("BINDSEARCH_WATCH_STEPS", "60"))

Seen = dict[str, tuple[int, int, int]]


class _World:
    """Two roots and a folder outside of both, in which things happen."""

    def __init__(self, place: Path, chance: random.Random) -> None:
        self.chance = chance
        self.roots = [place / "first", place / "second"]
        self.places = [*self.roots, place / "outside"]
        for folder in self.places:
            folder.mkdir()

    def step(self) -> None:
        deeds = [
            self.write, self.write, self.append, self.make, self.make, self.move, self.move, self.delete,
            self.link, self.replace, self.copy, self.ignore, self.unplug,
        ]  # fmt: skip
        try:
            self.chance.choice(deeds)()
        except (OSError, shutil.Error):  # such as a folder moved into itself: nothing happens
            return

    def write(self) -> None:
        self.name().write_bytes(b"1" * self.chance.randrange(100))

    def append(self) -> None:
        with self.some(folders=False).open("ab") as file:
            file.write(b"2")

    def make(self) -> None:
        deep = self.name() / "deep"
        deep.mkdir(parents=True)
        (deep / "one.jpg").write_bytes(b"1")

    def move(self) -> None:
        self.some().rename(self.name())

    def copy(self) -> None:
        folder, name = self.some(files=False), self.name()
        if not descends(os.path.realpath(name), os.path.realpath(folder)):
            shutil.copytree(folder, name, symlinks=True)

    def delete(self) -> None:
        path = self.some()
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def replace(self) -> None:
        fresh = self.some(files=False) / ".fresh.swp"
        fresh.write_bytes(b"3" * self.chance.randrange(100))
        fresh.replace(self.some(folders=False))

    def link(self) -> None:
        self.name().symlink_to(self.some())

    def ignore(self) -> None:
        lines = self.chance.sample(["a", "*.jpg", "!one.jpg", "b/", "/c"], 2)
        (self.some(files=False) / ".bindsearchignore").write_text("\n".join(lines))

    def unplug(self) -> None:
        root = self.chance.choice(self.roots)
        root.rename(root.with_name("unplugged"))
        if self.chance.random() < 0.5:
            root.with_name("unplugged").rename(root)
        else:
            shutil.rmtree(root.with_name("unplugged"))
            root.mkdir()

    def some(self, *, files: bool = True, folders: bool = True) -> Path:
        found = [
            Path(place, name)
            for top in self.places
            for place, below, names in os.walk(top)
            for name in [*(names if files else ()), *(below if folders else ())]
        ]
        return self.chance.choice(found or self.places)

    def name(self) -> Path:
        folder = self.chance.choice([self.some(files=False), *self.places])
        return folder / self.chance.choice(["a", "b", "c", "d.jpg", "e.txt", "f.mp4"])


class _Looker:
    """What a catalog would know that looks at due paths and at nothing else."""

    def __init__(self, roots: list[Path]) -> None:
        self.roots = [str(root) for root in roots]
        self.known: Seen = {}

    def look(self, follower: Follower) -> None:
        due = [str(one.path) for one in follower.seen]
        follower.seen.clear()
        if due:
            now = self.truth()
            for path in due:
                self.known = {one: stat for one, stat in self.known.items() if not descends(one, path)}
                self.known |= {one: stat for one, stat in now.items() if descends(one, path)}

    def truth(self) -> Seen:
        return {
            item.path: (item.size, item.mtime_ns, item.inode)
            for root in self.roots
            for item in walk(Path(root))
            if isinstance(item, Entry)
        }


@pytest.mark.skipif(not HAS_INOTIFY, reason="inotify is Linux's")
@pytest.mark.parametrize("seed", range(int(os.environ.get("BINDSEARCH_WATCH_SEEDS", "3"))))
def test_nothing_that_happens_below_two_roots_is_missed(tmp_path: Path, seed: int) -> None:
    world = _World(tmp_path, random.Random(seed))
    looker = _Looker(world.roots)
    with following(*world.roots) as follower:
        for step in range(STEPS):
            world.step()
            if step % 20 == 19:
                follower.until(lambda: follower.watcher.settled)
                looker.look(follower)
        follower.until(lambda: follower.watcher.settled and _agree(looker, follower))


def _agree(looker: _Looker, follower: Follower) -> bool:
    looker.look(follower)
    return looker.known == looker.truth()
