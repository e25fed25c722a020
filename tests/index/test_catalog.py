"""The catalog: migrations, transactions, damage, and the writer lock."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, delete, func, select, text

from bindsearch.encoders import Space
from bindsearch.errors import LibraryBusy, LibraryDamaged, LibraryError, LibraryMissing
from bindsearch.index.active import ActiveSpaces, read_active
from bindsearch.index.catalog import CATALOG_FILE, HEAD, Catalog
from bindsearch.index.changes import (
    Fault,
    NewContent,
    Placement,
    SegmentFacts,
    place,
    record_faults,
    store_contents,
)
from bindsearch.index.lock import writer_lock
from bindsearch.index.models import Base, Content, Location, Root, Tombstone, VectorRow
from bindsearch.index.records import (
    FileStat,
    content_identity,
    contents_without,
    ensure_space,
    find_content,
    known_failures,
    known_locations,
)
from bindsearch.index.schema import Stage
from bindsearch.ingest.library import Library
from bindsearch.loaders import FileFacts
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.tiny import DIMENSIONS, TinyEncoder

SPACE: Space = TinyEncoder().space


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "library")


def add_content(catalog: Catalog, path: str = "a.png", sha256: bytes = b"x" * 32) -> int:
    """A content with two segments, lying at ``path`` under the root /r."""
    vectors = np.eye(2, DIMENSIONS, dtype=np.float32)
    segments = [SegmentFacts("video", n, n + 1, None, None, None) for n in range(2)]
    new = NewContent(sha256, sha256, "", 1, FileFacts(Modality.VIDEO, "MP4"), segments, [True, True], vectors)
    with catalog.write() as session:
        root = session.scalar(select(Root)) or Root(path="/r", added_at=0.0)
        session.add(root)
        session.flush()
        space_id = ensure_space(session, SPACE).id
        (content_id,) = store_contents(session, space_id, [new])
        place(session, [Placement(root.id, path, FileStat(1, 2, 3, 4), content_id)])
    return content_id


def count(catalog: Catalog, table: type[Base]) -> int:
    with catalog.write() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def differences(connection: Connection) -> list[object]:
    """Where tables and models differ; those of the words are FTS5's own (see tests of the words)."""

    def is_ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name is None or not name.startswith(("file_words", "segment_words"))

    options = {"include_name": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


def test_the_migrations_make_exactly_the_tables_of_the_models(catalog: Catalog) -> None:
    with catalog.read() as connection:
        assert differences(connection) == []


def test_the_newest_migration_is_the_one_that_the_catalog_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", "bindsearch.index:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_folder_without_a_library_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing, match="no library here"):
        Catalog.open(tmp_path)
    assert list(tmp_path.iterdir()) == [], "looking for a library must not make one"


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but longer than a header " * 20, b"SQLite"]
)
def test_a_catalog_that_is_no_database_is_reported_as_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CATALOG_FILE).write_bytes(content)
    with pytest.raises(LibraryDamaged, match="damaged"):
        Catalog.open(tmp_path)


def test_a_catalog_whose_pages_are_overwritten_is_reported_as_damaged(catalog: Catalog) -> None:
    for n in range(300):
        add_content(catalog, f"{n}.png", n.to_bytes(32, "big"))
    catalog.close()
    with sqlite3.connect(catalog.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    raw = bytearray(catalog.path.read_bytes())
    raw[16384:] = os.urandom(len(raw) - 16384)
    catalog.path.write_bytes(raw)
    with pytest.raises(LibraryError, match=r"damaged|cannot be used"), catalog.write() as session:
        session.scalars(select(Content)).all()


def test_a_catalog_of_a_newer_version_is_refused_and_left_alone(catalog: Catalog) -> None:
    with catalog.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    folder = catalog.path.parent
    with pytest.raises(LibraryDamaged, match="9999"):
        Catalog.open(folder)
    with pytest.raises(LibraryDamaged, match="newer bindsearch"):
        Catalog.create(folder)


def test_the_catalog_is_set_up_to_survive_power_loss(catalog: Catalog) -> None:
    with catalog.write() as session:
        pragmas = {
            name: session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "page_size")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "page_size": 16384}


