"""The daemon of the library, where there is one: a search asks it first, and itself if it does not answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from bindsearch.cli.common import Context

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.remote.client import Daemon

# A query that does not look so does not ask for standard input; one that does is parsed to be sure.
_MAY_BE_STDIN = re.compile(r"""\s*-\s*|.*:["']?-["']?.*""", re.DOTALL)


def find_daemon(context: Context, meanwhile: Callable[[], object] | None = None) -> Daemon | None:
    """The daemon that answers as this command would; ``meanwhile`` is called while it works."""
    folder = context.folder()
    from bindsearch.remote.client import Daemon

    return Daemon.find(folder, meanwhile=meanwhile)


def preview_of(context: Context, daemon: Daemon) -> Callable[[int, int], Path]:
    """Library.preview, by the daemon if it is still there."""

    def preview(segment_id: int, side: int) -> Path:
        from bindsearch.errors import DaemonGone

        try:
            return daemon.preview(segment_id, side)
        except DaemonGone:
            with context.open() as library:
                return library.preview(segment_id, side)

    return preview


@contextmanager
def spooled(
    queries: Sequence[Sequence[str]], check: Callable[[], object] = lambda: None
) -> Iterator[Path | None]:
    """The file that holds what comes over standard input, if ``queries`` ask for it; read only then.

    ``check`` is called before it is read, to find what is wrong with the rest. Raises QueryError.
    """
    if not any(_MAY_BE_STDIN.fullmatch(" ".join(query)) for query in queries):
        yield None
        return
    from bindsearch.cli.standard_input import with_stdin
    from bindsearch.query import parse_query

    with ExitStack() as opened:
        parsed = [parse_query(query) for query in queries]
        check()
        found = [opened.enter_context(with_stdin(query)).stdin for query in parsed]
        yield next((path for path in found if path is not None), None)
