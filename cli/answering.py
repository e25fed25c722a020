"""Options of ``search`` that say how hits are ranked, told apart and printed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import FOUND_NOTHING, Json, say
from bindsearch.cli.options import bundle
from bindsearch.cli.wording import WordOptions, ranked_by
from bindsearch.options import SearchOptions

if TYPE_CHECKING:
    from bindsearch.answers import Answer


@bundle
class RankingOptions:
    """How hits are ranked, and which of them are hits of their own."""

    all_moments: Annotated[
        bool, typer.Option("--all-moments", help="Every segment that fits, not only the best of each file.")
    ] = False
    duplicates: Annotated[
        bool,
        typer.Option("--show-duplicates", help="Also hits that are nearly the same as a better one."),
    ] = False
    by_cosine: Annotated[
        bool, typer.Option("--by-cosine", help="Rank by the bare cosine, not by how far a hit stands out.")
    ] = False
    level: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="From which standing on a hit stands out. Default: 4."),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Only hits that stand out; none of them is exit code 1.")
    ] = False

    def options(self, words: WordOptions) -> SearchOptions:
        """What the library is told."""
        return SearchOptions(
            words=words.words,
            exact=words.exact,
            all_moments=self.all_moments,
            duplicates=self.duplicates,
            by_cosine=self.by_cosine,
            level=self.level,
            strict=self.strict,
        )


@bundle
class OutputOptions:
    """In what form hits are printed."""

    as_json: Json = False
    paths: Annotated[bool, typer.Option("--paths", help="Print paths only, one a line.")] = False
    null: Annotated[bool, typer.Option("--null", "-0", help="As --paths, each ended by a NUL byte.")] = False
    thumbnails: Annotated[
        bool | None,
        typer.Option(
            "--thumbnails/--no-thumbnails", help="Pictures in the table. Default: if the terminal can."
        ),
    ] = None

    @property
    def is_for_people(self) -> bool:
        """Whether hits are printed as people read them, not as programs do."""
        return not (self.as_json or self.paths or self.null)

    def prepare(self) -> None:
        """Import what prints hits, before there are any."""
        import bindsearch.cli.tables  # noqa: F401

        if self.is_for_people and sys.stdout.isatty():
            import rich.console
            import rich.table  # noqa: F401


def write_answer(
    context: typer.Context, answer: Answer, output: OutputOptions, preview: Callable[[int, int], Path]
) -> None:
    """Print the hits, and say where none of them stands out; ends the command where there are none."""
    from bindsearch.cli.tables import write_hits, write_json_hits, write_paths

    weak = answer.best is not None and not answer.stands_out
    if not answer:
        say(context, _weakness(answer) if weak else "nothing found")
        raise typer.Exit(FOUND_NOTHING)
    if output.as_json:
        write_json_hits(answer)
    elif output.paths or output.null:
        write_paths((hit.path for hit in answer), null=output.null)
    else:
        write_hits(answer, output.thumbnails, preview)
    sys.stdout.flush()
    if output.is_for_people or not answer.has_vectors:
        say(context, ranked_by(answer.used, has_vectors=answer.has_vectors))
    if answer.judged and weak:
        say(context, _weakness(answer))


def _weakness(answer: Answer) -> str:
    return f"nothing stands out: the best standing is {answer.best or 0:.1f}, below {answer.level:g}"
