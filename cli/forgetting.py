"""``bindsearch forget``: what goes out of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bindsearch.cli.common import USAGE, count_files, one_line_errors, say


@one_line_errors
def forget(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Roots, folders or files.")
    ] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Forget all files that are missing from folders still there.")
    ] = False,
) -> None:
    """Take paths out of the library. Files on disk are never touched.

    A path inside a root comes back with the next index run unless it is ignored; a root does not.

    Example:

        bindsearch forget ~/Pictures/old

        bindsearch forget --missing
    """
    if not paths and not missing:
        typer.echo("bindsearch: name paths to forget, or say --missing", err=True)
        raise typer.Exit(USAGE)
    with context.obj.open() as library:
        count = library.forget(paths or [], missing=missing)
    say(context, f"forgot {count_files(count)}")