def test_what_fails_within_a_write_leaves_nothing_behind(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.write() as session:
        session.add(Root(path="/r", added_at=0.0))
        session.flush()
        raise RuntimeError
    assert count(catalog, Root) == 0


def test_readers_see_one_snapshot_while_a_writer_commits(catalog: Catalog) -> None:
    counting = select(func.count()).select_from(Content)
    with catalog.read() as reader:
        assert reader.scalar(counting) == 0
        add_content(catalog)
        assert reader.scalar(counting) == 0
    assert count(catalog, Content) == 1


def test_present_locations_are_counted_whatever_happens_to_locations(catalog: Catalog) -> None:
    content_id = add_content(catalog)

    def present() -> int:
        with catalog.write() as session:
            return session.get_one(Content, content_id).present_locations

    assert present() == 1
    add_content(catalog, "copy.png")
    assert present() == 2
    with catalog.write() as session:
        session.execute(text("UPDATE locations SET state = 'missing' WHERE path = CAST('a.png' AS BLOB)"))
    assert present() == 1
    with catalog.write() as session:
        session.execute(delete(Root))
    assert count(catalog, Location) == 0
    assert present() == 0


def test_every_deleted_vector_leaves_a_tombstone_and_no_id_is_used_twice(catalog: Catalog) -> None:
    add_content(catalog)
    with catalog.write() as session:
        first = set(session.scalars(select(VectorRow.id)))
    with catalog.write() as session:
        session.execute(delete(VectorRow))
    with catalog.write() as session:
        assert set(session.scalars(select(Tombstone.vector_id))) == first
    add_content(catalog, "b.png", b"y" * 32)
    with catalog.write() as session:
        assert min(session.scalars(select(VectorRow.id))) > max(first)


def test_paths_of_any_bytes_come_back_as_they_were(catalog: Catalog) -> None:
    names = [os.fsdecode(b"caf\xe9 \xff\n.png"), "naïve\t日本.png", "-rf *"]
    for n, name in enumerate(names):
        add_content(catalog, name, n.to_bytes(32, "big"))
    with catalog.write() as session:
        assert set(session.scalars(select(Location.path))) == set(names)


def test_a_second_writer_is_told_at_once_which_process_holds_the_lock(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from bindsearch.index.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LibraryBusy, match=f"busy, held by pid {holder.pid}"), writer_lock(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with writer_lock(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()


def old_library(folder: Path, version: str) -> dict[str, list[tuple[object, ...]]]:
    """A library of an older version with two failures in it; returns its rows without times of writing."""
    with sqlite3.connect(folder / CATALOG_FILE) as connection:
        connection.executescript((Path(__file__).parent / "library_0001.sql").read_text())
        connection.execute(
            "INSERT INTO failures VALUES "
            "(1, 1, CAST('a.wav' AS BLOB), 'unsupported', 'audio', 0, 5, 6, 7, 8),"
            "(2, 1, CAST('b.jpg' AS BLOB), 'decode', 'truncated', 0, 5, 6, 8, 8)"
        )
    connection.close()
    if version != "0001":
        config = Config()
        config.set_main_option("script_location", "bindsearch.index:migrations")
        engine = create_engine(f"sqlite:///{folder / CATALOG_FILE}")
        with engine.begin() as started:
            config.attributes["connection"] = started
            command.upgrade(config, version)
        engine.dispose()
    return rows_of(folder)


def rows_of(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """What both old and new tables say, under the names of the newest."""
    with sqlite3.connect(folder / CATALOG_FILE) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(contents)")]
        identity = "identity" if "identity" in columns else "sha256"
        wanted = {
            "contents": f"id, {identity}, sha256, size, modality, format, present_locations, added_at",
            "locations": "id, root_id, content_id, path, state, size, mtime_ns, inode, device",
            "segments": "id, content_id, ordinal, modality, start, end, text",
            "vectors": "id, segment_id, space_id, data",
            "failures": "path, stage, reason, size, mtime_ns, inode, device",
        }
        rows = {
            name: connection.execute(f"SELECT {what} FROM {name}").fetchall() for name, what in wanted.items()
        }
    connection.close()
    return rows


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_an_older_library_is_carried_over_with_all_it_holds(tmp_path: Path, version: str) -> None:
    before = old_library(tmp_path, version)
    with pytest.raises(LibraryDamaged, match=f"version {version}"):
        Catalog.open(tmp_path)
    catalog = Catalog.create(tmp_path)
    after = rows_of(tmp_path)
    assert [len(after[name]) for name in ("contents", "locations", "vectors")] == [1, 1, 2]
    unread = before["failures"].pop(0)
    assert unread[1] == "unsupported", "what was of no readable kind then may be now"
    assert after == before
    with catalog.read() as connection:
        assert differences(connection) == []
        assert read_active(connection, "compact") == ActiveSpaces("compact")
        content = connection.execute(select(Content)).one()
        assert (content.identity, content.hint, content.title) == (content.sha256, "", None)
        assert connection.scalar(select(Location.hint)) == ""
        (known,) = known_locations(connection, 1).values()
        assert (known.path, known.hint) == ("film.mp4", "")
        (failed,) = known_failures(connection, 1).items()
        assert (failed[0], *failed[1][:2]) == ("b.jpg", FileStat(5, 6, 8, 8), "")
        assert find_content(connection, b"x" * 32, 1, SPACE.modalities) == known.content_id
        assert contents_without(connection, 1, SPACE.modalities) == set()
    assert Catalog.open(tmp_path)
    add_content(catalog, "copy.mp4")
    assert count(catalog, Content) == 1, "the same bytes are known again"
    with catalog.write() as session:
        session.execute(delete(VectorRow))
    assert count(catalog, Tombstone) == 4, "triggers are as they were"


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004"])
def test_an_older_library_is_searched_as_before(tmp_path: Path, version: str) -> None:
    old_library(tmp_path, version)
    Catalog.create(tmp_path).close()
    with Library(tmp_path, Settings(), TinyEncoder()) as library:
        (hit,) = library.search("red", 5)
        assert (hit.path, hit.modality, hit.start) == (Path("/r/film.mp4"), Modality.VIDEO, 0.0)
        assert library.segments_by_modality() == {"video": 2}


def test_one_hash_can_be_read_in_several_ways(catalog: Catalog) -> None:
    first = add_content(catalog)
    hints = ["", '{"modality":"depth"}']
    assert len({content_identity(b"x" * 32, hint) for hint in hints}) == 2
    with catalog.write() as session:
        facts = FileFacts(Modality.DEPTH, "PNG")
        identity = content_identity(b"x" * 32, hints[1])
        segment = SegmentFacts("depth", None, None, None, None, None)
        new = NewContent(
            identity, b"x" * 32, hints[1], 1, facts, [segment], [False], np.empty((0, DIMENSIONS))
        )
        (second,) = store_contents(session, 1, [new])
        assert find_content(session, identity, 1, SPACE.modalities) == second != first
        assert find_content(session, identity, 1, [Modality.DEPTH]) is None
        assert contents_without(session, 1, [Modality.DEPTH]) == {second}
    assert count(catalog, VectorRow) == 2, "what the space does not embed has no vector"


STAT = FileStat(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("stage", "stat", "hint", "kept"),
    [
        (Stage.ENCODE, STAT, "", True),
        (Stage.ENCODE, STAT._replace(inode=9, device=9), "", True),
        (Stage.ENCODE, STAT._replace(size=9), "", False),
        (Stage.ENCODE, STAT._replace(mtime_ns=9), "", False),
        (Stage.ENCODE, STAT, '{"modality":"depth"}', False),
        (Stage.DECODE, STAT, "", False),
        (Stage.READ, STAT, "", False),
        (Stage.UNSUPPORTED, STAT, "", False),
        (Stage.WALK, None, "", False),
    ],
)
def test_a_file_keeps_its_place_if_only_the_encoder_refuses_it_as_it_was(
    catalog: Catalog, stage: Stage, stat: FileStat | None, hint: str, kept: bool
) -> None:
    add_content(catalog)
    add_content(catalog, "other.png", b"y" * 32)
    with catalog.write() as session:
        record_faults(session, [Fault(1, "a.png", stage, "why", stat, hint)])
        assert list(known_failures(session, 1)) == ["a.png"]
        assert set(known_locations(session, 1)) == ({"a.png", "other.png"} if kept else {"other.png"})
