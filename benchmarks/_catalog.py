"""A library of so many segments made by a seed: files of six modalities with places, times, cameras and tags.

The vectors are a mixture of clusters in a narrow cone, as embeddings are: clusters of very different sizes,
each spread along few directions of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from bindsearch.encoders import Space
from bindsearch.index.schema import contents, locations, roots, segments, spaces, tags, vectors
from bindsearch.index.store import Store
from bindsearch.modality import Modality

DIMENSIONS = 384
CLUSTERS = 600
SPREAD_DIRECTIONS = 24
BATCH = 5_000
SPACE = Space("made", "1", "0" * 64, DIMENSIONS, "1", frozenset(Modality))

# Modality, which part of all segments, segments a file, seconds a segment.
KINDS = (
    (Modality.IMAGE, 0.55, 1, None),
    (Modality.VIDEO, 0.25, 10, 5.0),
    (Modality.AUDIO, 0.149, 20, 2.0),
    (Modality.TEXT, 0.05, 2, None),
    (Modality.THERMAL, 0.001, 1, None),
)
CAMERAS = ("Canon EOS R6", "Apple iPhone 13", "DJI Mini 3", "SONY ILCE-7M4", None)
CITIES = ((48.137, 11.575), (52.520, 13.405), (-16.50, 179.99), (40.713, -74.006), (35.677, 139.650))
TAGS = {"rare": 0.001, "some": 0.01, "many": 0.1, "half": 0.5}
NOTE = "a passage of a note, of the length that notes have. " * 3
FIRST_SECOND, SECONDS = 1_388_534_400, 10 * 365 * 86_400  # 2014 and the nine years behind it


def draw(count: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors (count, d)."""
    shape = np.random.default_rng(0)
    cone = shape.normal(size=DIMENSIONS)
    centres = shape.normal(size=(CLUSTERS, DIMENSIONS)) * 0.8 + cone
    spread = shape.normal(size=(CLUSTERS, SPREAD_DIRECTIONS, DIMENSIONS)).astype(np.float32) * 0.2
    random = np.random.default_rng(seed)
    own = random.zipf(1.2, size=count) % CLUSTERS
    rows = np.empty((count, DIMENSIONS), np.float32)
    for first in range(0, count, BATCH):
        part = own[first : first + BATCH]
        along = random.normal(size=(len(part), 1, SPREAD_DIRECTIONS)).astype(np.float32)
        noise = 0.25 * random.normal(size=(len(part), DIMENSIONS))
        rows[first : first + BATCH] = centres[part] + (along @ spread[part])[:, 0] + noise
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def make_library(folder: Path, count: int) -> None:
    """A library of ``count`` segments, each with a vector, in ``folder``."""
    with Store.writing(folder) as store, store.catalog.write() as session:
        session.execute(insert(roots), [_root(n) for n in (1, 2, 3)])
        session.execute(insert(spaces), _space())
        for table, rows in zip((contents, locations, segments, tags), _rows(count), strict=True):
            for first in range(0, len(rows), BATCH):
                session.execute(insert(table), rows[first : first + BATCH])
        for first, data in _batches(draw(count, 1).astype("<f2")):
            numbered = enumerate(data, first + 1)
            rows = [{"id": n, "segment_id": n, "space_id": 1, "data": row.tobytes()} for n, row in numbered]
            session.execute(insert(vectors), rows)


def _batches(rows: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float16]]]:
    yield from ((first, rows[first : first + BATCH]) for first in range(0, len(rows), BATCH))


def _root(number: int) -> dict[str, Any]:
    return {"id": number, "path": f"/home/me/Root {number}", "state": "present", "added_at": 0.0}


def _space() -> dict[str, Any]:
    given = {name: getattr(SPACE, name) for name in ("key", "revision", "weights_sha256", "dimensions")}
    return {"id": 1, "name": SPACE.id, "preprocessing": "1", "added_at": 0.0, **given}


def _rows(count: int) -> tuple[list[dict[str, Any]], ...]:
    random = np.random.default_rng(2)
    files, places, parts, named = [], [], [], []
    kinds = random.permutation(
        [n for n, kind in enumerate(KINDS) for _ in range(round(kind[1] * count / kind[2]))]
    )
    for number, kind in enumerate(kinds.tolist(), 1):
        modality, _, pieces, seconds = KINDS[kind]
        files.append(_content(number, modality, pieces, seconds, random))
        places.append(_location(number, files[-1], random))
        for ordinal in range(min(pieces, count - len(parts))):
            span = (None, None) if seconds is None else (ordinal * seconds, (ordinal + 1) * seconds)
            parts.append(
                {"id": len(parts) + 1, "content_id": number, "ordinal": ordinal, "modality": modality}
                | {
                    "start": span[0],
                    "end": span[1],
                    "text": "a passage of a note" * 5 if modality == "text" else None,
                }
            )
        drawn = random.random(len(TAGS))
        named += [
            {"content_id": number, "name": name, "source": "hand", "added_at": 0.0}
            for (name, share), number_drawn in zip(TAGS.items(), drawn, strict=True)
            if number_drawn < share
        ]
    return files, places, parts, named


def _content(
    number: int, modality: Modality, pieces: int, seconds: float | None, random: np.random.Generator
) -> dict[str, Any]:
    """Four of five know when they were taken, three of five where."""
    north, east = CITIES[random.integers(len(CITIES))] + random.normal(size=2) * 0.05
    known_when, known_where = random.random(2) < (0.8, 0.6)
    digest = hashlib.sha256(str(number).encode()).digest()
    return {
        "id": number,
        "identity": digest,
        "sha256": digest,
        "size": int(random.integers(10_000, 10_000_000)),
        "modality": modality,
        "format": "made",
        "taken_at": float(FIRST_SECOND + random.random() * SECONDS) if known_when else None,
        "latitude": float(north) if known_where else None,
        "longitude": float((east + 180) % 360 - 180) if known_where else None,
        "duration": pieces * seconds if seconds else None,
        "camera": CAMERAS[random.integers(len(CAMERAS))],
        "added_at": 0.0,
    }


def _location(number: int, content: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    taken = FIRST_SECOND + random.random() * SECONDS
    year, folder = 2014 + int((taken - FIRST_SECOND) // (365 * 86_400)), int(random.integers(1000))
    suffix = {"image": "JPG", "video": "mp4", "audio": "wav"}.get(content["modality"], "txt")
    return {
        "id": number,
        "root_id": 1 + number % 3,
        "content_id": number,
        "path": f"{year}/{folder:03} a day out/IMG_{number:06}.{suffix}",
        "state": "present",
        "size": content["size"],
        "mtime_ns": int(taken * 1e9),
        "inode": number,
        "device": 1,
    }
