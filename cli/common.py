"""What all commands share: opening the library, errors as one line, output as JSON."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from bindsearch.errors import BindsearchError, LibraryError, LibraryMissing, QueryError

if TYPE_CHECKING:
    from pathlib import Path

    from bindsearch.index.active import ActiveSpaces
    from bindsearch.ingest.library import Library
    from bindsearch.settings import Settings

P = ParamSpec("P")

FOUND_NOTHING = 1
USAGE = 2
LIBRARY = 3
INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


@dataclass(frozen=True, slots=True)
class Context:
    """The options before the command's name."""

    library: str | None
    quiet: bool

    def folder(self) -> Path:
        """The folder of the library that these options name."""
        from bindsearch.folders import library_folder

        return library_folder(self.library)

    def settings(self) -> Settings:
        """The settings of that library."""
        from bindsearch.settings import Settings

        return Settings.of(self.folder())

    def open(self) -> Library:
        """That library."""
        from bindsearch.ingest.library import Library

        return Library.open(self.folder())


def say(context: typer.Context, message: str) -> None:
    """A line for the person at the terminal, on stderr; silent with --quiet."""
    if not context.obj.quiet:
        typer.echo(message, err=True)


def one_line_errors(command: Callable[P, None]) -> Callable[P, None]:
    """End ``command`` with one clear line and a fitting exit code instead of a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BindsearchError as error:
            typer.echo(f"bindsearch: {printable(str(error))}", err=True)
            if isinstance(error, QueryError) and error.expression and error.position is not None:
                from bindsearch.cli.pointing import point

                typer.echo(point(error.expression, error.position), err=True)
            raise typer.Exit(_exit_code(error)) from None
        except KeyboardInterrupt:
            typer.echo("bindsearch: interrupted; what was finished is kept", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader, such as head, has seen enough. Python would complain once more on exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
                raise
            told = f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
            typer.echo(f"bindsearch: {printable(told)} (what was finished is kept)", err=True)
            raise typer.Exit(LIBRARY) from None

    return wrapped


def count_files(count: int) -> str:
    """So many files, in words."""
    return "1 file" if count == 1 else f"{count:,} files"


def filling_state(active: ActiveSpaces) -> str:
    """How far the space that is being filled is, in words."""
    state = f"{active.filled:,} of {count_files(active.fillable)} are in {active.filling}"
    return printable(f"{state}; until all are, {active.answering} answers searches")


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own; paths that are not UTF-8 keep their bytes as surrogates."""
    import json

    sys.stdout.write(json.dumps(record, default=str) + "\n")


def printable(text: str) -> str:
    """``text`` on one line that any terminal can show."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def write_path(path: os.PathLike[str], end: bytes) -> None:
    """A path's own bytes on stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + end)
    sys.stdout.buffer.flush()


def _exit_code(error: BindsearchError) -> int:
    at_fault = isinstance(error, LibraryError) and not isinstance(error, LibraryMissing)
    return LIBRARY if at_fault else USAGE
