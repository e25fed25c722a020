"""``bindsearch status``, ``roots`` and ``failures``: what the library holds and what it does not."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bindsearch.cli.common import Json, one_line_errors, print_json, printable, say


@one_line_errors
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what the library holds, and what its daemon does.

    Example:

        bindsearch status --json
    """
    from bindsearch.cli.standing import ask_status, doing

    with context.obj.open() as library:
        roots, spaces = library.roots(), library.spaces()
        segments = library.segments_by_modality()
        failures = len(library.failures())
        active = library.active_spaces()
    daemon = ask_status(library.folder)
    if as_json:
        print_json(
            {
                "library": str(library.folder),
                "roots": [asdict(root) for root in roots],
                "spaces": [asdict(space) for space in spaces],
                "active": asdict(active),
                "segments": segments,
                "failures": failures,
                "daemon": None if daemon is None else daemon.record(),
            }
        )
        return
    print(f"library   {printable(str(library.folder))}")
    present = sum(root.present for root in roots)
    away = sum(root.missing + root.offline for root in roots)
    print(f"files     {present:,} present, {away:,} missing or offline, in {len(roots)} roots")
    print("segments  " + (", ".join(f"{n:,} {kind}" for kind, n in sorted(segments.items())) or "none"))
    for space in spaces:
        size = f"{space.vectors:,} vectors of {space.dimensions} numbers"
        print(f"space     {space.name} {space.revision}: {size}")
    print(f"answering {printable(active.answering)}")
    if active.filling is not None:
        print(f"filling   {printable(active.filling)}: {active.filled:,} of {active.fillable:,} files")
    print(f"failures  {failures:,}")
    print("daemon    " + ("does not run" if daemon is None else doing(daemon)))
    for sentence in () if daemon is None else daemon.degraded:
        print(f"          {printable(sentence)}")


@one_line_errors
def roots(context: typer.Context, as_json: Json = False) -> None:
    """List the roots: the folders that the library watches.

    Example:

        bindsearch roots
    """
    with context.obj.open() as library:
        found = library.roots()
    for root in found:
        if as_json:
            print_json(asdict(root))
            continue
        counts = [
            (root.present, "present"),
            (root.missing, "missing"),
            (root.offline, "offline"),
            (root.failed, "failed"),
        ]
        told = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "empty"
        print(f"{printable(str(root.path))}\t{root.state}\t{told}")


@one_line_errors
def failures(
    context: typer.Context,
    unsupported: Annotated[
        bool, typer.Option("--unsupported", help="List files of kinds that are not read, instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the files that could not be taken in, with the reason.

    They are tried again when they change, or with 'bindsearch index --retry-failed'.

    Example:

        bindsearch failures --json
    """
    with context.obj.open() as library:
        found = library.failures(unsupported=unsupported)
        others = 0 if unsupported else len(library.failures(unsupported=True))
    for failure in found:
        if as_json:
            print_json(asdict(failure))
        else:
            print(f"{printable(str(failure.path))}\t{failure.stage}\t{printable(failure.reason)}")
    if not found:
        say(context, "no failures")
    if others:
        say(context, f"{others:,} files are of kinds that are not read: --unsupported lists them")
