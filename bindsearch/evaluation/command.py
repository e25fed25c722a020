"""The evaluation's command line, whichever program it is called from: arguments in, text to print out.

Nothing slow is imported before the arguments are understood.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.errors import SettingsError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.encoders import Encoder
    from bindsearch.evaluation.embedding import Embedder
    from bindsearch.evaluation.manifest import Manifests

MODULE = "python -m bindsearch.evaluation"
EXAMPLES = {
    "retrieval": "retrieval --manifest photos/manifest.csv --from text --to image",
    "zeroshot": "zeroshot --manifest objects/manifest.csv --modality image --json",
    "fewshot": "fewshot --manifest sounds/manifest.csv --modality audio --shots 1,4",
}


def evaluate(
    arguments: Sequence[str],
    *,
    program: str = MODULE,
    say: Callable[[str], None] = lambda message: None,
    encoder_of: Callable[[str], Encoder] | None = None,
) -> str:
    """Run one evaluation and return its report: Markdown, or one JSON object.

    ``program`` is what help calls the command, ``say`` takes lines of progress, ``encoder_of`` opens a space
    (default: ``open_encoder``). Raises BindsearchError for whatever keeps the figures from being measured,
    and SystemExit as argparse does, for help and for arguments that are not understood.
    """
    options = _parser(program).parse_args(arguments)
    run: Callable[[argparse.Namespace, Callable[[], Embedder]], str] = options.run
    return run(options, lambda: _embedder(options, say, encoder_of))


def _embedder(
    options: argparse.Namespace, say: Callable[[str], None], encoder_of: Callable[[str], Encoder] | None
) -> Embedder:
    from bindsearch.encoders import open_encoder
    from bindsearch.evaluation.embedding import Embedder

    return Embedder((encoder_of or open_encoder)(options.space), options.cache, say)


def _manifests(options: argparse.Namespace) -> Manifests:
    """The rows that the options ask for; SettingsError where a --rename names what no row is called."""
    from bindsearch.evaluation.manifest import Manifests, parse_renames, parse_where

    renames = parse_renames(options.rename, options.rename_file)
    rows = Manifests(options.manifest, parse_where(options.where), renames)
    rows.check_labels(parse_renames(options.rename))
    return rows


def _run_retrieval(options: argparse.Namespace, embedder: Callable[[], Embedder]) -> str:
    from bindsearch.evaluation.bonds import is_emergent
    from bindsearch.evaluation.report import json_text, retrieval_text
    from bindsearch.evaluation.retrieval import retrieval

    source, target = _modality(options.source), _modality(options.target)
    rows, opened = _manifests(options), embedder()
    directions = retrieval(rows, options.split, source, target, opened, by=options.by, limit=options.limit)
    emergent = is_emergent(options.space, source, target)
    if options.json:
        figures = {"by": options.by, "emergent": emergent, "directions": list(map(asdict, directions))}
        return json_text(options, rows, opened.space.key, figures)
    return retrieval_text(directions, opened.space.id, emergent)


def _run_zeroshot(options: argparse.Namespace, embedder: Callable[[], Embedder]) -> str:
    from bindsearch.evaluation.report import json_text, zeroshot_text
    from bindsearch.evaluation.zeroshot import zero_shot

    modality, rows, opened = _modality(options.modality), _manifests(options), embedder()
    figures = zero_shot(
        rows, options.split, modality, opened, templates=options.template, limit=options.limit
    )
    return (
        json_text(options, rows, opened.space.key, asdict(figures))
        if options.json
        else zeroshot_text(figures)
    )


def _run_fewshot(options: argparse.Namespace, embedder: Callable[[], Embedder]) -> str:
    from bindsearch.evaluation.fewshot import few_shot
    from bindsearch.evaluation.report import fewshot_text, json_text

    modality, rows, opened = _modality(options.modality), _manifests(options), embedder()
    figures = few_shot(
        rows,
        (options.train_split, options.split),
        modality,
        opened,
        shots=options.shots,
        draws=options.draws,
        seed=options.seed,
        limit=options.limit,
    )
    return (
        json_text(options, rows, opened.space.key, asdict(figures)) if options.json else fewshot_text(figures)
    )


def _parser(program: str) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=program,
        description="Measure a space on files whose content is known.",
        epilog="Examples:\n" + "".join(f"  {program} {example}\n" for example in EXAMPLES.values()),
        formatter_class=raw,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (summary, add, run) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"Example:\n  {program} {EXAMPLES[name]}",
            formatter_class=raw,
        )
        add(command)
        _add_common(command)
        command.set_defaults(run=run, command=name)
    return parser


def _add_retrieval(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="source", required=True, metavar="MODALITY", help="what queries are")
    command.add_argument("--to", dest="target", required=True, metavar="MODALITY", help="what they look for")
    command.add_argument(
        "--by",
        choices=("pair", "label"),
        default="pair",
        help="what belongs together: the same pair_id, or the same label (default: pair)",
    )


def _add_zeroshot(command: argparse.ArgumentParser) -> None:
    _add_modality(command)
    command.add_argument(
        "--template",
        action="append",
        metavar="WORDS",
        help="a prompt with {} for the label, instead of the modality's own; may be repeated",
    )


def _add_fewshot(command: argparse.ArgumentParser) -> None:
    _add_modality(command)
    command.add_argument("--train-split", default="train", metavar="SPLIT", help="where examples come from")
    command.add_argument(
        "--shots", type=_counts, default=(1, 2, 4, 8), metavar="N,...", help="examples a label (1,2,4,8)"
    )
    command.add_argument(
        "--draws", type=_count, default=5, metavar="N", help="how often examples are drawn (5)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="which draws (0)")


def _add_modality(command: argparse.ArgumentParser) -> None:
    command.add_argument("--modality", required=True, metavar="MODALITY", help="which files to classify")


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--manifest",
        required=True,
        action="append",
        type=Path,
        metavar="CSV",
        help="a folder's manifest.csv; may be repeated, for the rows of all of them",
    )
    command.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="only rows with that value in that column; may be repeated, also for other values of it",
    )
    command.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="FROM=TO",
        help="count one label as another, or with nothing after = leave its rows out; may be repeated",
    )
    command.add_argument(
        "--rename-file", type=Path, metavar="CSV", help="such pairs in the columns label and shared"
    )
    command.add_argument("--split", default="test", help="which rows are measured (default: test)")
    command.add_argument("--space", default="compact", metavar="NAME", help="which space (default: compact)")
    command.add_argument("--limit", type=_count, metavar="N", help="only N rows, spread over the manifest")
    command.add_argument("--cache", type=Path, metavar="DIR", help="keep embeddings here for the next run")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of Markdown")


def _count(text: str) -> int:
    count = int(text) if text.isascii() and text.isdigit() else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return count


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted({_count(part.strip()) for part in text.split(",")}))


def _modality(name: str) -> Modality:
    try:
        return Modality(name)
    except ValueError as error:
        known = ", ".join(Modality)
        raise SettingsError("is not a modality", subject=name, hint=f"one of {known}") from error


COMMANDS = {
    "retrieval": (
        "Do queries of one modality find their partners in another?",
        _add_retrieval,
        _run_retrieval,
    ),
    "zeroshot": ("Is a file most similar to the words of its own label?", _add_zeroshot, _run_zeroshot),
    "fewshot": ("Can a few examples of each label teach a linear probe?", _add_fewshot, _run_fewshot),
}
