"""A library of so many segments grown out of a small real one, so that an encoder's own queries can be asked.

Its vectors are sums of two real ones of a modality and noise; its notes, captions, names and tags are made of
the real notes' words. The files exist, empty but for their size, and the catalog knows them as a run would
have left them, so that a run over them finds nothing to do.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table, insert, select

from bindsearch.answers import State
from bindsearch.index.catalog import Catalog
from bindsearch.index.schema import contents, locations, roots, segments, spaces, tags, vectors
from bindsearch.index.store import VECTORS_FOLDER, Store
from bindsearch.modality import Modality

# Modality, part of all segments, segments a file, seconds a segment, and of how many a caption is known.
KINDS = (
    (Modality.IMAGE, 0.54, 1, None, 0.05),
    (Modality.VIDEO, 0.12, 10, 5.0, 0.1),
    (Modality.AUDIO, 0.12, 20, 2.0, 0.0),
    (Modality.TEXT, 0.14, 2, None, 0.0),
    (Modality.IMU, 0.04, 10, 5.0, 0.0),
    (Modality.DEPTH, 0.02, 1, None, 0.0),
    (Modality.THERMAL, 0.02, 1, None, 0.0),
)
SUFFIXES = dict.fromkeys(Modality, "png") | {
    Modality.IMAGE: "jpg",
    Modality.VIDEO: "mp4",
    Modality.AUDIO: "wav",
    Modality.TEXT: "txt",
    Modality.IMU: "csv",
}
CAMERAS = ("Canon EOS R6", "Apple iPhone 13", "DJI Mini 3", "SONY ILCE-7M4", None)
CITIES = ((48.137, 11.575), (52.520, 13.405), (-16.50, 179.99), (40.713, -74.006), (35.677, 139.650))
TAGS = {"rare": 0.001, "some": 0.01, "many": 0.1, "half": 0.5}
SECOND, NOISE = 0.6, 0.35  # what of another vector, and of noise of unit length, is added
FIRST_SECOND, SECONDS = 1_388_534_400, 10 * 365 * 86_400  # 2014 and the nine years behind it
BATCH = 5_000


@dataclass(slots=True)
class Growth:
    """What new rows are drawn from: real vectors by modality and real sentences."""

    vectors: dict[Modality, NDArray[np.float32]]
    sentences: list[str]
    chance: random.Random
    numbers: np.random.Generator

    def draw(self, modality: Modality) -> bytes:
        """One more vector, as the catalog has it."""
        rows = self.vectors.get(modality, self.vectors[Modality.IMAGE])
        one, other = rows[self.numbers.integers(len(rows), size=2)]
        noise = self.numbers.standard_normal(rows.shape[1], dtype=np.float32)
        row = one + SECOND * self.numbers.random() * other + NOISE * noise / np.linalg.norm(noise)
        return bytes((row / np.linalg.norm(row)).astype("<f2").tobytes())

    def sentence(self) -> str:
        """The beginning of one real sentence and the end of another."""
        one, other = (self.chance.choice(self.sentences).split() for _ in range(2))
        return " ".join(one[: 1 + len(one) // 2] + other[len(other) // 2 :])

    def word(self) -> str:
        """A word of some sentence."""
        return self.chance.choice(self.chance.choice(self.sentences).split()).strip(".,").lower()


def grow(seed: Path, folder: Path, count: int) -> None:
    """A library of about ``count`` segments in ``folder``, its files below ``folder``.files."""
    growth, space, space_key = _seeded(seed)
    tree = folder.with_name(folder.name + ".files")
    tables: dict[Table, list[dict[str, Any]]] = {
        contents: [],
        locations: [],
        segments: [],
        vectors: [],
        tags: [],
    }
    kinds = [kind for kind in KINDS for _ in range(round(kind[1] * count / kind[2]))]
    growth.chance.shuffle(kinds)
    for number, kind in enumerate(kinds, 1):
        _add_file(tables, growth, tree, number, kind)
    with Store.writing(folder) as store, store.catalog.write() as session:
        state = {"state": State.PRESENT, "added_at": 0.0, "walked_at": 0.0}
        session.execute(insert(roots), {"id": 1, "path": str(tree), **state})
        session.execute(insert(spaces), space)
        for table, rows in tables.items():
            for some in _batches(rows):
                session.execute(insert(table), some)
    kept = next((seed / VECTORS_FOLDER).glob(f"{space_key}.words-*.npy"))
    (folder / VECTORS_FOLDER).mkdir()
    (folder / VECTORS_FOLDER / kept.name).write_bytes(kept.read_bytes())


def _seeded(seed: Path) -> tuple[Growth, dict[str, Any], str]:
    with closing(Catalog.open(seed)) as catalog, catalog.read() as connection:
        space = dict(connection.execute(select(spaces)).one()._mapping)
        statement = select(segments.c.modality, segments.c.text, vectors.c.data).join(vectors)
        rows = connection.execute(statement.order_by(segments.c.id)).all()
    known = {
        kind: np.stack(
            [np.frombuffer(row.data, "<f2").astype(np.float32) for row in rows if row.modality == kind]
        )
        for kind in sorted({Modality(row.modality) for row in rows})
    }
    sentences = [row.text for row in rows if row.text]
    return Growth(known, sentences, random.Random(1), np.random.default_rng(1)), space, space["key"]


def _add_file(
    tables: dict[Table, list[dict[str, Any]]],
    growth: Growth,
    tree: Path,
    number: int,
    kind: tuple[Modality, float, int, float | None, float],
) -> None:
    modality, _, pieces, seconds, captioned = kind
    chance = growth.chance
    taken = FIRST_SECOND + chance.random() * SECONDS
    digest = hashlib.sha256(str(number).encode()).digest()
    north, east = chance.choice(CITIES)
    north, east = north + chance.gauss(0, 0.05), east + chance.gauss(0, 0.05)
    knows_time, knows_place = chance.random() < 0.8, chance.random() < 0.6
    path = _file(growth, tree, number, modality, taken)
    stat = path.stat()
    tables[contents].append(
        {
            "id": number,
            "identity": digest,
            "sha256": digest,
            "size": stat.st_size,
            "modality": modality,
            "format": "made",
            "taken_at": taken if knows_time else None,
            "latitude": north if knows_place else None,
            "longitude": (east + 180) % 360 - 180 if knows_place else None,
            "duration": pieces * seconds if seconds else None,
            "camera": chance.choice(CAMERAS),
            "added_at": 0.0,
        }
    )
    tables[locations].append(
        {
            "id": number,
            "root_id": 1,
            "content_id": number,
            "path": str(path.relative_to(tree)),
            "state": State.PRESENT,
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "inode": stat.st_ino,
            "device": stat.st_dev,
        }
    )
    parts: list[tuple[Modality, float | None]] = [(modality, seconds)] * pieces
    if chance.random() < captioned:
        parts.append((Modality.TEXT, None))
    for ordinal, (own, length) in enumerate(parts):
        segment = len(tables[segments]) + 1
        tables[segments].append(
            {
                "id": segment,
                "content_id": number,
                "ordinal": ordinal,
                "modality": own,
                "start": None if length is None else ordinal * length,
                "end": None if length is None else (ordinal + 1) * length,
                "text": growth.sentence() if own is Modality.TEXT else None,
            }
        )
        vector = {"id": segment, "segment_id": segment, "space_id": 1, "data": growth.draw(own)}
        tables[vectors].append(vector)
    for name, share in TAGS.items():
        if chance.random() < share:
            given = {"content_id": number, "name": name, "source": "hand", "added_at": 0.0}
            tables[tags].append(given)


def _file(growth: Growth, tree: Path, number: int, modality: Modality, taken: float) -> Path:
    """A file of some size without anything in it, called as people and cameras call them."""
    chance = growth.chance
    year = 2014 + int((taken - FIRST_SECOND) // (365 * 86_400))
    day = random.Random(number // 60)
    folder = tree / str(year) / f"{number // 60:04} {day.choice(growth.sentences).split()[-1].strip('.,/')}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"IMG_{number:06}" if chance.random() > 0.2 else f"{growth.word()}-{growth.word()} {number}"
    path = folder / f"{stem.replace('/', ' ')}.{SUFFIXES[modality]}"
    path.touch()
    os.truncate(path, chance.randrange(10_000, 10_000_000))
    os.utime(path, (taken, taken))
    return path


def _batches(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    yield from (rows[first : first + BATCH] for first in range(0, len(rows), BATCH))
