"""``bindsearch watch``: the daemon in the foreground."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import one_line_errors
from bindsearch.cli.options import expanded

if TYPE_CHECKING:
    from bindsearch.settings import Settings

# A search in the library's vectors is too small a product to share out among threads, and several searches at
# once have the processors anyway. Read by NumPy's libraries when they load; the worker has bounds of its own.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What the command line says in the place of ``[watch]`` in the library's settings.toml.

    Fields are named as those of WatchSettings; None leaves what is set there.
    """

    quiet_seconds: Annotated[
        float | None,
        typer.Option(
            "--quiet-for",
            min=0.1,
            metavar="SECONDS",
            help="Take a file in when it has been quiet for so long. Default: 2.",
        ),
    ] = None
    walk_minutes: Annotated[
        float | None,
        typer.Option(
            "--walk-every",
            min=0.1,
            metavar="MINUTES",
            help="Walk all roots that often, whether anything was heard or not. Default: 10.",
        ),
    ] = None
    poll_seconds: Annotated[
        float | None,
        typer.Option(
            "--poll",
            min=0.1,
            metavar="SECONDS",
            help="Walk roots that send no events, such as network drives, that often. Default: 30.",
        ),
    ] = None
    max_load: Annotated[
        float | None,
        typer.Option(
            "--max-load",
            min=0.0,
            metavar="LOAD",
            help="Rest while others load each processor by more than this, such as 0.5; 0: never rest.",
        ),
    ] = None
    on_battery: Annotated[
        bool | None,
        typer.Option(
            "--on-battery/--no-battery",
            help="Index while on battery, too. Default: wait for the mains.",
        ),
    ] = None
    hours: Annotated[
        str | None,
        typer.Option(
            "--hours",
            metavar="SPANS",
            help='Index only then, such as "22:00-6:00"; "": at any time.',
        ),
    ] = None
    unload_minutes: Annotated[
        float | None,
        typer.Option(
            "--unload-after",
            min=0.0,
            metavar="MINUTES",
            help="Free the memory of encoders that nobody has used for so long; 0: never. Default: 15.",
        ),
    ] = None
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="Serve searches on this port of 127.0.0.1 too, to those who have the token; 0: do not.",
        ),
    ] = None

    def over(self, settings: Settings) -> Settings:
        """``settings`` with what was given here in place of theirs."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        return replace(settings, watch=replace(settings.watch, **given))


@one_line_errors
@expanded
def watch(
    context: typer.Context,
    roots: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[ROOT]...", help="Folders to add to those that the library watches."),
    ] = None,
    *,
    options: WatchOptions,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", min=0, help="Threads for decoding and encoding; 0: one for each processor."
        ),
    ] = None,
) -> None:
    """Keep the library up to date as files change, and answer searches meanwhile.

    Runs until Ctrl-C; 'bindsearch service install' has the same run in the background from login on. What is
    not given here is as [watch] in the library's settings.toml says. While this runs, 'bindsearch search'
    answers at once, since nothing has to be loaded first.

    Example:

        bindsearch watch ~/Pictures ~/Notes

        bindsearch watch --hours 22:00-6:00 --max-load 0.5
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    from bindsearch.ingest.daemon.logs import logging_to, telling
    from bindsearch.ingest.daemon.running import DaemonOptions, run

    folder = context.obj.folder()
    with logging_to(folder):
        settings = options.over(context.obj.settings())
        if threads is not None:
            settings = replace(settings, threads=threads)
        with nullcontext() if context.obj.quiet else telling(sys.stderr):
            run(folder, settings, DaemonOptions(roots=tuple(roots or ())))
