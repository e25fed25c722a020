"""``bindsearch search``: a query in, hits out."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import FOUND_NOTHING, Json, one_line_errors, say
from bindsearch.modality import Modality
from bindsearch.query import Query, TermKind, parse_query

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.encoders import Encoder
    from bindsearch.index.filters import Filter
    from bindsearch.settings import Settings


@one_line_errors
def search(
    context: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY...", help="Words, files, or a sum of them with + and -.", show_default=False
        ),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    types: Annotated[
        list[Modality] | None, typer.Option("--type", help="Only this kind; may be given several times.")
    ] = None,
    folders: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="PATH", help="Only files at or below this path; may be repeated."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='Only from then on: 2024, 2024-06, yesterday, "3 days ago".'),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only up to the end of then; as --since.")
    ] = None,
    all_moments: Annotated[
        bool, typer.Option("--all-moments", help="Every segment that fits, not only the best of each file.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Also files on roots that are not there now.")
    ] = False,
    as_json: Json = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print paths only, one a line.")] = False,
    null: Annotated[bool, typer.Option("--null", "-0", help="As --paths, each ended by a NUL byte.")] = False,
    thumbnails: Annotated[
        bool | None,
        typer.Option(
            "--thumbnails/--no-thumbnails", help="Pictures in the table. Default: if the terminal can."
        ),
    ] = None,
) -> None:
    """Find moments by words, by a file, or by a sum of both.

    A term is words ("a dog on the beach") or a file (photo.jpg); + adds a term, - takes it away, and a
    weight before it counts it more or less (0.5*"snow"). An argument that names a file is that file;
    text: before it makes it words. The score is the cosine between query and hit, at most 1. Exit
    code 1 says that nothing was found.

    Example:

        bindsearch search "a dog on the beach" -k 5

        bindsearch search photo.jpg + "at night" - 0.5*"people" --type image --since 2024

        bindsearch search "birthday cake" -0 | xargs -0 open
    """
    gc.disable()  # one search leaves little garbage, and looking for it takes a tenth of its time
    with ThreadPoolExecutor(1) as pool:
        # Loading weights and importing SQLAlchemy each take a third of a second, and do not wait for
        # one another.
        warm = _WarmEncoder(pool, context.obj.folder(), context.obj.settings(), parse_query(query))
        from bindsearch.ingest.library import Library

        wanted = _filter(types or [], folders or [], since, until, offline)
        with Library.open(context.obj.folder(), opener=warm) as library:
            hits = library.search(query, k, wanted, all_moments=all_moments)
    if not hits:
        say(context, "nothing found")
        raise typer.Exit(FOUND_NOTHING)
    from bindsearch.cli.tables import write_hits, write_json_hits, write_paths

    if as_json:
        write_json_hits(hits)
    elif paths or null:
        write_paths(hits, null=null)
    else:
        with context.obj.open() as library:  # which opens nothing unless a preview is asked for
            write_hits(hits, thumbnails, library.preview)


class _WarmEncoder:
    """Opens the encoder of the space that will most likely answer, at once and in another thread.

    The tower for words is loaded, too, if the query has any.
    """

    def __init__(self, pool: ThreadPoolExecutor, folder: Path, settings: Settings, query: Query) -> None:
        from bindsearch.index.peek import peek_answering

        self._threads = settings.workers
        self._name = peek_answering(folder) or settings.space
        has_words = any(term.kind is TermKind.TEXT for term in query.terms)
        self._encoder = pool.submit(self._load, has_words)

    def __call__(self, name: str) -> Encoder:
        return self._encoder.result() if name == self._name else self._open(name)

    def _load(self, has_words: bool) -> Encoder:
        encoder = self._open(self._name)
        if has_words:
            encoder.warm(Modality.TEXT)
        return encoder

    def _open(self, name: str) -> Encoder:
        from bindsearch.encoders import open_encoder

        return open_encoder(name, threads=self._threads)


def _filter(
    types: list[Modality], folders: list[str], since: str | None, until: str | None, offline: bool
) -> Filter:
    import os
    from pathlib import Path

    from bindsearch.index.filters import Filter
    from bindsearch.when import parse_instant

    return Filter(
        modalities=frozenset(types),
        folders=tuple(os.path.abspath(Path(folder).expanduser()) for folder in folders),  # noqa: PTH100
        since=None if since is None else parse_instant(since, end=False),
        until=None if until is None else parse_instant(until, end=True),
        offline=offline,
    )
