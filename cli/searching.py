"""``bindsearch search``: a query in, hits out."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.answering import OutputOptions, RankingOptions, write_answer
from bindsearch.cli.common import Context, one_line_errors
from bindsearch.cli.filtering import FilterOptions
from bindsearch.cli.following import SequenceOptions
from bindsearch.cli.options import expanded
from bindsearch.cli.reaching import find_daemon, preview_of, spooled
from bindsearch.cli.wording import WordOptions
from bindsearch.errors import DaemonGone, QueryError
from bindsearch.wishes import timespan_within

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.answers import Answer


@expanded
@one_line_errors
def search(
    context: typer.Context,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY...", help="Words, files, or a sum of them with + and -.", show_default=False
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits.")] = 10,
    *,
    filters: FilterOptions,
    sequence: SequenceOptions,
    words: WordOptions,
    ranking: RankingOptions,
    output: OutputOptions,
) -> None:
    """Find moments by words, by a file, or by a sum of both.

    A term is words ("a dog on the beach"), a file (photo.jpg), a span of one (clip.mp4[1:20-1:25]), or a
    segment (@1234); + adds a term, - takes it away, a weight before it counts it more or less
    (0.5*"snow"), and parentheses group. An argument that names a file is that file; text: before it makes
    it words, audio: or image: asks with a film's sound or pictures, and - alone reads a file from standard
    input.

    Hits are ranked by how far they stand out of what such a query scores with items of their modality; the
    cosine, at most 1, stands beside it. Where nothing reaches --level, that is said: the library most likely
    holds no answer. Exit code 1 says that nothing was found.

    Example:

        bindsearch search "a dog on the beach" -k 5

        bindsearch search photo.jpg + "at night" - 0.5*"people" --type image --since 2024

        bindsearch search 'clip.mp4[1:20-1:25] - 0.5*(cars + "a crowd")'

        bindsearch search "birthday cake" --when "last summer" --near 52.5,13.4 --within 5km

        bindsearch search "barking" --then "a door" --within 10m

        bindsearch search "birthday cake" -0 | xargs -0 open
    """
    gc.disable()  # one search leaves little garbage, and looking for it takes a tenth of its time
    near, follows = bool(filters.near), sequence.is_sequence
    if sequence.asked:
        from bindsearch.cli.sequencing import run

        within = timespan_within(filters.within or (), near=near, sequence=follows)
        run(
            context,
            query or [],
            sequence,
            within,
            filters.wishes(),
            all_moments=ranking.all_moments,
            as_json=output.as_json,
            paths=output.paths,
            null=output.null,
            level=ranking.level,
        )
        return
    if not query:
        raise QueryError("the query is empty", hint='write what to find, as in "a dog on the beach"')
    words.check()
    daemon = find_daemon(context.obj, output.prepare)
    if daemon is not None:
        with daemon, spooled([] if words.exact else [query], filters.filter) as stdin:
            try:
                options = ranking.options(words)
                answer = daemon.search(query, k, filters.wishes(), options, stdin=stdin)
            except DaemonGone:
                answer = _search(context.obj, query, k, filters, words, ranking, stdin)
        write_answer(context, answer, output, preview_of(context.obj, daemon))
        return
    answer = _search(context.obj, query, k, filters, words, ranking)
    with context.obj.open() as library:  # which opens nothing unless a preview is asked for
        write_answer(context, answer, output, library.preview)


def _search(
    context: Context,
    query: list[str],
    k: int,
    filters: FilterOptions,
    words: WordOptions,
    ranking: RankingOptions,
    stdin: Path | None = None,
) -> Answer:
    """The hits, without a daemon; whatever is slow to import is imported while weights are being loaded.

    ``stdin`` is the file that holds what came over standard input, if that was read before.
    """
    if words.exact:
        with context.open() as library:
            return library.search(query, k, filters.filter(), ranking.options(words))
    from bindsearch.cli.standard_input import with_stdin
    from bindsearch.cli.warming import WarmEncoder
    from bindsearch.query import parse_query

    with WarmEncoder(context.folder(), context.settings()) as warm:
        parsed = replace(parse_query(query), stdin=stdin)
        warm.expect(parsed)
        from bindsearch.ingest.library import Library

        chosen, options = filters.filter(), ranking.options(words)
        with with_stdin(parsed) as asked, Library.open(context.folder(), opener=warm) as library:
            return library.search(asked, k, chosen, options)
