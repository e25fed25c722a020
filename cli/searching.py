"""``bindsearch search``: a query in, hits out."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import FOUND_NOTHING, Context, Json, one_line_errors, say
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.index.filters import Filter
    from bindsearch.index.hits import Hit


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

    A term is words ("a dog on the beach"), a file (photo.jpg), a span of one (clip.mp4[1:20-1:25]), or a
    segment (@1234); + adds a term, - takes it away, a weight before it counts it more or less
    (0.5*"snow"), and parentheses group. An argument that names a file is that file; text: before it makes
    it words, audio: or image: asks with a film's sound or pictures, and - alone reads a file from standard
    input. The score is the cosine between query and hit, at most 1. Exit code 1 says that nothing was
    found.

    Example:

        bindsearch search "a dog on the beach" -k 5

        bindsearch search photo.jpg + "at night" - 0.5*"people" --type image --since 2024

        bindsearch search 'clip.mp4[1:20-1:25] - 0.5*(cars + "a crowd")'

        bindsearch search "birthday cake" -0 | xargs -0 open
    """
    gc.disable()  # one search leaves little garbage, and looking for it takes a tenth of its time
    wanted = partial(_filter, types or [], folders or [], since, until, offline)
    hits = _search(context.obj, query, k, wanted, all_moments=all_moments)
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


def _search(
    context: Context, query: list[str], k: int, wanted: Callable[[], Filter], *, all_moments: bool
) -> list[Hit]:
    """The hits; whatever is slow to import is imported while weights are being loaded."""
    from bindsearch.cli.standard_input import with_stdin
    from bindsearch.cli.warming import WarmEncoder
    from bindsearch.query import parse_query

    with WarmEncoder(context.folder(), context.settings()) as warm:
        parsed = parse_query(query)
        warm.expect(parsed)
        from bindsearch.index.searching import SearchOptions
        from bindsearch.ingest.library import Library

        chosen = wanted()
        with with_stdin(parsed) as asked, Library.open(context.folder(), opener=warm) as library:
            return library.search(asked, k, chosen, SearchOptions(all_moments=all_moments))


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
