"""The Library: what a user of the Python interface holds. Store below, encoder and loaders beside it.

It lies here, above the index, because both filling a library and asking it with a file need loaders and an
encoder, while the store knows vectors only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bindsearch.answers import WITHIN, Answer, Neighbour, SearchOptions
from bindsearch.encoders import Encoder, open_encoder
from bindsearch.errors import EncoderError, LibraryMissing
from bindsearch.index.active import ActiveSpaces, answering_name, find_filling, read_active
from bindsearch.index.filters import Filter
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
from bindsearch.index.timeline import holds
from bindsearch.ingest.opened import OpenEncoders
from bindsearch.query import Query, parse_query
from bindsearch.settings import Settings, library_folder
from bindsearch.words import words_of_query

if TYPE_CHECKING:
    from bindsearch.answers import MomentSequence
    from bindsearch.index.records import FileStat
    from bindsearch.ingest.asking import Asked
    from bindsearch.ingest.explaining import Explanation
    from bindsearch.ingest.pace import Pace
    from bindsearch.ingest.previews import Previews
    from bindsearch.ingest.progress import Progress, RunReport
    from bindsearch.loaders import LoadOptions

Paths = Sequence[str | os.PathLike[str]]


class Library:
    """One library: index folders into it, search it.

    Opening touches nothing; the first ``index`` or ``use`` makes the library. Reading methods raise
    LibraryMissing before that. An ``encoder`` that is handed in serves for everything; else those of the
    library's active spaces do, opened by their names with ``opener``.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        encoder: Encoder | None = None,
        opener: Callable[[str], Encoder] | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self._encoder = encoder
        self.encoders = OpenEncoders(opener or partial(open_encoder, threads=settings.workers))
        self._opening = threading.Lock()
        self._store: Store | None = None
        self._previews: Previews | None = None
        self._doubtful: dict[Path, FileStat] = {}

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        encoder: Encoder | None = None,
        opener: Callable[[str], Encoder] | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """The library in folder ``path``, or the user's own (see settings.library_folder).

        Raises SettingsError if its ``settings.toml`` cannot be used.
        """
        folder = library_folder(path)
        return cls(folder, settings or Settings.of(folder), encoder, opener)

    def close(self) -> None:
        """Close the catalog; the library can be used again afterwards."""
        if self._previews is not None:
            self._previews.close()
            self._previews = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def encoder(self) -> Encoder:
        """The encoder of the space that answers searches now; its weights load when they are needed."""
        if self._encoder is not None:
            return self._encoder
        name = None
        with suppress(LibraryMissing), self._reading().catalog.read() as catalog:
            name = answering_name(catalog)
        return self._open(name or self.settings.space)

    def index(
        self,
        paths: str | os.PathLike[str] | Paths = (),
        *,
        retry_failed: bool | float = False,
        progress: Progress | None = None,
        pace: Pace | None = None,
        quiet: float = 0.0,
        adds_roots: bool = True,
    ) -> RunReport:
        """Take in ``paths``, or bring every root up to date if none are named.

        ``retry_failed`` tries again what failed before; a number, only what did before that moment (seconds
        since 1970). A ``pace`` can hold the run up and end it early. Files that changed less than ``quiet``
        seconds ago are left for a later run, as are those that seem to be half written (see quiet.py).
        A path that lies in no root becomes one; without ``adds_roots`` it is passed over.

        While a space is being filled this runs twice, first in the space that answers, so that what is new
        is found at once; the report is the second run's. A space that is complete by the end answers from
        then on. Raises LibraryBusy if another process is writing, QueryError for a path that is not there.
        """
        from bindsearch.ingest.indexer import Indexer, RunOptions, keep_references  # searching does without

        named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        places = [Path(path).expanduser() for path in named]
        how = RunOptions.of(retry_failed, pace, quiet, self._doubtful, adds_roots=adds_roots)

        def run(encoder: Encoder) -> RunReport:
            options = self._load_options(encoder)
            return Indexer(store, encoder, options, self.settings, progress, how).run(places)

        with self._writing(gives_way=pace is not None) as store:
            with store.catalog.read() as catalog:
                answering = answering_name(catalog) or self.settings.space
                filling = None if self._encoder else find_filling(catalog)
            encoder = self._encoder or self._open(answering)
            report = run(encoder)
            if report.unfinished:
                return report
            if filling is not None:
                encoder = self._open(filling)
                store.begin_filling(filling, encoder.space)
                report = run(encoder)
                store.switch_if_complete()
            keep_references(store, encoder)
            self._sweep_previews(store)
            return report

    def use(self, name: str) -> ActiveSpaces:
        """Make a space the library's own: at once if it is complete here, else as soon as it is filled.

        ``name`` is what ``encoders.open_encoder`` takes. Raises EncoderError if that space cannot be used,
        LibraryBusy if another process is writing.
        """
        space = self._open(name).space
        with self._writing() as store:
            with store.catalog.read() as catalog:
                answering = answering_name(catalog) or self.settings.space
            store.choose_space(name, space, answering, can_answer=self._can_open(answering))
        return self.active_spaces()

    def active_spaces(self) -> ActiveSpaces:
        """Which space answers searches, which one is being filled, and how far that is."""
        with self._reading().catalog.read() as catalog:
            return read_active(catalog, self.settings.space)

    def search(
        self,
        query: str | Sequence[str] | Query,
        k: int = 10,
        wanted: Filter | None = None,
        options: SearchOptions | None = None,
    ) -> Answer:
        """The ``k`` best hits for a query, best first, and whether any stands out.

        With ``options.exact`` it is a search by words alone, for which no encoder is opened.

        ``query`` is an expression, a list of shell arguments, or a parsed Query. Raises QueryError, with its
        position, for one that cannot be understood, MediaError for a file in it that cannot be read.
        """
        wanted = self._placed(wanted)
        if options is not None and options.exact:
            asked = words_of_query(_parsed(query), exact=True)
            return self._reading().search_words(asked, k, wanted, options)
        from bindsearch.ingest.asking import question_of

        encoder = self.encoder
        question = question_of(_parsed(query), lambda parsed: self._ask(parsed, encoder))
        return self._reading().search(question, encoder.space, k, wanted, options)

    def search_sequence(
        self,
        queries: Sequence[str | Query],
        k: int = 10,
        wanted: Filter | None = None,
        *,
        within: float = WITHIN,
        all_moments: bool = False,
    ) -> list[MomentSequence]:
        """The ``k`` best sequences of moments for ``queries``, in this order in time, best first.

        Each moment begins at most ``within`` seconds after the one before it has ended (see sequences.py),
        and one sequence at most unless ``all_moments``. Raises what ``search`` does.
        """
        from bindsearch.ingest.sequences import find_sequences

        catalog = self._reading().catalog
        wanted = self._placed(wanted)
        return find_sequences(self._moments, catalog, queries, k, wanted, within, all_moments=all_moments)

    def search_around(
        self,
        hit: str,
        within: float = WITHIN,
        query: str | Query | None = None,
        *,
        k: int | None = None,
        wanted: Filter | None = None,
    ) -> list[Neighbour]:
        """What was at most ``within`` seconds before or after ``hit``: the ``k`` nearest, in time order.

        ``hit`` is a segment such as ``@12``, a file of the library, or a span of one. With a ``query``, the
        ``k`` best, best first. Raises what ``search`` does, and QueryError for a hit that has no time.
        """
        from bindsearch.ingest.sequences import find_neighbours, read_anchor

        catalog = self._reading().catalog
        anchor = read_anchor(catalog, hit)
        key = self.encoder.space.key
        return find_neighbours(self._moments, catalog, anchor, key, query, k, self._placed(wanted), within)

    def _moments(self, query: str | Query, k: int, wanted: Filter | None) -> Answer:
        """The ``k`` best segments for a query, however many of them are alike."""
        return self.search(query, k, wanted, SearchOptions(all_moments=True, duplicates=True))

    def embed(self, query: str | Sequence[str] | Query) -> NDArray[np.float32]:
        """The unit vector (d,) of a query in the space that answers searches."""
        return self._ask(query, self.encoder).vector

    def freshen(self) -> None:
        """Do, beside searches, what the next one would otherwise wait for; nothing without a library.

        For a process that stays: to be called every few seconds, and whenever a run has ended. It is cheap
        where nothing has changed. Raises LibraryError where the catalog cannot be used.
        """
        with suppress(LibraryMissing):
            store = self._reading()
            if not store.viewed:
                store.view(self.encoder.space)
            store.freshen()

    def explain(
        self,
        query: str | Sequence[str] | Query,
        k: int = 3,
        wanted: Filter | None = None,
        *,
        item: str | None = None,
    ) -> Explanation:
        """How a query was understood, and each part's share in the score of its ``k`` best hits.

        With ``item``, a file or a segment such as ``@12``, its best moments take the place of the hits; a
        file need not be in the library. Raises what ``search`` does.
        """
        from bindsearch.ingest.asking import Asker
        from bindsearch.ingest.explaining import explain_hits, explain_item

        encoder = self.encoder
        store = self._reading()
        if item is None:
            asked = self._ask(query, encoder)
            hits = store.search(asked.question, encoder.space, k, self._placed(wanted))
            return explain_hits(asked, hits, encoder.space, store.catalog)
        with Asker(encoder, self.settings, store.catalog) as asker:
            return explain_item(asker, _parsed(query), item, k)

    def preview(self, segment_id: int, side: int = 256) -> Path:
        """A picture (WebP, at most ``side`` points wide and high) of a segment, kept for the next time.

        It shows what there is to see: a spectrogram, depth or heat in false colours, a log's curves, a
        note's first lines. A preview that is kept needs no file; where the library's folder cannot be
        written it lasts until ``close``. Raises QueryError for a segment that does not exist, MediaError
        when its file is gone or has changed and no preview was kept.
        """
        from bindsearch.ingest.previews import Subject

        with self._reading().catalog.read() as catalog:
            subject = Subject.find(catalog, segment_id)
        return self._kept_previews().get(subject, side)

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

    def holds(self, path: str) -> bool:
        """Whether the library knows a file at this absolute path, there or not."""
        with self._reading().catalog.read() as catalog:
            return holds(catalog, path)

    def forget(self, paths: Paths = (), *, missing: bool = False) -> int:
        """Take paths, or all that is missing, out of the library; returns how many files.

        Files on disk are never touched.
        """
        self._reading()
        names = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - links stay
        with self._writing() as store:
            count = store.forget(names) if names else 0
            count += store.forget_missing() if missing else 0
            self._sweep_previews(store)
            return count

    def _kept_previews(self) -> Previews:
        if self._previews is None:
            from bindsearch.ingest.previews import Previews
            from bindsearch.loaders import LoadOptions

            self._previews = Previews(self.folder, self.settings, LoadOptions.of(self.settings))
        return self._previews

    def _sweep_previews(self, store: Store) -> None:
        with store.catalog.read() as catalog:
            self._kept_previews().sweep(catalog)

    def _reading(self) -> Store:
        with self._opening:
            if self._store is None:
                self._store = Store.open(self.folder, index_kind=self.settings.vector_index)
            return self._store

    def _writing(self, *, gives_way: bool = False) -> AbstractContextManager[Store]:
        return Store.writing(self.folder, index_kind=self.settings.vector_index, gives_way=gives_way)

    def _open(self, name: str) -> Encoder:
        return self.encoders.open(name)

    def _placed(self, wanted: Filter | None) -> Filter:
        """``wanted``, with the places that it names by a segment or a file looked up."""
        wanted = wanted or Filter()
        if wanted.where is None:
            return wanted
        from bindsearch.ingest.nearby import with_places

        return with_places(wanted, self._reading().catalog, self.settings)

    def _can_open(self, name: str) -> bool:
        try:
            self._open(name)
        except EncoderError:
            return False
        return True

    def _ask(self, query: str | Sequence[str] | Query, encoder: Encoder) -> Asked:
        from bindsearch.ingest.asking import Asker

        with Asker(encoder, self.settings, self._reading().catalog, self.encoders.words) as asker:
            return asker.ask(_parsed(query))

    def _load_options(self, encoder: Encoder) -> LoadOptions:
        from bindsearch.loaders import LoadOptions

        return LoadOptions.of(self.settings, encoder.picture_side)


def _parsed(query: str | Sequence[str] | Query) -> Query:
    return query if isinstance(query, Query) else parse_query(query)
