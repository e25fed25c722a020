"""The reference queries' vectors on disk: made once a space, by whoever fills the library.

    <library>/vectors/<space>.words-<version>.npy        float32 (queries, dimensions)

They can be made again at any time, so that a file which does not fit counts as absent; until there is one,
words are judged by the library's own notes. The file is replaced as a whole.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from bindsearch.durable import sync
from bindsearch.encoders.protocol import Space
from bindsearch.ranking import Rows
from bindsearch.references import REFERENCE_QUERIES, VERSION


def read_references(folder: Path, space: Space) -> Rows | None:
    """The unit vectors (queries, d) kept for ``space``; None where there are none that can be used."""
    with suppress(OSError, ValueError, EOFError):
        rows = np.load(references_path(folder, space), allow_pickle=False)
        if rows.dtype == np.float32 and rows.shape == (len(REFERENCE_QUERIES), space.dimensions):
            with np.errstate(all="ignore"):
                lengths = np.linalg.norm(rows, axis=1)
            if np.all(np.abs(lengths - 1) < 1e-2):
                return np.asarray(rows, np.float32)
    return None


def write_references(folder: Path, space: Space, rows: Rows) -> None:
    """Keep ``rows`` for ``space``. Raises OSError, as for a full disk; what was there before stays."""
    folder.mkdir(parents=True, exist_ok=True)
    path = references_path(folder, space)
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            np.save(file, rows.astype(np.float32))
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def references_path(folder: Path, space: Space) -> Path:
    """Where they lie."""
    return folder / f"{space.key}.words-{VERSION}.npy"
