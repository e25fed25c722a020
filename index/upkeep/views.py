"""The vector indexes' files against themselves and against the catalog's vectors, and the reference queries'.

A generation that is absent costs time and is no finding. One that is there has to be, to the last byte,
what was written, and to hold the very vectors that the catalog had when it was; see
index.vectors.generations.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.protocol import Space
from bindsearch.index.background import read_references, references_path
from bindsearch.index.upkeep.findings import Check, Finding
from bindsearch.index.upkeep.opening import BATCH, UNREADABLE, snapshot
from bindsearch.index.vectors.generations import (
    FORMAT,
    MANIFEST,
    Generation,
    Shelf,
    as_sealed,
    read_manifest,
)
from bindsearch.index.vectors.protocol import Ids, Rows

VECTORS_FOLDER = "vectors"
ATTEMPTS = 3  # a generation that is replaced while it is read is read again


class SpaceOf(NamedTuple):
    """A row of ``spaces``, as far as it concerns its files."""

    id: int
    key: str
    name: str
    revision: str
    weights_sha256: str
    dimensions: int
    preprocessing: str


@dataclass(slots=True, eq=False)
class Held:
    """What a shelf holds: sorted ``ids`` (n,), ``rows_at(places)`` (m, d), and which the catalog has, too."""

    ids: Ids
    rows_at: Callable[[NDArray[np.intp]], Rows]
    met: NDArray[np.bool_]


@dataclass(slots=True)
class Comparison:
    """A generation against the catalog; ``differing`` are vector ids, with the shelf and the place there."""

    compared: int = 0
    lacking: int = 0
    beyond: int = 0
    differing: list[tuple[int, str, int]] = field(default_factory=list)

    @property
    def agrees_but_for_few(self) -> bool:
        """Whether it is surely of this very catalog, so that a few rows that differ are damage."""
        return not self.lacking and not self.beyond and len(self.differing) * 20 <= self.compared


def spaces_of(connection: sqlite3.Connection) -> list[SpaceOf]:
    """Every space of the catalog."""
    query = f"SELECT {', '.join(SpaceOf._fields)} FROM spaces WHERE typeof(dimensions) = 'integer'"
    return [
        SpaceOf(*row) for row in connection.execute(query) if all(isinstance(one, str) for one in row[1:5])
    ]


def check_views(path: Path) -> Iterator[Finding]:
    """Every finding about the files beside the catalog at ``path``."""
    try:
        with snapshot(path) as connection:
            spaces = spaces_of(connection)
        for space in spaces:
            yield from _settled(path, space)
            yield from _check_references(path, space)
    except UNREADABLE:
        return  # the catalog's own checks have told of it


def drop_views(library: Path) -> None:
    """Take all generations out of force, the manifests first. Nothing is lost by it but time."""
    folder = library / VECTORS_FOLDER
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        manifest.unlink(missing_ok=True)
    for one in folder.glob("*/"):
        shutil.rmtree(one, ignore_errors=True)


def folder_of(path: Path, space: SpaceOf) -> Path:
    """Where the generations of ``space`` lie."""
    return path.parent / VECTORS_FOLDER / space.key


def hold(folder: Path, shelf: Shelf) -> Held:
    """Open a shelf whose files are as they were sealed. Raises OSError, ValueError, EOFError."""
    if shelf.kind == "flat":
        ids, rows_at = _of_flat(folder / shelf.files[0])
    else:
        names = shelf.files[-2:]
        ids = np.load(folder / names[0], allow_pickle=False)
        rows = np.load(folder / names[1], mmap_mode="r", allow_pickle=False)

        def rows_at(places: NDArray[np.intp]) -> Rows:
            return np.asarray(rows[places], np.float16)

        if shelf.kind == "ivf" and not np.array_equal(_in_cells(folder / shelf.files[0]), ids):
            raise ValueError("its cells hold other vectors than the rows beside them")
    if len(ids) != shelf.count or np.any(np.diff(ids) <= 0):
        raise ValueError(f"{len(ids)} ids where {shelf.count} different ones in order are meant")
    return Held(ids, rows_at, np.zeros(len(ids), bool))


def compare(
    connection: sqlite3.Connection, space: SpaceOf, generation: Generation, shelves: dict[str, Held]
) -> Comparison:
    """Hold every vector of the catalog that the generation should have against the one that it has."""
    result = Comparison()
    rows = connection.execute(
        "SELECT vectors.id, segments.modality, vectors.data FROM vectors "
        "JOIN segments ON segments.id = vectors.segment_id "
        "WHERE vectors.space_id = ? AND vectors.id <= ? ORDER BY vectors.id",
        (space.id, generation.last_vector),
    )
    while batch := rows.fetchmany(BATCH):
        by_modality: dict[str, list[tuple[int, bytes]]] = {}
        for key, modality, data in batch:
            by_modality.setdefault(modality, []).append((key, data))
        for modality, part in by_modality.items():
            _compare_part(result, modality, part, shelves.get(modality), space.dimensions)
    gone = _gone_since(connection, space, generation)
    for held in shelves.values():
        result.beyond += int(np.count_nonzero(~np.isin(held.ids[~held.met], gone)))
    return result


def as_bytes(row: Rows) -> bytes:
    """A row as the catalog keeps it."""
    return row.astype("<f2").tobytes()


def fits(connection: sqlite3.Connection, space: SpaceOf, generation: Generation) -> bool:
    """Whether a generation can be of this catalog's past."""
    rows = connection.execute("SELECT name, seq FROM sqlite_sequence WHERE typeof(seq) = 'integer'")
    given: dict[str, int] = dict(rows)
    return (
        (generation.space, generation.dimensions) == (space.key, space.dimensions)
        and generation.last_vector <= given.get("vectors", 0)
        and generation.last_tombstone <= given.get("tombstones", 0)
    )


