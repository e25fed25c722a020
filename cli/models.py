"""``bindsearch models``: the spaces that this installation can embed into, and how to get more of them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import (
    LIBRARY,
    USAGE,
    Json,
    filling_state,
    one_line_errors,
    print_json,
    printable,
    say,
)
from bindsearch.cli.lazy import STYLE
from bindsearch.errors import EncoderError, LibraryError

if TYPE_CHECKING:
    from bindsearch.encoders import SpaceInfo
    from bindsearch.models.manifest import ModelManifest

app = typer.Typer(invoke_without_command=True, add_completion=False, **STYLE)

ModelId = Annotated[str, typer.Argument(metavar="ID", help="The model, as 'models list' calls it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Accept the licence without being asked.")]
Sha256 = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="The checksum that the file must have instead of the known one."),
]


@app.callback()
def default(context: typer.Context) -> None:
    """List, fetch, check and choose models.

    Example:

        bindsearch models list
    """
    if context.invoked_subcommand is None:
        _write_list(as_json=False)


@app.command("list")
@one_line_errors
def list_models(as_json: Json = False) -> None:
    """List the models that are installed and those that can be pulled.

    Example:

        bindsearch models list --json
    """
    _write_list(as_json=as_json)


@app.command("pull")
@one_line_errors
def pull_model(
    context: typer.Context,
    model_id: ModelId,
    yes: Yes = False,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="BINDSEARCH_MIRROR",
            metavar="URL",
            help="Fetch from there: a folder that holds the checkpoint, or the checkpoint itself.",
        ),
    ] = None,
    sha256: Sha256 = None,
) -> None:
    """Fetch a model, check it and install it. Shows its licence, which must be accepted.

    Safe to interrupt: the next pull goes on where this one stopped. Needs no network afterwards.

    Example:

        bindsearch models pull imagebind-huge

        bindsearch models pull imagebind-huge --yes --mirror https://mirror.example/imagebind
    """
    from bindsearch.models import shelf
    from bindsearch.models.install import address, pull

    offer = shelf.offer_of(model_id)
    if _is_installed(model_id):
        say(context, f"{model_id} is installed already; 'bindsearch models verify' checks it")
        return
    _accept(offer, yes)
    say(context, f"from {printable(address(offer, mirror))}")
    from bindsearch.cli.transfer import watching

    with watching(quiet=context.obj.quiet) as watcher:
        model = pull(offer, mirror=mirror, sha256=sha256, watcher=watcher)
    _tell_installed(context, model)


@app.command("add")
@one_line_errors
def add_model(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(metavar="ID|FOLDER", help="The model, or a folder made by 'bindsearch bind'."),
    ],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Its checkpoint: .pth or .safetensors.")
    ] = None,
    yes: Yes = False,
    sha256: Sha256 = None,
) -> None:
    """Install a model from what is on this machine already: a checkpoint, or a folder that was bound here.

    The file or the folder is left as it is.

    Example:

        bindsearch models add imagebind-huge ~/Downloads/imagebind_huge.pth

        bindsearch models add ./radar
    """
    if file is None:
        _add_folder(context, Path(model).expanduser())
    else:
        _add_checkpoint(context, model, file.expanduser(), yes, sha256)


def _add_folder(context: typer.Context, folder: Path) -> None:
    from bindsearch.cli.transfer import watching
    from bindsearch.models.install import add_folder

    if not folder.is_dir():
        hint = "name a model and its checkpoint, or a folder that 'bindsearch bind' has made"
        raise EncoderError("no such folder", subject=str(folder), hint=hint)
    with watching(quiet=context.obj.quiet) as watcher:
        model = add_folder(folder, watcher=watcher)
    say(context, printable(f"installed {model.id}; its licence: {model.licence}"))
    say(context, f"'bindsearch models use {model.id}' makes it the library's")


def _add_checkpoint(context: typer.Context, model_id: str, file: Path, yes: bool, sha256: str | None) -> None:
    from bindsearch.cli.transfer import watching
    from bindsearch.models import shelf
    from bindsearch.models.install import add

    offer = shelf.offer_of(model_id)
    _accept(offer, yes)
    with watching(quiet=context.obj.quiet) as watcher:
        model = add(offer, file, sha256=sha256, watcher=watcher)
    _tell_installed(context, model)


@app.command("verify")
@one_line_errors
def verify_models(
    model_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only this one. Default: all that are installed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read every weight file and compare it with its checksum. Exit code 3 if one is damaged.

    Example:

        bindsearch models verify

        bindsearch models verify imagebind-huge
    """
    from bindsearch.encoders import describe_space
    from bindsearch.models import shelf

    there = ["compact", *shelf.installed_ids()]
    if model_id is not None and model_id not in there:
        shelf.installed(model_id)  # says what is wrong
    wanted = there if model_id is None else [model_id]
    spaces = [describe_space(name, verify=True) for name in wanted]
    _write(spaces, "verified", as_json=as_json)
    if not all(space.installed for space in spaces):
        raise typer.Exit(LIBRARY)


