"""The catalog: migrations, transactions, damage, and the writer lock."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, func, select, text

from bindsearch.encoders import Space
from bindsearch.errors import LibraryBusy, LibraryDamaged, LibraryError, LibraryMissing
from bindsearch.index.active import ActiveSpaces, read_active
from bindsearch.index.catalog import CATALOG_FILE, HEAD, Catalog
from bindsearch.index.changes import NewContent, Placement, SegmentFacts, place, store_contents
from bindsearch.index.lock import writer_lock
from bindsearch.index.models import Base, Content, Location, Root, Tombstone, VectorRow
from bindsearch.index.records import FileStat, ensure_space
from bindsearch.loaders import FileFacts
from bindsearch.modality import Modality
from tests.tiny import DIMENSIONS, TinyEncoder

SPACE: Space = TinyEncoder().space


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "library")


def add_content(catalog: Catalog, path: str = "a.png", sha256: bytes = b"x" * 32) -> int:
    """A content with two segments, lying at ``path`` under the root /r."""
    import numpy as np

    vectors = np.eye(2, DIMENSIONS, dtype=np.float32)
    segments = [SegmentFacts("video", n, n + 1, None, None, None) for n in range(2)]
    facts = FileFacts(Modality.VIDEO, "MP4")
    with catalog.write() as session:
        root = session.scalar(select(Root)) or Root(path="/r", added_at=0.0)
        session.add(root)
        session.flush()
        space_id = ensure_space(session, SPACE).id
        (content_id,) = store_contents(session, space_id, [NewContent(sha256, 1, facts, segments, vectors)])
        place(session, [Placement(root.id, path, FileStat(1, 2, 3, 4), content_id)])
    return content_id


def count(catalog: Catalog, table: type[Base]) -> int:
    with catalog.write() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_migrations_make_exactly_the_tables_of_the_models(catalog: Catalog) -> None:
    with catalog.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


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


def test_a_library_of_the_first_version_is_carried_over_with_all_it_holds(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / CATALOG_FILE) as connection:
        connection.executescript((Path(__file__).parent / "library_0001.sql").read_text())
    connection.close()
    with pytest.raises(LibraryDamaged, match="version 0001"):
        Catalog.open(tmp_path)
    catalog = Catalog.create(tmp_path)
    tables = (Root, Content, Location, VectorRow)
    assert [count(catalog, table) for table in tables] == [1, 1, 1, 2]
    with catalog.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert read_active(connection, "compact") == ActiveSpaces("compact")
        assert connection.scalar(select(Content.present_locations)) == 1
    assert Catalog.open(tmp_path)
    add_content(catalog, "copy.mp4")
    with catalog.write() as session:
        session.execute(delete(VectorRow))
    assert count(catalog, Tombstone) == 4, "triggers are as they were"
