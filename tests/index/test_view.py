"""The view: whatever happens to the files on disk, the answers are the catalog's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select

from bindsearch.errors import SettingsError
from bindsearch.index.catalog import Catalog
from bindsearch.index.changes import NewContent, SegmentFacts, store_contents
from bindsearch.index.records import ensure_space
from bindsearch.index.schema import spaces, vectors
from bindsearch.index.vectors import Selection, VectorView
from bindsearch.index.vectors.generations import MANIFEST, read_generation
from bindsearch.loaders import FileFacts
from bindsearch.modality import Modality
from tests.index.test_vectors import assert_same, brute_force, unit_rows
from tests.tiny import TinyEncoder

SPACE = TinyEncoder().space
KINDS = ["exact", "flat", "ivf"]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.create(tmp_path / "library")


def rows16(count: int, seed: int = 0) -> np.ndarray:
    rows = unit_rows(count, seed)[:, : SPACE.dimensions].astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def add(catalog: Catalog, count: int, seed: int = 0) -> None:
    """One content of ``count`` segments."""
    segments = [SegmentFacts("video", n, n + 1, None, None, None) for n in range(count)]
    sha256, facts = os.urandom(32), FileFacts(Modality.VIDEO, "MP4")
    new = NewContent(sha256, sha256, "", 1, facts, segments, [True] * count, rows16(count, seed))
    with catalog.write() as session:
        store_contents(session, ensure_space(session, SPACE).id, [new])


def open_view(catalog: Catalog, kind: str, *, maintain: bool = False) -> VectorView:
    with catalog.read() as connection:
        space = connection.execute(select(spaces)).one()
        view = VectorView(connection, space, catalog.path.parent / "vectors", kind)
        if maintain:
            view.maintain(connection)
        return view


def refresh(catalog: Catalog, view: VectorView) -> None:
    with catalog.read() as connection:
        view.refresh(connection)


def remove(catalog: Catalog, every: int) -> None:
    with catalog.write() as session:
        session.execute(delete(vectors).where(vectors.c.id % every == 0))


def assert_is_the_catalogs(catalog: Catalog, view: VectorView) -> None:
    """The view answers as brute force over the catalog's own rows does."""
    with catalog.read() as connection:
        stored = connection.execute(select(vectors.c.id, vectors.c.data).order_by(vectors.c.id)).all()
    ids = np.array([row.id for row in stored], np.int64)
    rows = np.frombuffer(b"".join(row.data for row in stored), "<f2").reshape(len(ids), -1)
    assert len(view) == len(ids)
    for vector in rows16(5, seed=42):
        assert_same(view.search(vector, 10)[Modality.VIDEO], brute_force(ids, rows, vector, 10))


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_follows_the_catalog_through_additions_and_deletions(catalog: Catalog, kind: str) -> None:
    add(catalog, 1500)
    view = open_view(catalog, kind, maintain=True)
    assert view.kinds == {Modality.VIDEO: kind}
    assert_is_the_catalogs(catalog, view)
    add(catalog, 40, seed=1)
    remove(catalog, every=3)
    refresh(catalog, view)
    assert_is_the_catalogs(catalog, view)


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_catches_up_from_a_stale_generation(catalog: Catalog, kind: str) -> None:
    add(catalog, 1500)
    open_view(catalog, kind, maintain=True)
    add(catalog, 40, seed=1)
    remove(catalog, every=5)
    view = open_view(catalog, kind)
    assert view.saved
    assert view.kinds == {Modality.VIDEO: kind}
    assert_is_the_catalogs(catalog, view)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", [truncate, flip, empty, Path.unlink])
def test_damaged_or_deleted_index_files_lose_nothing(
    catalog: Catalog, kind: str, harm: Callable[[Path], None]
) -> None:
    add(catalog, 1200)
    open_view(catalog, kind, maintain=True)
    folder = catalog.path.parent / "vectors" / SPACE.key
    for n in range(len(list(folder.iterdir()))):
        path = sorted(folder.iterdir(), key=lambda path: path.name.partition(".")[2])[n]
        harm(path)
        view = open_view(catalog, kind)
        assert not view.saved, f"{path.name} was harmed and yet believed"
        assert_is_the_catalogs(catalog, view)
        with catalog.read() as connection:
            view.maintain(connection)
        assert view.kinds == {Modality.VIDEO: kind}
        assert open_view(catalog, kind).saved