@app.command("use")
@one_line_errors
def use_model(context: typer.Context, model_id: ModelId) -> None:
    """Make a model the library's own. The next 'bindsearch index' fills the library with its vectors.

    Until that is complete, searches are answered by the model before; a model whose vectors are all there
    answers at once. ID@PRECISION, as in imagebind-huge@bfloat16, chooses a precision.

    Example:

        bindsearch models use imagebind-huge
    """
    from bindsearch.encoders.registry import is_folder

    if is_folder(model_id):
        # The library keeps the name, and would look for the folder wherever it is opened from.
        hint = f"'bindsearch models add {model_id}' installs it"
        raise EncoderError("is a folder, not the name of a model", subject=model_id, hint=hint)
    with context.obj.open() as library:
        active = library.use(model_id)
    if active.filling is None:
        say(context, f"{printable(active.answering)} answers searches")
    else:
        say(context, filling_state(active))
        say(context, "'bindsearch index' goes on filling")


@app.command("remove")
@one_line_errors
def remove_model(context: typer.Context, model_id: ModelId) -> None:
    """Delete a model from this machine, and what has been fetched of it. Vectors in libraries stay.

    Example:

        bindsearch models remove imagebind-huge
    """
    from bindsearch.models import shelf

    try:
        with context.obj.open() as library:
            active = library.active_spaces()
    except LibraryError:
        in_use = set()
    else:
        in_use = {name.partition("@")[0] for name in (active.answering, active.filling) if name}
    if model_id == "compact":
        raise EncoderError("is part of bindsearch and cannot be removed", subject=model_id)
    if model_id in in_use:
        raise EncoderError(
            "is in use by the library", subject=model_id, hint="'bindsearch models use compact' first"
        )
    say(context, f"removed {model_id}: {shelf.remove(model_id) / 1e6:,.1f} MB are free again")


def _is_installed(model_id: str) -> bool:
    from bindsearch.models import shelf

    try:
        shelf.installed(model_id)
    except EncoderError:
        return False
    return True


def _accept(offer: ModelManifest, yes: bool) -> None:
    """Show the licence, on stderr; leave with exit code 2 unless it is accepted."""
    typer.echo(f"{offer.id}, {offer.source.size / 1e9:.1f} GB", err=True)
    typer.echo(f"licence: {offer.licence} {offer.licence_url}".rstrip(), err=True)
    if offer.terms:
        typer.echo(offer.terms, err=True)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = "--yes accepts it where nobody can be asked"
        raise EncoderError("its licence has not been accepted", subject=offer.id, hint=hint)
    if not typer.confirm("Do you accept this licence?", err=True):
        typer.echo("bindsearch: not accepted, nothing was fetched", err=True)
        raise typer.Exit(USAGE)


def _tell_installed(context: typer.Context, model: ModelManifest) -> None:
    say(context, f"installed {model.id}, sha256 {model.source.sha256}")
    say(context, f"'bindsearch models use {model.id}' makes it the library's")


def _write_list(*, as_json: bool) -> None:
    from bindsearch.encoders import list_spaces

    _write(list_spaces(), "installed", as_json=as_json)


def _write(spaces: list[SpaceInfo], state: str, *, as_json: bool) -> None:
    """Print one line a space; ``state`` is said of those that can be used."""
    for space in spaces:
        if as_json:
            print_json(asdict(space) | {"modalities": sorted(space.modalities)})
            continue
        columns = [
            f"{space.id} {space.revision}",
            f"{space.dimensions} numbers",
            ", ".join(sorted(space.modalities)),
            f"{space.size / 1e6:,.0f} MB",
            printable(space.problem or state),
            space.licence,
        ]
        print("\t".join(columns))
