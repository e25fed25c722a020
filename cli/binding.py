"""``bindsearch bind``: a tower for one more sense, aligned to a space that stays as it is."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from bindsearch.cli.common import Json, one_line_errors, print_json, printable, say
from bindsearch.errors import EncoderError, SettingsError
from bindsearch.modality import Modality

NEEDED = ("torch", "onnx", "safetensors")
EXTRA = "pip install 'bindsearch[train]'"


@one_line_errors
def bind(
    context: typer.Context,
    manifests: Annotated[
        list[Path],
        typer.Option("--manifest", metavar="CSV", help="What belongs together; may be given several times."),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The folder to make; DIR.cache keeps what is needed to go on."),
    ],
    modality: Annotated[Modality, typer.Option(help="Which rows to bind.")] = Modality.SENSOR,
    space: Annotated[str, typer.Option(metavar="NAME", help="The space to bind them to.")] = "compact",
    name: Annotated[
        str | None,
        typer.Option(metavar="ID", help="What the new space is called. Default: SPACE-MODALITY."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which rows to learn from.")] = "train",
    epochs: Annotated[int | None, typer.Option(min=1, help="How often all rows are gone through.")] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="How many rows are contrasted at once.")] = None,
    rate: Annotated[float | None, typer.Option(help="The learning rate of the head.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="A fixed temperature. Default: one that is learned.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Which of all random draws.")] = None,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where vectors and checkpoints are kept.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Teach a space a sense: files of one kind, by what belongs to them.

    The manifest.csv says which readings and which pictures (or sounds, or words) are of the same moment;
    docs/binding.md describes it. The result is a folder that is a space: what the space knew before, and
    the new sense. Safe to interrupt: the same command goes on where this one stopped.

    Example:

        bindsearch bind --manifest radar/manifest.csv --out ./radar-space --name compact-radar

        bindsearch models add ./radar-space
    """
    wishes = {"epochs": epochs, "batch": batch, "rate": rate, "temperature": temperature, "seed": seed}
    chosen = {key: value for key, value in wishes.items() if value is not None}
    _check(manifests, name, space, out, chosen)
    _require_packages()
    from bindsearch.training.bind import BindOptions, Fit
    from bindsearch.training.bind import bind as run

    options = BindOptions(
        manifests=tuple(path.expanduser() for path in manifests),
        modality=modality,
        out=out.expanduser(),
        space=space,
        name=name,
        split=split,
        cache=None if cache is None else cache.expanduser(),
        fit=Fit(**chosen),  # type: ignore[arg-type]
    )
    epoch = run(
        options,
        say=lambda line: say(context, printable(line)),
        report=lambda epoch: say(context, epoch.line),
    )
    if as_json:
        print_json({"out": str(options.out), **asdict(epoch)})
    say(context, printable(f"best: {epoch.line}"))
    say(context, printable(f"'bindsearch models add {out}' installs it"))


def _check(manifests: list[Path], name: str | None, space: str, out: Path, numbers: dict[str, float]) -> None:
    """Refuse at once what would otherwise be found out when all is loaded, or trained."""
    from bindsearch.encoders.registry import is_folder
    from bindsearch.models.manifest import MANIFEST_FILE, is_id

    for manifest in manifests:
        if not manifest.expanduser().is_file():
            raise SettingsError("no such manifest", subject=str(manifest))
    if is_folder(space):
        hint = f"'bindsearch models add {space}' first, and name it by its id"
        raise EncoderError("only an installed space can be bound to", subject=space, hint=hint)
    if name is not None and not is_id(name):
        raise SettingsError("is no id", subject=name, hint="small letters, digits and . _ + - make one")
    for key in ("rate", "temperature"):
        if key in numbers and not 0 < numbers[key] < float("inf"):
            raise SettingsError(f"is {numbers[key]}, which cannot be", subject=f"--{key}")
    folder = out.expanduser()
    if folder.exists() and not folder.is_dir():
        raise SettingsError("is there and is no folder", subject=str(out))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_FILE).is_file():
        raise SettingsError("holds other files", subject=str(out), hint="name a folder of its own")


def _require_packages() -> None:
    lacking = [package for package in NEEDED if find_spec(package) is None]
    if lacking:
        raise EncoderError(f"needs {' and '.join(lacking)}", subject="bindsearch bind", hint=EXTRA)
