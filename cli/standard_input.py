"""Standard input as a file: what ``-`` in a query stands for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from bindsearch.errors import QueryError
from bindsearch.query import Query

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 2_000_000_000  # more than any photo or recording; a film of hours has a name of its own
_CHUNK = 1 << 20


@contextmanager
def with_stdin(query: Query, most_bytes: int = MOST_BYTES) -> Iterator[Query]:
    """``query`` with what comes over standard input in a file of its own, as long as the block lasts.

    Nothing is read unless a term asks for it, nor if the query has that file already. Raises QueryError if
    nothing comes, or too much.
    """
    term = next((term for term in query.leaves() if term.is_stdin), None)
    if term is None or query.stdin is not None:
        yield query
        return
    from pathlib import Path
    from tempfile import TemporaryDirectory

    # A folder of its own, so that no other file is taken to belong to it.
    with TemporaryDirectory(prefix="bindsearch-") as folder:
        path = Path(folder) / "stdin"
        try:
            _spool(path, most_bytes)
        except QueryError as fault:
            raise fault.at(term.position, query.expression) from None
        yield replace(query, stdin=path)


def _spool(path: Path, most_bytes: int) -> None:
    source: BinaryIO = sys.stdin.buffer
    if sys.stdin.isatty():
        hint = "pipe a file into it, or name one; text:- searches for the sign"
        raise QueryError("nothing is piped into standard input", hint=hint)
    size = 0
    try:
        with path.open("wb") as target:
            while block := source.read(_CHUNK):
                size += len(block)
                if size > most_bytes:
                    limit = f"more than {most_bytes:,} bytes come over standard input"
                    raise QueryError(limit, hint="save them in a file and name that")
                target.write(block)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise QueryError(f"standard input cannot be kept in {path.parent}: {reason}") from fault
    if not size:
        raise QueryError("nothing comes over standard input", hint="pipe a file into it")
