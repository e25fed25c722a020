"""Vectors by name in one NPZ file, which may be deleted at any time; a damaged one counts as absent."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bindsearch.encoders import Vectors
from bindsearch.errors import SettingsError


class Keep:
    """What is in the file ``path``, and what is added to it; with None it lives in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._vectors: dict[str, Vectors] = {} if path is None else _read(path)

    def __contains__(self, name: str) -> bool:
        return name in self._vectors

    def vectors(self, names: Sequence[str]) -> Vectors:
        """The vectors of ``names``, all of which must be there: (names, dimensions)."""
        return np.stack([self._vectors[name] for name in names])

    def add(self, names: Sequence[str], vectors: Vectors) -> None:
        """Keep ``vectors`` as those of ``names``; SettingsError when the file cannot be written."""
        self._vectors.update(zip(names, vectors, strict=True))
        if self._path is not None:
            try:
                self._write(self._path)
            except OSError as error:
                reason = (error.strerror or "error").lower()
                raise SettingsError(f"cannot be written: {reason}", subject=str(self._path)) from error

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.part")
        names = "\0".join(self._vectors).encode("utf-8", "surrogateescape")
        with draft.open("wb") as file:
            np.savez(file, names=np.frombuffer(names, np.uint8), vectors=np.stack([*self._vectors.values()]))
        draft.replace(path)


def _read(path: Path) -> dict[str, Vectors]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = arrays["names"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            return dict(zip(names, arrays["vectors"], strict=True))
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        return {}
