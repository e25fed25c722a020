"""``bindsearch index``: what goes into the library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import (
    Json,
    count_files,
    filling_state,
    one_line_errors,
    print_json,
    printable,
    say,
)

if TYPE_CHECKING:
    from bindsearch.ingest.progress import RunReport


@one_line_errors
def index(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Folders or files. Default: all roots of the library."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that failed before and have not changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take folders into the library, or bring it up to date.

    Only what is new is read: a file whose bytes are known, wherever it has moved, costs no decoding. What
    should stay out goes into .bindsearchignore files, in gitignore syntax. Safe to interrupt at any moment.

    Example:

        bindsearch index ~/Pictures ~/Films

        bindsearch index
    """
    from bindsearch.cli.progress import run_progress

    library = context.obj.open()
    with library, run_progress(quiet=context.obj.quiet) as progress:
        report = library.index(paths or [], retry_failed=retry_failed, progress=progress)
        active = library.active_spaces()
    if as_json:
        print_json(asdict(report))
    for line in _summary(report):
        say(context, line)
    if active.filling is not None:
        say(context, filling_state(active))


def _summary(report: RunReport) -> list[str]:
    parts = [
        (report.indexed, "indexed"),
        (report.recognised + report.moved, "recognised without decoding"),
        (report.unchanged, "unchanged"),
        (report.missing, "missing"),
        (report.failed + report.failing, "failed"),
        (report.unsupported, "of kinds that are not read"),
        (report.parts, "read with the file they belong to"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in parts if count) or "nothing there"
    lines = [f"{count_files(report.seen)} in {report.seconds:.1f} s: {told}"]
    lines += [f"offline: {printable(str(root))}" for root in report.offline_roots]
    lines += [
        f"{count:,} segments of {modality} without vectors: the space does not embed them"
        for modality, count in sorted(report.set_aside.items())
    ]
    if report.failed + report.failing:
        lines.append("'bindsearch failures' lists what failed and why")
    return lines