def is_sealed(folder: Path, generation: Generation) -> bool:
    """Whether all its files are there and as they were written."""
    return not list(_broken_files(folder, generation))


def _settled(path: Path, space: SpaceOf) -> list[Finding]:
    """The findings about one space, of a generation that stood still meanwhile."""
    folder = folder_of(path, space)
    found: list[Finding] = []
    for _ in range(ATTEMPTS):
        before = _manifest(folder)
        if before is None:
            return []
        found = list(_check_space(path, space, folder))
        if _manifest(folder) == before:
            break
    return found


def _check_space(path: Path, space: SpaceOf, folder: Path) -> Iterator[Finding]:
    generation = read_manifest(folder)
    where = f"{space.name}: {folder.name}"
    if generation is None:
        yield Finding(Check.VIEWS, where, "its manifest makes no sense")
        return
    if generation.format != FORMAT:
        return  # of another version, which passes it over
    broken = list(_broken_files(folder, generation))
    yield from (Finding(Check.VIEWS, f"{where}/{name}", problem) for name, problem in broken)
    if broken:
        return
    # The snapshot is taken after the manifest was read, so that it holds all that the generation does.
    with snapshot(path) as connection:
        if not fits(connection, space, generation):
            yield Finding(Check.VIEWS, where, "is of another state of the catalog, or of another space")
            return
        try:
            shelves = {name: hold(folder, shelf) for name, shelf in generation.shelves.items()}
            result = compare(connection, space, generation, shelves)
        except (OSError, ValueError, EOFError, IndexError) as error:
            yield Finding(Check.VIEWS, where, f"cannot be used: {error}")
            return
    yield from _told(where, result)


def _told(where: str, result: Comparison) -> Iterator[Finding]:
    for count, problem in (
        (result.lacking, "vectors of the catalog are not in it"),
        (result.beyond, "vectors in it are not in the catalog"),
        (len(result.differing), "vectors are not those of the catalog"),
    ):
        if count:
            yield Finding(Check.VIEWS, where, f"{count:,} {problem}")


def _compare_part(
    result: Comparison, modality: str, part: list[tuple[int, bytes]], held: Held | None, dimensions: int
) -> None:
    result.compared += len(part)
    if held is None or not len(held.ids):
        result.lacking += len(part)
        return
    ids = np.array([key for key, _ in part], np.int64)
    places = np.minimum(np.searchsorted(held.ids, ids), len(held.ids) - 1)
    found = held.ids[places] == ids
    held.met[places[found]] = True
    result.lacking += int(np.count_nonzero(~found))
    rows = held.rows_at(places)
    for number in np.flatnonzero(found):
        key, data = part[number]
        if data != as_bytes(rows[number]):
            result.differing.append((key, modality, int(places[number])))


def _gone_since(connection: sqlite3.Connection, space: SpaceOf, generation: Generation) -> Ids:
    query = "SELECT vector_id FROM tombstones WHERE space_id = ? AND seq > ?"
    rows = connection.execute(query, (space.id, generation.last_tombstone))
    return np.fromiter((row[0] for row in rows), np.int64)


def _broken_files(folder: Path, generation: Generation) -> Iterator[tuple[str, str]]:
    for name, seal in generation.files.items():
        try:
            if not as_sealed(folder / name, seal):
                yield name, "is not what was written"
        except OSError as error:
            yield name, (error.strerror or str(error)).lower()


def _manifest(folder: Path) -> bytes | None:
    with suppress(OSError):
        return (folder / MANIFEST).read_bytes()
    return None


def _of_flat(file: Path) -> tuple[Ids, Callable[[NDArray[np.intp]], Rows]]:
    from bindsearch.index.vectors.blas import import_faiss

    faiss = import_faiss()
    index = _faiss_index(file)
    own = faiss.vector_to_array(index.id_map)
    order = np.argsort(own)

    def rows_at(places: NDArray[np.intp]) -> Rows:
        return np.asarray(index.index.reconstruct_batch(order[places]), np.float16)

    return own[order], rows_at


def _in_cells(file: Path) -> Ids:
    """The ids in all cells of an inverted file, sorted."""
    from bindsearch.index.vectors.blas import import_faiss

    faiss, index = import_faiss(), _faiss_index(file)
    lists = index.invlists  # lives no longer than the index does
    parts = [
        faiss.rev_swig_ptr(lists.get_ids(cell), lists.list_size(cell)).copy()
        for cell in range(lists.nlist)
        if lists.list_size(cell)
    ]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def _faiss_index(file: Path) -> Any:
    from bindsearch.index.vectors.blas import import_faiss

    try:
        return import_faiss().read_index(str(file))
    except RuntimeError as error:
        raise ValueError(f"{file.name}: {error}") from error


def _check_references(path: Path, space: SpaceOf) -> Iterator[Finding]:
    folder = path.parent / VECTORS_FOLDER
    whole = space_of(space)
    file = references_path(folder, whole)
    if file.exists() and read_references(folder, whole) is None:
        yield Finding(Check.REFERENCES, f"{space.name}: {file.name}", "is not what was written")


def space_of(space: SpaceOf) -> Space:
    """The space that a row is of, but for its modalities, which the catalog does not say."""
    return Space(
        id=space.name,
        revision=space.revision,
        weights_sha256=space.weights_sha256,
        dimensions=space.dimensions,
        preprocessing=space.preprocessing,
        modalities=frozenset(),
    )