def test_a_generation_that_is_ahead_of_a_restored_catalog_is_not_believed(
    catalog: Catalog, tmp_path: Path
) -> None:
    add(catalog, 50)
    open_view(catalog, "exact", maintain=True)
    backup = Catalog.create(tmp_path / "backup")
    add(backup, 20, seed=3)
    (catalog.path.parent / "vectors").rename(tmp_path / "backup" / "vectors")
    view = open_view(backup, "exact")
    assert not view.saved
    assert_is_the_catalogs(backup, view)


def test_a_replacement_sweeps_the_generation_before_and_leftovers_of_crashes(catalog: Catalog) -> None:
    add(catalog, 50)
    view = open_view(catalog, "exact", maintain=True)
    folder = catalog.path.parent / "vectors" / SPACE.key
    (folder / "0123456789abcdef.rows.npy").write_bytes(b"left by a crash")
    view.save()
    generation = read_generation(folder)
    assert generation is not None
    assert {path.name for path in folder.iterdir()} == {MANIFEST, *generation.files}


def test_a_full_disk_keeps_the_generation_before_in_force(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalog, 50)
    view = open_view(catalog, "exact", maintain=True)
    folder = catalog.path.parent / "vectors" / SPACE.key
    before = read_generation(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        view.save()
    monkeypatch.undo()
    assert read_generation(folder) == before
    assert len(list(folder.iterdir())) == 1 + len(before.files if before else ())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"files": 3}', "\0"])
def test_a_manifest_of_any_nonsense_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert read_generation(tmp_path) is None


def test_a_manifest_cannot_name_files_outside_its_folder(catalog: Catalog) -> None:
    add(catalog, 50)
    open_view(catalog, "exact", maintain=True)
    folder = catalog.path.parent / "vectors" / SPACE.key
    manifest = json.loads((folder / MANIFEST).read_text())
    for name in list(manifest["files"]):
        (folder.parent / name).write_bytes((folder / name).read_bytes())
        manifest["files"][f"../{name}"] = manifest["files"].pop(name)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert read_generation(folder) is None


def test_an_unknown_kind_of_index_is_refused_with_the_known_ones(catalog: Catalog) -> None:
    add(catalog, 5)
    with pytest.raises(SettingsError, match="auto, exact, flat, ivf"):
        open_view(catalog, "hnsw")


def test_modalities_are_searched_apart_and_found_again_from_disk(catalog: Catalog) -> None:
    rows = rows16(120)
    cut = [SegmentFacts("video" if n % 3 else "text", n, n + 1, None, None, None) for n in range(120)]
    sha256, facts = os.urandom(32), FileFacts(Modality.VIDEO, "MP4")
    new = NewContent(sha256, sha256, "", 1, facts, cut, [True] * 120, rows)
    with catalog.write() as session:
        store_contents(session, ensure_space(session, SPACE).id, [new])
    kinds = np.array([segment.modality for segment in cut])
    ids = np.arange(1, 121)
    only = Selection(only=np.sort(ids[::2]))
    for view in (open_view(catalog, "exact", maintain=True), open_view(catalog, "exact")):
        found = view.search(rows[5], 10, only)
        assert set(found) == {Modality.VIDEO, Modality.TEXT}
        for modality, best in found.items():
            own = (kinds == modality) & (ids % 2 == 1)
            stored = rows[own].astype(np.float16)
            assert_same(best, brute_force(ids[own], stored, rows[5], 10))
        assert set(view.search(rows[5], 10, modalities={Modality.TEXT})) == {Modality.TEXT}
        known = view.backgrounds(None)
        assert known.sizes == {Modality.VIDEO: 80, Modality.TEXT: 40}
        assert view.backgrounds(None) is known


def test_backgrounds_follow_the_catalog(catalog: Catalog) -> None:
    add(catalog, 30)
    view = open_view(catalog, "exact")
    assert view.backgrounds(None).sizes == {Modality.VIDEO: 30}
    add(catalog, 10, seed=1)
    refresh(catalog, view)
    assert view.backgrounds(None).sizes == {Modality.VIDEO: 40}
