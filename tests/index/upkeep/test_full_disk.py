"""A disk that is full, or read-only: one clear line, exit code 3, and nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bindsearch.index.upkeep.backing import back_up, check_backup
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.index.upkeep.libraries import everything
from tests.index.upkeep.test_verify_and_repair import break_page, page_of
from tests.ingest.test_crash import ROOT
from tests.tiny import TinyEncoder

DAMAGED_OR_BUSY = 3

RUN = """
import sys
from bindsearch.cli import lazy, main
from bindsearch.ingest import library
from tests.tiny import TinyEncoder
library.open_encoder = lambda name, threads=None: TinyEncoder()
sys.argv[0] = "bindsearch"
main.main()
"""


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; skips where this account may not mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs to mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    if done.returncode != 0:
        pytest.skip("needs to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def bindsearch(
    library: Path, *arguments: str | Path, largest: int | None = None
) -> subprocess.CompletedProcess[str]:
    """A command with the tiny encoder, which may write no file larger than ``largest`` bytes."""

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    command = [sys.executable, "-c", RUN, "--library", str(library), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit, timeout=120)


def assert_told(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == DAMAGED_OR_BUSY, done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("bindsearch: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr


def fill(disk: Path, leave: int) -> Path:
    """Take all the room of a disk but ``leave`` bytes."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    ballast.write_bytes(bytes(max(0, free - leave)))
    return ballast


def test_indexing_onto_a_full_disk_ends_clearly_and_goes_on_when_there_is_room(
    sound: Path, media: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        library = disk / "library"
        ballast = fill(disk, 500_000)
        assert_told(bindsearch(library, "index", media))
        if (library / "catalog.sqlite3").exists():
            ballast.unlink()
        ballast.unlink(missing_ok=True)
        assert bindsearch(library, "index", media).returncode == 0
        assert list(verify(library)) == []
        twin, grown = everything(sound), everything(library)
        for state in (twin, grown):
            state.pop("tags"), state.pop("file_words")
        assert grown == twin


def test_a_disk_that_fills_up_while_indexing_loses_nothing(sound: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=3m") as disk:
        library, more = disk / "library", tmp_path / "more"
        shutil.copytree(sound, library)
        before = everything(library)
        more.mkdir()
        for n in range(400):
            (more / f"{n}.txt").write_text(f"number {n} " + "words of a note " * 30)
        fill(disk, 400_000)
        assert_told(bindsearch(library, "index", more))
        after = everything(library)
        assert set(before["contents"]) <= set(after["contents"])  # type: ignore[call-overload]
        (disk / "ballast").unlink()
        assert list(verify(library)) == []


@pytest.mark.parametrize("act", ["backup", "compact"])
def test_a_full_disk_is_told_by(act: str, sound: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=3m") as disk:
        library = disk / "library"
        shutil.copytree(sound, library)
        before = everything(library)
        fill(disk, 100_000)
        assert_told(bindsearch(library, act, *([disk / "b"] if act == "backup" else [])))
        assert everything(library) == before
        assert not (disk / "b").exists()


def test_repairing_on_a_full_disk_leaves_the_damaged_catalog_as_it_was(harmed: Path, tmp_path: Path) -> None:
    break_page(harmed, page_of(harmed, "segments")[0])
    with mounted(tmp_path / "disk", "size=3m") as disk:
        library = disk / "library"
        shutil.copytree(harmed, library)
        before = (library / "catalog.sqlite3").read_bytes()
        fill(disk, 100_000)
        assert_told(bindsearch(library, "repair"))
        assert (library / "catalog.sqlite3").read_bytes() == before
        (disk / "ballast").unlink()
        assert bindsearch(library, "repair").returncode == 0


@pytest.mark.parametrize("act", ["index", "repair", "compact", "backup"])
def test_a_read_only_disk_is_told_by(act: str, sound: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=3m") as disk:
        library = disk / "library"
        shutil.copytree(sound, library)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert_told(bindsearch(library, act, *([disk / "b"] if act == "backup" else [])))
        assert bindsearch(library, "verify").returncode == 0
        assert bindsearch(library, "backup", tmp_path / "elsewhere").returncode == 0
        assert check_backup(tmp_path / "elsewhere").contents


@pytest.mark.parametrize("act", ["index", "compact", "backup"])
def test_a_limit_on_the_size_of_files_is_told_by(
    act: str, sound: Path, harmed: Path, media: Path, tmp_path: Path
) -> None:
    back_up(sound, tmp_path / "b")
    older = (tmp_path / "b").read_bytes()
    if act == "index":
        with Library(harmed, Settings(), TinyEncoder()) as library:
            library.forget([media])
    arguments = {"index": [media], "compact": [], "backup": [tmp_path / "b"]}[act]
    assert_told(bindsearch(harmed, act, *arguments, largest=150_000))
    assert (tmp_path / "b").read_bytes() == older
    assert [found for found in verify(harmed) if found.severity == "damage"] == []
    assert bindsearch(harmed, act, *arguments).returncode == 0
