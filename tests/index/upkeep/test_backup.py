"""Backups: made while others write, taken back whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bindsearch.errors import LibraryBusy, LibraryDamaged, LibraryError, LibraryMissing
from bindsearch.index.catalog import Catalog
from bindsearch.index.lock import writer_lock
from bindsearch.index.peek import CATALOG_FILE
from bindsearch.index.store import Store
from bindsearch.index.upkeep.backing import SEAL_BYTES, back_up, check_backup, restore
from bindsearch.index.upkeep.verifying import verify
from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.dump import dump
from tests.index.upkeep.libraries import everything, execute, index
from tests.ingest.test_crash import ROOT, make_media
from tests.tiny import TinyEncoder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_backup_restores_the_very_library_into_an_empty_place(sound: Path, tmp_path: Path) -> None:
    report = back_up(sound, tmp_path / "library.backup")
    assert names(tmp_path) == {"library.backup"}
    restored = tmp_path / "restored"
    again = restore(tmp_path / "library.backup", restored)
    assert (again.contents, again.segments) == (report.contents, report.segments)
    assert everything(restored) == everything(sound)
    assert list(verify(restored, files=True)) == []
    with Library(restored, Settings(), TinyEncoder()) as library:
        assert library.search("red")
        assert library.index().indexed == 0


def test_a_backup_is_a_database_that_any_tool_can_open(sound: Path, tmp_path: Path) -> None:
    back_up(sound, tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM contents").fetchone() == (
            len(dump(sound)["contents"]),
        )


def test_the_settings_come_along(harmed: Path, tmp_path: Path) -> None:
    (harmed / "settings.toml").write_text("chunk_files = 5\n")
    back_up(harmed, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "other")
    assert Settings.of(tmp_path / "other").chunk_files == 5
    (harmed / "settings.toml").write_text("chunk_files = 6\n")
    report = restore(tmp_path / "b", harmed, force=True)
    assert Settings.of(harmed).chunk_files == 5
    assert any(path.read_text() == "chunk_files = 6\n" for path in report.kept if path.suffix == ".toml")


def test_a_library_is_replaced_only_by_force_and_is_kept(sound: Path, harmed: Path, tmp_path: Path) -> None:
    back_up(sound, tmp_path / "b")
    without = tmp_path / "without"
    with Library(harmed, Settings(), TinyEncoder()) as library:
        library.forget([library.roots()[0].path / "film.mp4"])
    before = everything(harmed)
    with pytest.raises(LibraryError, match="already"):
        restore(tmp_path / "b", harmed)
    assert everything(harmed) == before
    report = restore(tmp_path / "b", harmed, force=True)
    assert everything(harmed) == everything(sound)
    assert list(verify(harmed)) == []
    (kept,) = report.kept
    without.mkdir()
    kept.rename(without / CATALOG_FILE)
    assert everything(without) == before


def test_a_damaged_catalog_is_replaced_too(sound: Path, harmed: Path, tmp_path: Path) -> None:
    back_up(sound, tmp_path / "b")
    (harmed / CATALOG_FILE).write_bytes(b"torn " * 1000)
    report = restore(tmp_path / "b", harmed, force=True)
    assert everything(harmed) == everything(sound)
    assert report.kept[0].read_bytes() == b"torn " * 1000


def test_any_flipped_byte_of_a_backup_is_found(sound: Path, tmp_path: Path) -> None:
    back_up(sound, tmp_path / "b")
    raw = (tmp_path / "b").read_bytes()
    for place in (
        0,
        20,
        16_400,
        len(raw) // 2,
        len(raw) - SEAL_BYTES - 1,
        len(raw) - SEAL_BYTES,
        len(raw) - 1,
    ):
        bad = bytearray(raw)
        bad[place] ^= 1
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(LibraryDamaged):
            restore(tmp_path / "bad", tmp_path / "nowhere")
    for size in (0, 10, 47, 48, 5_000, len(raw) - 1):
        (tmp_path / "bad").write_bytes(raw[:size])
        with pytest.raises(LibraryDamaged):
            restore(tmp_path / "bad", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_library_does_not_replace_a_sound_backup(sound: Path, harmed: Path, tmp_path: Path) -> None:
    back_up(sound, tmp_path / "b")
    before = (tmp_path / "b").read_bytes()
    with (harmed / CATALOG_FILE).open("r+b") as file:
        file.seek(3 * 16_384)
        file.write(os.urandom(5 * 16_384))
    with pytest.raises(LibraryError):
        back_up(harmed, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == before
    assert names(tmp_path) == {"b", "harmed"}


def test_a_file_that_is_no_backup_is_not_written_over(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LibraryError, match="no backup"):
        back_up(sound, tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_what_is_not_there_is_told(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing):
        back_up(tmp_path, tmp_path / "b")
    with pytest.raises(LibraryError, match="no such file"):
        restore(tmp_path / "b", tmp_path / "library")
    with pytest.raises(LibraryError, match="no such file"):
        back_up(sound, tmp_path / "no" / "such" / "folder")


def test_a_backup_of_older_tables_is_brought_up_to_date_and_of_newer_ones_refused(
    harmed: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    script = (Path(__file__).parents[1] / "library_0001.sql").read_text()
    with closing(sqlite3.connect(older / CATALOG_FILE)) as connection:
        connection.executescript(script)
    back_up(older, tmp_path / "b")
    restore(tmp_path / "b", tmp_path / "restored")
    Catalog.open(tmp_path / "restored").close()
    execute(harmed, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LibraryDamaged, match="newer"):
        back_up(harmed, tmp_path / "c")


def test_a_library_that_others_write_to_or_have_open_is_not_replaced(
    sound: Path, harmed: Path, tmp_path: Path
) -> None:
    back_up(sound, tmp_path / "b")
    with writer_lock(harmed), pytest.raises(LibraryBusy):
        restore(tmp_path / "b", harmed, force=True)
    with Store.open(harmed) as reader:
        with pytest.raises(LibraryError, match="open"):
            restore(tmp_path / "b", harmed, force=True)
        with reader.catalog.read() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM contents").scalar()
    restore(tmp_path / "b", harmed, force=True)


def test_backups_made_while_another_process_writes_are_each_whole(tmp_path: Path) -> None:
    folder, library = tmp_path / "media", tmp_path / "library"
    folder.mkdir()
    make_media(folder)
    arguments = [str(library), str(folder), "0.004"]
    command = [sys.executable, "-m", "tests.ingest.crash_child", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(12):
            child.stdout.readline()
        made = []
        while child.poll() is None:
            made.append(back_up(library, tmp_path / f"b{len(made)}"))
            for _ in range(20):
                child.stdout.readline()
    assert len(made) > 3
    assert len({report.contents for report in made}) > 2, "the writer must go on meanwhile"
    for number in (0, len(made) // 2, len(made) - 1):
        restored = tmp_path / f"restored{number}"
        restore(made[number].path, restored)
        state = dump(restored)
        assert len(state["contents"]) == made[number].contents
        assert {segment[0] for segment in state["segments"]} == set(state["contents"])
        assert list(verify(restored)) == []
    index(restored)
    assert everything(restored) == everything(library)


def test_a_backup_says_what_it_holds(sound: Path, tmp_path: Path) -> None:
    report = back_up(sound, tmp_path / "b")
    assert check_backup(tmp_path / "b") == report
    assert report.size == (tmp_path / "b").stat().st_size
