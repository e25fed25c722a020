"""Searches of ``search`` that have to do with time: what came next, and what was about.

``run`` asks what ``SequenceOptions`` tell; ``write_sequences`` and ``write_neighbours`` print what is found:
a table on a terminal, else lines whose columns are separated by tabs, JSON lines, or paths.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from bindsearch.answers import LEVEL, WITHIN
from bindsearch.cli.common import FOUND_NOTHING, Context, print_json, printable, say
from bindsearch.cli.following import SequenceOptions
from bindsearch.cli.reaching import find_daemon, spooled
from bindsearch.cli.tables import EXCERPT, place, write_paths
from bindsearch.errors import DaemonGone
from bindsearch.when import format_instant, format_offset, parse_timespan
from bindsearch.wishes import Wishes

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.answers import Hit, MomentSequence, Neighbour
    from bindsearch.ingest.library import Library
    from bindsearch.query import Query


def run(
    context: typer.Context,
    query: Sequence[str],
    options: SequenceOptions,
    within: str | None = None,
    wishes: Wishes | None = None,
    *,
    all_moments: bool = False,
    as_json: bool = False,
    paths: bool = False,
    null: bool = False,
    level: float | None = None,
) -> None:
    """Ask what ``options`` ask, and print what is found; ends the command where that is nothing.

    ``query`` is the arguments of the command, ``within`` a span of time as it was written. Of neighbours all
    are printed unless ``-k`` is given. Where no sequence has a standing of ``level``, that is said. Raises
    QueryError.
    """
    output = {"as_json": as_json, "paths": paths, "null": null}
    k = context.params["k"]
    if options.is_sequence:
        limit = None if within is None else parse_timespan(within)
        asked = _Sequences(options.queries(query), k, wishes or Wishes(), limit, all_moments)
        sequences = asked.find(context.obj)
        _end_unless(sequences, context)

        best, level = sequences[0].standing, LEVEL if level is None else level
        if best is not None and best < level:
            say(context, f"nothing stands out: the best sequence stands at {best:.1f}, below {level:g}")
        write_sequences(sequences, before=options.before is not None, **output)
    elif options.around is not None:
        source = context.get_parameter_source("k")
        most = None if source is None or source.name == "DEFAULT" else k
        around = _Neighbours(*options.around, [query] * bool(query), most, wishes or Wishes())
        neighbours = around.find(context.obj)
        _end_unless(neighbours, context)
        write_neighbours(neighbours, **output)


def _end_unless(found: Sequence[object], context: typer.Context) -> None:
    if not found:
        say(context, "nothing found")
        raise typer.Exit(FOUND_NOTHING)


@dataclass(frozen=True, slots=True)
class _Sequences:
    """What is asked of sequences."""

    queries: list[Sequence[str]]
    k: int
    wishes: Wishes
    within: float | None
    all_moments: bool

    def find(self, context: Context) -> list[MomentSequence]:
        """What there is, by the daemon if there is one."""
        daemon = find_daemon(context)
        if daemon is None:
            return self._alone(context)
        with daemon, spooled(self.queries) as stdin:
            try:
                return daemon.search_sequence(
                    self.queries,
                    self.k,
                    self.wishes,
                    within=self.within,
                    all_moments=self.all_moments,
                    stdin=stdin,
                )
            except DaemonGone:
                return self._alone(context, stdin)

    def _alone(self, context: Context, stdin: Path | None = None) -> list[MomentSequence]:
        with _asking(context, self.queries, stdin) as (library, asked):
            from bindsearch.index.wishing import filter_of

            wanted = filter_of(self.wishes, sequence=True)
            within = WITHIN if self.within is None else self.within
            return library.search_sequence(asked, self.k, wanted, within=within, all_moments=self.all_moments)


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """What is asked of what was about; ``queries`` is one, or none."""

    hit: str
    span: str
    queries: list[Sequence[str]]
    k: int | None
    wishes: Wishes

    def find(self, context: Context) -> list[Neighbour]:
        """What there is, by the daemon if there is one."""
        within = parse_timespan(self.span)
        daemon = find_daemon(context)
        if daemon is None:
            return self._alone(context, within)
        with daemon, spooled(self.queries) as stdin:
            try:
                return daemon.search_around(
                    self.hit, within, *self.queries, k=self.k, wishes=self.wishes, stdin=stdin
                )
            except DaemonGone:
                return self._alone(context, within, stdin)

    def _alone(self, context: Context, within: float, stdin: Path | None = None) -> list[Neighbour]:
        with _asking(context, self.queries, stdin) as (library, asked):
            from bindsearch.index.wishing import filter_of

            wanted = filter_of(self.wishes)
            return library.search_around(self.hit, within, *asked, k=self.k, wanted=wanted)


@contextmanager
def _asking(
    context: Context, queries: Sequence[Sequence[str]], stdin: Path | None
) -> Iterator[tuple[Library, list[Query]]]:
    """The library and the queries read, of which one may stand for standard input.

    ``stdin`` is the file that holds what came over it, if that was read before.
    """
    from bindsearch.cli.standard_input import with_stdin
    from bindsearch.cli.warming import WarmEncoder
    from bindsearch.query import parse_query

    with ExitStack() as opened:
        warm = opened.enter_context(WarmEncoder(context.folder(), context.settings()))
        parsed = [replace(parse_query(query), stdin=stdin) for query in queries]
        for one in parsed:
            warm.expect(one)
        from bindsearch.ingest.library import Library

        asked = [opened.enter_context(with_stdin(one)) for one in parsed]
        yield opened.enter_context(Library.open(context.folder(), opener=warm)), asked


def write_sequences(
    found: Sequence[MomentSequence],
    *,
    as_json: bool = False,
    paths: bool = False,
    null: bool = False,
    before: bool = False,
) -> None:
    """Print sequences. With ``before`` the last moment of each is a condition, and not among the paths."""
    if as_json:
        for sequence in found:
            print_json(_record(sequence))
    elif paths or null:
        wanted = (moment for one in found for moment in one.moments[: -1 if before else None])
        write_paths((moment.path for moment in wanted), null=null)
    elif sys.stdout.isatty():
        _sequence_table(found)
    else:
        for sequence in found:
            cells = [cell for moment in _steps(sequence) for cell in moment]
            _write_line([f"{sequence.rank:.3f}", *cells])


def write_neighbours(
    found: Sequence[Neighbour], *, as_json: bool = False, paths: bool = False, null: bool = False
) -> None:
    """Print what was about: in time order, or ranked where a query ranked it."""
    if as_json:
        for one in found:
            print_json(asdict(one))
    elif paths or null:
        write_paths((one.path for one in found), null=null)
    elif sys.stdout.isatty():
        _neighbour_table(found)
    else:
        for one in found:
            score = [] if one.score is None else [f"{_rank(one):.3f}"]
            _write_line(
                [*score, format_signed(one.offset), one.modality, place(one), printable(str(one.path))]
            )


def format_signed(seconds: float) -> str:
    """A distance in time, to the second: ``+4:59``, ``-0:12``, ``0:00``."""
    whole = round(abs(seconds))
    return ("-" if seconds < 0 else "+") * bool(whole) + format_offset(whole)


def _steps(sequence: MomentSequence) -> Iterator[list[str]]:
    """The cells of each moment; the gap before all but the first."""
    for number, moment in enumerate(sequence.moments):
        gap = [format_signed(sequence.gaps[number - 1])] if number else []
        yield [*gap, moment.modality, place(moment), printable(str(moment.path))]


def _record(sequence: MomentSequence) -> dict[str, Any]:
    return {
        "score": round(sequence.score, 6),
        "standing": None if sequence.standing is None else round(sequence.standing, 6),
        "gaps": list(sequence.gaps),
        "moments": [asdict(moment) | {"score": round(moment.score, 6)} for moment in sequence.moments],
    }


def _rank(one: Neighbour) -> float:
    """What it was ranked by."""
    return one.standing if one.standing is not None else one.score or 0.0


def _write_line(cells: Sequence[str]) -> None:
    sys.stdout.write("\t".join(cells) + "\n")


def _sequence_table(found: Sequence[MomentSequence]) -> None:
    table = _table("score", "gap", "where", "taken", "path")
    for sequence in found:
        score = f"{sequence.rank:.3f}"
        for number, moment in enumerate(sequence.moments):
            gap = format_signed(sequence.gaps[number - 1]) if number else ""
            table.add_row(score, gap, place(moment), _taken(moment), _path(moment))
            score = ""
        table.add_section()
    _print(table)


def _neighbour_table(found: Sequence[Neighbour]) -> None:
    ranked = any(one.score is not None for one in found)
    table = _table(*["score"] * ranked, "offset", "where", "taken", "path")
    for one in found:
        score = [f"{_rank(one):.3f}"] * ranked
        table.add_row(*score, format_signed(one.offset), place(one), _taken(one), _path(one))
    _print(table)


def _table(*columns: str) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        right = name in ("score", "gap", "offset")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    return table


def _taken(one: Hit | Neighbour) -> str:
    """When the moment began, where its file says so."""
    return "-" if one.taken_at is None else format_instant(one.taken_at + (one.start or 0.0))


def _path(one: Hit | Neighbour) -> Any:
    from rich.text import Text

    path = Text(printable(str(one.path)))
    if one.text:
        path.append("\n" + printable(" ".join(one.text.split())[:EXCERPT]), style="dim")
    if one.state != "present":
        path.append(f"  ({one.state})", style="yellow")
    return path


def _print(table: Any) -> None:
    from rich.console import Console

    Console().print(table)
