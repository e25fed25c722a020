"""``bindsearch models``: the spaces that this installation can embed into."""

from __future__ import annotations

from dataclasses import asdict

import typer

from bindsearch.cli.common import LIBRARY, Json, one_line_errors, print_json
from bindsearch.cli.lazy import STYLE

app = typer.Typer(invoke_without_command=True, add_completion=False, **STYLE)


@app.callback()
def default(context: typer.Context) -> None:
    """List and check models.

    Example:

        bindsearch models list
    """
    if context.invoked_subcommand is None:
        _write(verify=False, as_json=False)


@app.command("list")
@one_line_errors
def list_models(as_json: Json = False) -> None:
    """List the models that are installed.

    Example:

        bindsearch models list --json
    """
    _write(verify=False, as_json=as_json)


@app.command("verify")
@one_line_errors
def verify_models(as_json: Json = False) -> None:
    """Read every weight file and compare it with its checksum.

    Example:

        bindsearch models verify
    """
    if not _write(verify=True, as_json=as_json):
        raise typer.Exit(LIBRARY)


def _write(*, verify: bool, as_json: bool) -> bool:
    """Print every space; returns whether all can be used."""
    from bindsearch.encoders import list_spaces

    spaces = list_spaces(verify=verify)
    for space in spaces:
        if as_json:
            print_json(asdict(space) | {"modalities": sorted(space.modalities)})
            continue
        kinds = ", ".join(sorted(space.modalities))
        state = space.problem or ("verified" if verify else "installed")
        size = f"{space.size / 1e6:.0f} MB"
        print(
            "\t".join(
                [
                    f"{space.id} {space.revision}",
                    f"{space.dimensions} numbers",
                    kinds,
                    size,
                    state,
                    space.licence,
                ]
            )
        )
    return all(space.installed for space in spaces)
