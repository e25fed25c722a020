"""A catalog on a disk without room for the 32 kB that its connections share."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bindsearch.index.catalog import CATALOG_FILE, Catalog
from bindsearch.index.models import Root

# A limit on the size of files stands for the full disk: SQLite is refused the same pages in the same way.
resource = pytest.importorskip("resource")

FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
"""
READ = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlalchemy import func, select
from bindsearch.index.catalog import Catalog
from bindsearch.index.models import Root
catalog = Catalog.open(Path(sys.argv[1]))
def count(_):
    with catalog.read() as connection:
        return connection.scalar(select(func.count()).select_from(Root))
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(count, range(20)))
print(*found)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library whose last writer was killed: what it wrote is in the log only."""
    folder = tmp_path / "library"
    child = os.fork()
    if child == 0:
        with Catalog.create(folder).write() as session:
            session.add(Root(path="/r", added_at=0.0))
        os._exit(0)
    os.waitpid(child, 0)
    assert (folder / f"{CATALOG_FILE}-wal").stat().st_size > 0
    return folder


def read_on_a_full_disk(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", FULL + READ, str(folder)], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr


def test_a_full_disk_keeps_nothing_from_being_read(folder: Path) -> None:
    assert read_on_a_full_disk(folder) == " ".join(["1"] * 20)
    assert (folder / f"{CATALOG_FILE}-shm").stat().st_size < 32768  # or the limit was none


def test_several_processes_read_from_a_full_disk_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read_on_a_full_disk, [folder] * 4)) == {" ".join(["1"] * 20)}


def test_once_there_is_room_again_all_is_as_before(folder: Path) -> None:
    read_on_a_full_disk(folder)
    catalog, other = Catalog.open(folder), Catalog.open(folder)
    with catalog.write() as session:
        session.add(Root(path="/s", added_at=0.0))
    with catalog.read() as one, other.read() as another:
        assert [c.scalar(select(func.count()).select_from(Root)) for c in (one, another)] == [2, 2]
