"""kill -9 during upkeep leaves the old state or the new one, and the next attempt succeeds."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.upkeep.backing import back_up, check_backup
from bindsearch.index.upkeep.repairing import repair
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.index.upkeep.libraries import everything, index, without_triggers
from tests.index.upkeep.test_verify_and_repair import break_page, page_of
from tests.ingest.test_crash import ROOT
from tests.tiny import TinyEncoder

KILLS = 5


def run(act: str, library: Path, file: Path, kill_after: float | None) -> float:
    """Do ``act`` in a process of its own; returns how long it took, or was let live."""
    command = [sys.executable, "-m", "tests.index.upkeep.upkeep_child", act, str(library), str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == b"ready\n", child.stderr.read()
        started = time.monotonic()
        if kill_after is None:
            told = child.stderr.read()
            assert child.wait() == 0, told
        else:
            time.sleep(kill_after)
            child.send_signal(signal.SIGKILL)
            child.wait()
        return time.monotonic() - started


def moments(seconds: float) -> list[float]:
    """When to kill: spread over the time that the act takes undisturbed."""
    chance = random.Random(7)
    return [seconds * (n + chance.random()) / KILLS for n in range(KILLS)]


@pytest.fixture
def lesser(harmed: Path) -> Path:
    """A library that lacks what the sound one has."""
    with Library(harmed, Settings(), TinyEncoder()) as library:
        library.forget([library.roots()[0].path / "film.mp4"])
    return harmed


def test_a_killed_backup_leaves_the_older_one(sound: Path, lesser: Path, tmp_path: Path) -> None:
    file = tmp_path / "b"
    full, less = everything(sound), check_backup_size(lesser, file)
    seconds = run("backup", sound, tmp_path / "timed", None)
    for moment in moments(seconds):
        run("backup", sound, file, moment)
        assert check_backup(file).contents in (less, len(full["contents"]))  # type: ignore[arg-type]
    run("backup", sound, file, None)
    assert check_backup(file).contents == len(full["contents"])  # type: ignore[arg-type]


def check_backup_size(library: Path, file: Path) -> int:
    return back_up(library, file).contents


def test_a_killed_restore_leaves_the_old_library_or_the_new_one(
    sound: Path, lesser: Path, tmp_path: Path
) -> None:
    back_up(sound, tmp_path / "b")
    old, new = everything(lesser), everything(sound)
    shutil.copytree(lesser, tmp_path / "timed")
    seconds = run("restore", tmp_path / "timed", tmp_path / "b", None)
    for n, moment in enumerate(moments(seconds)):
        library = tmp_path / f"library{n}"
        shutil.copytree(lesser, library)
        run("restore", library, tmp_path / "b", moment)
        assert everything(library) in (old, new)
        assert list(verify(library)) == []
        run("restore", library, tmp_path / "b", None)
        assert everything(library) == new


def test_a_killed_repair_is_repeated(sound: Path, harmed: Path, tmp_path: Path) -> None:
    break_page(harmed, page_of(harmed, "segments")[0])
    damaged = (harmed / CATALOG_FILE).read_bytes()
    shutil.copytree(harmed, tmp_path / "timed")
    seconds = run("repair", tmp_path / "timed", tmp_path, None)
    for n, moment in enumerate(moments(seconds)):
        library = tmp_path / f"library{n}"
        shutil.copytree(harmed, library)
        run("repair", library, tmp_path, moment)
        assert any(file.stat().st_size == len(damaged) for file in library.glob("catalog*"))
        repair(library)
        index(library)
        assert list(verify(library)) == []
        assert everything(library) == everything(sound)


def test_a_killed_compaction_changes_nothing(sound: Path, lesser: Path, tmp_path: Path) -> None:
    without_triggers(lesser, "CREATE TABLE ballast (x)", "DROP TABLE ballast")
    before = everything(lesser)
    shutil.copytree(lesser, tmp_path / "timed")
    for moment in moments(run("compact", tmp_path / "timed", tmp_path, None)):
        run("compact", lesser, tmp_path, moment)
        assert everything(lesser) == before
        assert list(verify(lesser)) == []
