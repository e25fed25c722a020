"""``python -m bindsearch.training``: makes the weights of the compact space again.

    python -m bindsearch.training compact-image --data DIR --out weights
    python -m bindsearch.training compact-audio --data DIR --out weights
    python -m bindsearch.training compact-depth --data DIR --out weights
    python -m bindsearch.training compact-thermal --data DIR --out weights
    python -m bindsearch.training compact-imu --data DIR --out weights
    python -m bindsearch.training export-text --out weights

Progress and figures go to stderr. An error is one line there and exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.errors import BindsearchError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

REVISION = "3"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; returns the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except BindsearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is not installed (install the extra: bindsearch[train])", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bindsearch.training",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    image = _recipe(commands, "compact-image", "train the head and export both towers", _train)
    image.add_argument("--views", type=int, default=5, help="views of each picture (default: 5)")
    image.add_argument("--steps", type=int, help="steps of fitting")
    audio = _recipe(commands, "compact-audio", "train the audio tower and add it to --out", _train_audio)
    audio.add_argument("--views", type=int, default=3, help="views of each sound (default: 3)")
    audio.add_argument("--steps", type=int, help="steps of fitting")
    for name in ("depth", "thermal", "imu"):
        summary = f"train the {name} tower and add it to --out"
        sense = _recipe(commands, f"compact-{name}", summary, _train_sense)
        sense.add_argument("--epochs", type=int, help="how often to draw each item")
        sense.set_defaults(sense=name)
    _add_out(commands.add_parser("export-text", help="export the text tower alone"), _export_text)
    return parser


def _recipe(
    commands: Any, name: str, summary: str, run: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary)
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the folder that holds the sets"
    )
    command.add_argument(
        "--cache", type=Path, metavar="DIR", help="where views and vectors are kept (default: user cache)"
    )
    command.add_argument("--seed", type=int, default=0, help="seed of views and fitting (default: 0)")
    command.add_argument(
        "--permissive", action="store_true", help="leave out what is unlicensed or for research only"
    )
    _add_out(command, run)
    return command


def _add_out(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None]) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("weights"), metavar="DIR", help="default: ./weights"
    )
    command.set_defaults(run=run)


def _train(options: argparse.Namespace) -> None:
    from bindsearch.training.compact_image import Recipe
    from bindsearch.training.export import write_image_tower, write_manifest, write_text_tower
    from bindsearch.training.fit import FitOptions
    from bindsearch.training.towers import load_text_tower

    fitting = FitOptions(seed=options.seed, **({"steps": options.steps} if options.steps else {}))
    recipe = Recipe(
        options.data,
        options.cache or _default_cache(),
        options.views,
        options.seed,
        _say,
        permissive=options.permissive,
    )
    _say("fitting without the held-out part, for the figures")
    recipe.fitted_head(fitting)
    _say("fitting on everything, for the weights")
    head = recipe.fitted_head(fitting, everything=True)
    write_image_tower(recipe.tower, head, options.out)
    write_text_tower(load_text_tower(), options.out)
    write_manifest(options.out, REVISION)
    _say(f"wrote {options.out}")


def _train_audio(options: argparse.Namespace) -> None:
    from bindsearch.encoders.compact import Manifest
    from bindsearch.training.compact_audio import AudioRecipe
    from bindsearch.training.sound_fit import SoundFitOptions

    Manifest.read(options.out).check_sizes()
    fitting = SoundFitOptions(seed=options.seed)
    if options.steps:
        fitting = replace(fitting, cycles=(options.steps,))
    cache = options.cache or _default_cache()
    recipe = AudioRecipe(
        options.data, options.out, cache, options.views, options.seed, _say, permissive=options.permissive
    )
    _join(options.out, Modality.AUDIO, recipe.fitted_tower(fitting), recipe.example)


def _train_sense(options: argparse.Namespace) -> None:
    from bindsearch.encoders.compact import Manifest
    from bindsearch.training.senses import SENSES, fitted_sense

    Manifest.read(options.out).check_sizes()
    sense = SENSES[Modality(options.sense)]
    epochs = options.epochs or sense.fit.epochs
    sense = replace(sense, fit=replace(sense.fit, seed=options.seed, epochs=epochs))
    cache = options.cache or _default_cache()
    tower, _, example = fitted_sense(
        sense, options.data, options.out, cache, _say, permissive=options.permissive
    )
    _join(options.out, sense.modality, tower, example)


def _join(folder: Path, modality: Modality, tower: nn.Module, example: NDArray[Any]) -> None:
    """Write a fitted tower into ``folder`` and its manifest."""
    from bindsearch.training.export import add_tower, write_tower
    from bindsearch.training.sources import IMAGE_WEIGHTS

    write_tower(tower, example, modality, folder)
    add_tower(folder, modality, REVISION, None if modality is Modality.IMU else IMAGE_WEIGHTS)
    _say(f"wrote {folder}")


def _export_text(options: argparse.Namespace) -> None:
    from bindsearch.training.export import write_text_tower
    from bindsearch.training.towers import load_text_tower

    write_text_tower(load_text_tower(), options.out)
    _say(f"wrote {options.out}")


def _default_cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("bindsearch") / "training"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
