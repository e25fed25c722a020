"""The Library: what a user of the Python interface holds. Store below, encoder and loaders beside it.

It lies here, above the index, because both filling a library and asking it with a file need loaders and an
encoder, while the store knows vectors only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bindsearch.arithmetic import combine
from bindsearch.encoders import Encoder, open_encoder
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.index.hits import Hit
from bindsearch.index.overview import (
    FailureRecord,
    RootStatus,
    SpaceStatus,
    count_segments,
    list_failures,
    list_roots,
    list_spaces,
)
from bindsearch.index.store import Store
from bindsearch.media import Passage
from bindsearch.query import Query, Term, TermKind, parse_query
from bindsearch.settings import Settings, library_folder

if TYPE_CHECKING:
    from bindsearch.ingest.progress import Progress, RunReport
    from bindsearch.loaders import LoadOptions

Paths = Sequence[str | os.PathLike[str]]


class Library:
    """One library: index folders into it, search it.

    Opening touches nothing; the first ``index`` makes the library. Reading methods raise LibraryMissing
    before that. ``encoder`` may be handed in; else the one that the library's settings name is opened.
    """

    def __init__(self, folder: Path, settings: Settings, encoder: Encoder | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self._encoder = encoder
        self._store: Store | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        encoder: Encoder | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """The library in folder ``path``, or the user's own (see settings.library_folder).

        Raises SettingsError if its ``settings.toml`` cannot be used.
        """
        folder = library_folder(path)
        return cls(folder, settings or Settings.of(folder), encoder)

    def close(self) -> None:
        """Close the catalog; the library can be used again afterwards."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The encoder of the library's space, opened on first use; its weights load when they are needed."""
        if self._encoder is None:
            self._encoder = open_encoder(self.settings.space, threads=self.settings.workers)
        return self._encoder

    def index(
        self,
        paths: str | os.PathLike[str] | Paths = (),
        *,
        retry_failed: bool = False,
        progress: Progress | None = None,
    ) -> RunReport:
        """Take in ``paths``, or bring every root up to date if none are named.

        Raises LibraryBusy if another process is writing, QueryError for a path that is not there.
        """
        from bindsearch.ingest.indexer import Indexer  # searching does without, and starts sooner

        named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        with Store.writing(self.folder, index_kind=self.settings.vector_index) as store:
            indexer = Indexer(store, self.encoder, self._load_options(), self.settings, progress)
            return indexer.run([Path(path).expanduser() for path in named], retry_failed=retry_failed)

    def search(
        self,
        query: str | Sequence[str] | Query,
        k: int = 10,
        wanted: Filter | None = None,
        *,
        all_moments: bool = False,
    ) -> list[Hit]:
        """The ``k`` best hits for a query, best first; one a file unless ``all_moments``.

        ``query`` is an expression, a list of shell arguments, or a parsed Query. Raises QueryError for one
        that cannot be understood, MediaError for a file in it that cannot be read.
        """
        vector = self.embed(query)
        return self._reading().search(vector, self.encoder.space, k, wanted, all_moments=all_moments)

    def embed(self, query: str | Sequence[str] | Query) -> NDArray[np.float32]:
        """The unit vector (d,) of a query in the library's space."""
        parsed = query if isinstance(query, Query) else parse_query(query)
        self._reading()
        vectors = np.stack([self._embed_term(term) for term in parsed.terms])
        return combine(vectors, [term.weight for term in parsed.terms])

    def roots(self) -> list[RootStatus]:
        """Every root and the state of its files."""
        with self._reading().catalog.read() as catalog:
            return list_roots(catalog)

    def spaces(self) -> list[SpaceStatus]:
        """Every space that the library holds vectors of."""
        with self._reading().catalog.read() as catalog:
            return list_spaces(catalog)

    def segments_by_modality(self) -> dict[str, int]:
        """How many segments there are of each modality."""
        with self._reading().catalog.read() as catalog:
            return count_segments(catalog)

    def failures(self, *, unsupported: bool = False) -> list[FailureRecord]:
        """Files that could not be taken in; or, with ``unsupported``, those of kinds that are not read."""
        with self._reading().catalog.read() as catalog:
            return list_failures(catalog, unsupported=unsupported)

    def forget(self, paths: Paths = (), *, missing: bool = False) -> int:
        """Take paths, or all that is missing, out of the library; returns how many files.

        Files on disk are never touched.
        """
        self._reading()
        names = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - links stay
        with Store.writing(self.folder, index_kind=self.settings.vector_index) as store:
            count = store.forget(names) if names else 0
            return count + (store.forget_missing() if missing else 0)

    def _reading(self) -> Store:
        if self._store is None:
            self._store = Store.open(self.folder, index_kind=self.settings.vector_index)
        return self._store

    def _embed_term(self, term: Term) -> NDArray[np.float32]:
        """The unit vector of one term; that of a file with several segments is their mean's direction."""
        if term.kind is TermKind.TEXT:
            vector: NDArray[np.float32] = self.encoder.encode([Passage(term.value)])[0]
            return vector
        from bindsearch.loaders import load

        loaded = load(Path(term.value).expanduser(), self._load_options())
        vectors = [self.encoder.encode([media]) for media in loaded.media]
        if not vectors:
            raise QueryError("nothing in it can be embedded", subject=term.value)
        return combine(np.concatenate(vectors), [1.0] * len(vectors))

    def _load_options(self) -> LoadOptions:
        from bindsearch.loaders import LoadOptions

        settings = self.settings
        return LoadOptions(
            picture_side=self.encoder.picture_side,
            max_pixels=settings.max_pixels,
            max_text_bytes=settings.max_text_bytes,
            span_seconds=settings.span_seconds,
            span_frames=settings.span_frames,
            passage_characters=settings.passage_characters,
        )
