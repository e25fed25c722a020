"""The desk: requests in, records out, by one library that all threads share.

Names of files are read from where the asker stands. Who asks over TCP stands in the root folder and may name
only files that the catalog holds.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bindsearch import here
from bindsearch.answers import WITHIN
from bindsearch.errors import BindsearchError, QueryError
from bindsearch.index.paths import descends
from bindsearch.index.wishing import filter_of
from bindsearch.ingest.library import Library
from bindsearch.ingest.serving.models import AroundAsked, Asked, SearchAsked, SequenceAsked
from bindsearch.modality import Modality
from bindsearch.query import Query, parse_query
from bindsearch.remote.wire import answer_record, neighbour_record, sequence_record

_ROOT = os.sep


class Desk:
    """Answers for one library; every method may be called from any thread. ``far`` tells of TCP."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._drawing = threading.Lock()
        self._used_at = time.monotonic()
        self._counting = threading.Lock()
        self.searches = 0

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the encoders in memory."""
        return self._library.encoders.names

    def warm(self) -> None:
        """Load what a search in words needs; does without what cannot be loaded."""
        with suppress(BindsearchError, OSError):
            self._library.encoder.warm(Modality.TEXT)
            self._library.search("anything at all", 1)
            gc.collect()
            gc.freeze()  # what is loaded now stays; looking through it for garbage would hold searches up

    def unload_idle(self, seconds: float) -> bool:
        """Let go of encoders if nobody has searched for so long; whether there were any."""
        if time.monotonic() - self._used_at < seconds or not self._library.encoders.names:
            return False
        self._library.encoders.unload()
        gc.unfreeze()
        gc.collect()
        _give_memory_back()
        return True

    def search(self, asked: SearchAsked, far: bool) -> dict[str, Any]:
        """See Library.search."""
        with self._standing(asked, far):
            query = _query(asked.query, asked)
            wanted = filter_of(asked.wishes.wishes())
            return answer_record(self._library.search(query, asked.k, wanted, asked.options.options()))

    def search_sequence(self, asked: SequenceAsked, far: bool) -> dict[str, Any]:
        """See Library.search_sequence."""
        with self._standing(asked, far):
            queries = [_query(query, asked) for query in asked.queries]
            wanted = filter_of(asked.wishes.wishes(), sequence=True)
            within = WITHIN if asked.within is None else asked.within
            found = self._library.search_sequence(
                queries, asked.k, wanted, within=within, all_moments=asked.all_moments
            )
        return {"sequences": [sequence_record(one) for one in found]}

    def search_around(self, asked: AroundAsked, far: bool) -> dict[str, Any]:
        """See Library.search_around."""
        with self._standing(asked, far):
            query = None if asked.query is None else _query(asked.query, asked)
            wanted = filter_of(asked.wishes.wishes())
            within = WITHIN if asked.within is None else asked.within
            found = self._library.search_around(asked.hit, within, query, k=asked.k, wanted=wanted)
        return {"neighbours": [neighbour_record(one) for one in found]}

    def preview(self, segment_id: int, side: int) -> Path:
        """See Library.preview; one is drawn at a time."""
        with self._drawing:
            return self._library.preview(segment_id, side)

    def paths_of_roots(self, paths: Sequence[str], far: bool) -> list[Path]:
        """``paths`` of a rescan, checked. Raises QueryError for one that is not absolute.

        From afar also for one that lies below no root, whether it is there or not.
        """
        roots = [os.fspath(root.path) for root in self._library.roots()] if far and paths else []
        for path in paths:
            if "\0" in path or os.path.normpath(path) != path or not os.path.isabs(path):  # noqa: PTH117
                raise QueryError("this is not an absolute path", subject=path)
            if far and not any(descends(path, root) for root in roots):
                raise QueryError("this lies in no root of the library", subject=path)
        return [Path(path) for path in paths]

    @contextmanager
    def _standing(self, asked: Asked, far: bool) -> Iterator[None]:
        self._used_at = time.monotonic()
        with self._counting:
            self.searches += 1
        folder = asked.folder or _ROOT
        if far and (asked.folder is not None or asked.stdin is not None):
            raise QueryError("only who asks on the socket stands in a folder")
        for path in (folder, asked.stdin or _ROOT):
            if "\0" in path or not os.path.isabs(path):  # noqa: PTH117
                raise QueryError("this is not an absolute path", subject=path)
        with here.standing(folder, self._library.holds if far else None):
            yield
        self._used_at = time.monotonic()


def _query(asked: str | list[str], request: Asked) -> Query:
    query = parse_query(asked)
    return replace(query, stdin=None if request.stdin is None else Path(request.stdin))


def _give_memory_back() -> None:
    """Let the C library return what is free; it keeps some hundred megabytes of weights otherwise."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
