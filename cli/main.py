"""The ``bindsearch`` command. Nothing heavy is imported here: each command imports what it needs.

Results go to stdout and all else to stderr. Exit codes: 0 done or hits found, 1 nothing found or a file to
inspect that cannot be read, 2 the command or the query cannot be understood or names something that is not
there, 3 the library is damaged or busy, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from bindsearch import __version__
from bindsearch.cli.common import Context
from bindsearch.cli.lazy import STYLE, LazyGroup

app = typer.Typer(name="bindsearch", cls=LazyGroup, no_args_is_help=True, **STYLE)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bindsearch {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    library: Annotated[
        str | None,
        typer.Option(
            envvar="BINDSEARCH_LIBRARY",
            metavar="FOLDER",
            help="The library to work with. Default: the one in your data folder.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find a moment again in folders of photos, films and notes: with words, with a file, or a sum of them.

    Example:

        bindsearch index ~/Pictures

        bindsearch search "a dog on the beach"

        bindsearch search photo.jpg + "at night" - "people"
    """
    context.obj = Context(library=library, quiet=quiet)


def main() -> None:
    """The entry point of the ``bindsearch`` command."""
    try:
        app()
    except SystemExit as end:
        _leave(end.code)


def _leave(code: str | int | None) -> NoReturn:
    """End the process at once, everything being closed and committed by now.

    Taking apart what a search has imported would keep the caller waiting for a tenth of a second.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
