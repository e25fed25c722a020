"""Upkeep from the command line: lines, JSON and exit codes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.runner import bindsearch
from tests.index.upkeep.libraries import make_library, make_media

SOUND, USAGE, DAMAGED = 0, 2, 3


@pytest.fixture
def small(tmp_path: Path) -> Path:
    make_media(tmp_path / "media")
    make_library(tmp_path / "library", tmp_path / "media")
    return tmp_path / "library"


def test_upkeep_from_finding_damage_to_a_restored_library(small: Path, tmp_path: Path) -> None:
    done = bindsearch(small, "verify", "--files")
    assert (done.returncode, done.stdout) == (SOUND, b"")
    assert b"sound" in done.stderr
    assert bindsearch(small, "backup", tmp_path / "b").returncode == SOUND
    with closing(sqlite3.connect(small / "catalog.sqlite3")) as connection, connection:
        connection.execute("UPDATE contents SET present_locations = 9 WHERE id = 2")
    done = bindsearch(small, "verify", "--json")
    assert done.returncode == DAMAGED
    (finding,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert finding["check"] == "counts"
    assert (finding["severity"], finding["where"], finding["remedy"]) == (
        "damage",
        "content 2",
        "bindsearch repair",
    )
    done = bindsearch(small, "repair")
    assert (done.returncode, done.stdout) == (SOUND, b"counted the places of 1 contents anew\n")
    assert bindsearch(small, "verify").returncode == SOUND
    done = bindsearch(small, "compact", "--json")
    assert json.loads(done.stdout)["alone"] is True
    done = bindsearch(small, "restore", tmp_path / "b")
    assert done.returncode == DAMAGED
    assert b"--force" in done.stderr
    done = bindsearch(small, "restore", tmp_path / "b", "--force", "--json")
    assert done.returncode == SOUND
    assert len(json.loads(done.stdout)["kept"]) == 1


@pytest.mark.parametrize("act", ["verify", "repair", "compact", "backup"])
def test_where_there_is_no_library_that_is_said(act: str, tmp_path: Path) -> None:
    done = bindsearch(tmp_path / "none", act, *([tmp_path / "b"] if act == "backup" else []))
    assert done.returncode == USAGE
    assert b"no library here" in done.stderr
    assert list(tmp_path.iterdir()) == []
