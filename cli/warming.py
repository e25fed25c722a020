"""The encoder of a search, opened while all else is imported."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bindsearch.modality import Modality
from bindsearch.query import Query, TermKind

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.encoders import Encoder
    from bindsearch.settings import Settings


class WarmEncoder:
    """Opens the encoder of the space that will most likely answer, at once and in another thread.

    Loading weights, importing SQLAlchemy and building the query's grammar do not wait for one another: the
    first two take a third of a second each, the last a tenth. Use as a context manager.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        from bindsearch.index.peek import peek_answering

        self._threads = settings.workers
        self._name = peek_answering(folder) or settings.space
        self._pool = ThreadPoolExecutor(1)
        self._first = self._pool.submit(self._open, self._name)
        self._encoder = self._first

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A query that is refused is refused at once; what is being loaded is of no use to anybody.
        self._pool.shutdown(wait=fault is None, cancel_futures=True)

    def __call__(self, name: str) -> Encoder:
        return self._encoder.result() if name == self._name else self._open(name)

    def expect(self, query: Query) -> None:
        """Load the tower for words, too, if the query has any."""
        if any(term.kind is TermKind.TEXT for term in query.leaves()):
            self._encoder = self._pool.submit(self._warm)

    def _warm(self) -> Encoder:
        encoder = self._first.result()
        encoder.warm(Modality.TEXT)
        return encoder

    def _open(self, name: str) -> Encoder:
        from bindsearch.encoders import open_encoder

        return open_encoder(name, threads=self._threads)
