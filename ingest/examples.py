"""Examples of classes, as a person points at them: files and folders, in the library or not.

The vectors of files that the library knows are those it holds; others are read and encoded for the occasion.
An example teaches in the modality that it is of.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, select

from bindsearch.classifying.examples import Recogniser, learn
from bindsearch.classifying.labels import clean_names
from bindsearch.classifying.probabilities import Numbers
from bindsearch.encoders import Space, Vectors
from bindsearch.errors import BindsearchError, SettingsError
from bindsearch.index.filters import Filter, under
from bindsearch.index.hits import absolute
from bindsearch.index.items import count_contents, stored_items
from bindsearch.index.schema import locations, roots
from bindsearch.ingest.asking import Asker
from bindsearch.ingest.classifying import files_in, is_other_kind, read_file
from bindsearch.modality import Modality

BACKGROUND_MOST = 4096  # contents of a modality that examples are told from


def parse_examples(pairs: Iterable[str]) -> dict[str, list[Path]]:
    """``NAME=PATH`` texts as paths by name; names that differ in case only are one. Raises SettingsError."""
    spellings: dict[str, str] = {}
    found: dict[str, list[Path]] = {}
    for pair in pairs:
        name, sign, path = pair.partition("=")
        if not sign or not name.strip() or not path:
            raise SettingsError("is no example", subject=pair, hint="write --examples NAME=FOLDER")
        (clean,) = clean_names([name])
        place = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - links stay
        if not place.exists():
            raise SettingsError("no such file or folder", subject=path)
        found.setdefault(spellings.setdefault(clean.casefold(), clean), []).append(place)
    return found


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt of each modality, and which names its columns stand for."""

    known: Mapping[Modality, tuple[Recogniser, Sequence[int]]]
    names: int

    def probabilities(self, modality: Modality, vectors: Vectors) -> Numbers | None:
        """(n, d) to (n, names): 0 for names without an example in ``modality``; None if none has one."""
        if modality not in self.known:
            return None
        recogniser, numbers = self.known[modality]
        chances = np.zeros((len(vectors), self.names))
        chances[:, numbers] = recogniser.probabilities(vectors)[:, :-1]
        return chances


class School:
    """Collects examples: ``shown`` are the names that have any, ``own`` the contents among them."""

    def __init__(self, catalog: Connection, space: Space, wanted: Filter) -> None:
        self._catalog = catalog
        self._space = space
        self._kinds = Filter(modalities=wanted.modalities, offline=True)
        self._vectors: dict[Modality, list[Vectors]] = {}
        self._truth: dict[Modality, list[int]] = {}
        self.shown: set[int] = set()
        self.own: dict[int, set[int]] = {}

    def show(self, number: int, paths: Sequence[Path], asker: Asker) -> list[BindsearchError]:
        """Take in the examples of one name; returns what cannot be read, but for files of other kinds."""
        failures: list[BindsearchError] = []
        stored = {path: own for place in paths for path, own in self._known(place).items()}
        chosen: set[int] = set()
        for found in files_in(paths):
            if isinstance(found, BindsearchError):
                failures.append(found)
            elif (own := stored.get(found)) is not None:
                chosen.add(own)
            else:
                try:
                    self._read(number, found, asker)
                except BindsearchError as error:
                    if found in paths or not is_other_kind(error):
                        failures.append(error)
        for items in stored_items(self._catalog, self._space, self._kinds, content_ids=sorted(chosen)):
            self._add(number, items.modality, items.vectors)
            for content_id in items.content_ids:
                self.own.setdefault(content_id, set()).add(number)
        return failures

    def learn(self) -> Learnt:
        """What the examples teach, told from a sample of the library in each modality."""
        known = {}
        for modality, parts in self._vectors.items():
            numbers = sorted(set(self._truth[modality]))
            truth = np.array([numbers.index(own) for own in self._truth[modality]], np.int64)
            others = _sample(self._catalog, self._space, modality, parts[0].shape[1])
            known[modality] = learn(np.concatenate(parts), truth, len(numbers), others), numbers
        return Learnt(known, max(self.shown) + 1)

    def _read(self, number: int, path: Path, asker: Asker) -> None:
        modalities = self._kinds.modalities or {None}
        for modality in modalities:
            found = read_file(asker, path, modality)
            self._add(number, found.kind, found.vector[np.newaxis])

    def _add(self, number: int, modality: Modality, vectors: Vectors) -> None:
        self._vectors.setdefault(modality, []).append(vectors)
        self._truth.setdefault(modality, []).extend([number] * len(vectors))
        self.shown.add(number)

    def _known(self, place: Path) -> dict[Path, int]:
        """The contents at or below a path that are still as the library saw them, by their paths."""
        statement = (
            select(locations, roots.c.path.label("root"))
            .join(roots, roots.c.id == locations.c.root_id)
            .where(under(self._catalog, [str(place)]))
        )
        rows = self._catalog.execute(statement)
        return {
            path: row.content_id
            for row in rows
            if _unchanged(path := absolute(row.root, row.path), row.size, row.mtime_ns)
        }


def _unchanged(path: Path, size: int, mtime_ns: int) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)


def _sample(catalog: Connection, space: Space, modality: Modality, dimensions: int) -> Vectors:
    """Vectors of at most about BACKGROUND_MOST contents of a modality, taken evenly from the library."""
    every = -(-count_contents(catalog).get(modality, 0) // BACKGROUND_MOST) or 1
    wanted = Filter(modalities=frozenset({modality}))
    batches = [items.vectors for items in stored_items(catalog, space, wanted, every=every)]
    return np.concatenate(batches) if batches else np.zeros((0, dimensions), np.float32)
