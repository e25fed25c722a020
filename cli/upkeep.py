"""``bindsearch verify``, ``repair``, ``compact``, ``backup`` and ``restore``: keeping a library sound."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import LIBRARY, Json, one_line_errors, print_json, printable, say

if TYPE_CHECKING:
    from bindsearch.index.upkeep.findings import Finding

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@one_line_errors
def verify(
    context: typer.Context,
    files: Annotated[bool, typer.Option("--files", help="Look at every file that is present, too.")] = False,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read every file through: finds bytes that have rotted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the catalog, vectors, words and vector indexes against each other.

    Changes nothing, and may run while files are indexed. Ends with 0 if the library is sound and with 3 if
    anything is damaged; gaps that the next index run fills, and files that have changed, are told and are no
    damage.

    Example:

        bindsearch verify --files
    """
    from bindsearch.index.upkeep.findings import Severity
    from bindsearch.index.upkeep.verifying import verify as look

    found = damaged = 0
    for finding in look(context.obj.folder(), files=files, contents=contents):
        found += 1
        damaged += finding.severity is Severity.DAMAGE
        _print_finding(finding, as_json)
    if damaged:
        raise typer.Exit(LIBRARY)
    say(context, "the library is sound" if not found else "nothing is damaged")


@one_line_errors
def repair(context: typer.Context, as_json: AsJson = False) -> None:
    """Put right what 'bindsearch verify' finds, as far as that loses nothing.

    A catalog that cannot be read as a whole is salvaged row by row into a new one, and kept beside it. What
    only the files can tell is read from them by the next 'bindsearch index'.

    Example:

        bindsearch repair
    """
    from bindsearch.index.upkeep.findings import Severity
    from bindsearch.index.upkeep.repairing import repair as put_right

    report = put_right(context.obj.folder(), index_kind=context.obj.settings().vector_index)
    if as_json:
        print_json(asdict(report))
    else:
        for line in report.done:
            print(printable(line))
        for path in report.kept:
            print(f"kept as it was: {printable(str(path))}")
        for finding in report.left:
            _print_finding(finding, as_json=False)
    if any(finding.severity is Severity.DAMAGE for finding in report.left):
        raise typer.Exit(LIBRARY)
    if not report.done:
        say(context, "there was nothing to repair")


@one_line_errors
def compact(context: typer.Context, as_json: AsJson = False) -> None:
    """Give room that the library does not use back to the disk.

    Needs twice the catalog's size free meanwhile. Searching may go on; indexing waits.

    Example:

        bindsearch compact
    """
    from bindsearch.index.disk import in_megabytes
    from bindsearch.index.upkeep.compacting import compact as rewrite

    report = rewrite(context.obj.folder(), index_kind=context.obj.settings().vector_index)
    if as_json:
        print_json(asdict(report))
        return
    before, after = in_megabytes(report.before), in_megabytes(report.after)
    print(f"{before} before, {after} now: {in_megabytes(max(0, report.before - report.after))} freed")
    if not report.alone:
        say(context, "others have the library open: marks of vectors that are gone stay until next time")
    elif report.tombstones:
        print(f"{report.tombstones:,} marks of vectors that are gone were dropped")


@one_line_errors
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write; an older backup there is replaced.")],
    as_json: AsJson = False,
) -> None:
    """Write the library to one file, while it is used.

    The file holds all that the library knows, and its settings; the files that it knows of are not in it.

    Example:

        bindsearch backup /mnt/disk/library.backup
    """
    from bindsearch.index.disk import in_megabytes
    from bindsearch.index.upkeep.backing import back_up

    report = back_up(context.obj.folder(), file.expanduser())
    if as_json:
        print_json(asdict(report))
        return
    held = f"{report.contents:,} contents, {report.segments:,} segments"
    print(f"{printable(str(report.path))}: {in_megabytes(report.size)}, {held}")


@one_line_errors
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that 'bindsearch backup' wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the library that is there; it is kept beside.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the library that a backup holds in force.

    A backup that is damaged is refused, and so is a library that is there already unless --force is given.

    Example:

        bindsearch restore /mnt/disk/library.backup
    """
    from bindsearch.index.upkeep.backing import restore as take_back

    report = take_back(file.expanduser(), context.obj.folder(), force=force)
    if as_json:
        print_json(asdict(report))
        return
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.made_at))
    print(f"restored {report.contents:,} contents, {report.segments:,} segments, as of {made}")
    for path in report.kept:
        print(f"kept as it was: {printable(str(path))}")
    say(context, "'bindsearch index' brings it up to date")


def _print_finding(finding: Finding, as_json: bool) -> None:
    if as_json:
        print_json(asdict(finding))
        return
    told = f"{finding.severity}\t{finding.check}\t{printable(finding.where)}\t{printable(finding.problem)}"
    print(f"{told}\t{printable(finding.remedy)}", flush=True)
