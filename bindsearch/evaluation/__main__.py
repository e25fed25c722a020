"""``python -m bindsearch.evaluation``: the figures of a space on a folder with a manifest.

Figures go to stdout, as a small table or with --json as one object. An error is one line on stderr and
exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.errors import BindsearchError, SettingsError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.evaluation.retrieval import Direction
    from bindsearch.evaluation.zeroshot import ZeroShot

EXAMPLES = """examples:
  python -m bindsearch.evaluation retrieval --manifest photos/manifest.csv --from text --to image
  python -m bindsearch.evaluation zeroshot --manifest objects/manifest.csv --modality image --json
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one evaluation; returns the exit code."""
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], None] = options.run
    try:
        run(options)
    except BindsearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m bindsearch.evaluation",
        description="Measure a space on a folder with a manifest.csv.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    first, second = EXAMPLES.splitlines()[1:]
    command = commands.add_parser(
        "retrieval",
        help="do queries of one modality find their partners in another?",
        epilog=f"example:\n{first}",
        formatter_class=raw,
    )
    command.add_argument("--from", dest="source", required=True, metavar="MODALITY", help="what queries are")
    command.add_argument("--to", dest="target", required=True, metavar="MODALITY", help="what they look for")
    _add_common(command, _run_retrieval)
    command = commands.add_parser(
        "zeroshot",
        help="is a file most similar to its own label?",
        epilog=f"example:\n{second}",
        formatter_class=raw,
    )
    command.add_argument("--modality", required=True, metavar="MODALITY", help="which files to classify")
    _add_common(command, _run_zeroshot)
    return parser


def _add_common(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None]) -> None:
    command.add_argument(
        "--manifest", required=True, type=Path, metavar="FILE", help="the folder's manifest.csv"
    )
    command.add_argument("--split", default="test", help="which rows (default: test)")
    command.add_argument("--space", default="compact", help="which space (default: compact)")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def _run_retrieval(options: argparse.Namespace) -> None:
    from bindsearch.encoders import open_encoder
    from bindsearch.evaluation.retrieval import retrieval

    source, target = _modality(options.source), _modality(options.target)
    encoder = open_encoder(options.space)
    directions = retrieval(options.manifest, options.split, source, target, encoder)
    if options.json:
        _print_json(options, encoder.space.key, directions=[asdict(direction) for direction in directions])
    else:
        print(_retrieval_table(directions))


def _run_zeroshot(options: argparse.Namespace) -> None:
    from bindsearch.encoders import open_encoder
    from bindsearch.evaluation.zeroshot import zero_shot

    modality = _modality(options.modality)
    encoder = open_encoder(options.space)
    figures = zero_shot(options.manifest, options.split, modality, encoder)
    if options.json:
        _print_json(options, encoder.space.key, **asdict(figures))
    else:
        print(_zero_shot_table(figures))


def _modality(name: str) -> Modality:
    try:
        return Modality(name)
    except ValueError as error:
        known = ", ".join(Modality)
        raise SettingsError("is not a modality", subject=name, hint=f"one of {known}") from error


def _print_json(options: argparse.Namespace, space: str, **figures: Any) -> None:
    print(json.dumps({"manifest": str(options.manifest), "split": options.split, "space": space, **figures}))


def _retrieval_table(directions: Sequence[Direction]) -> str:
    lines = [f"{'':16}{'queries':>9}{'items':>8}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'median rank':>13}"]
    for d in directions:
        recalls = "".join(f"{value:8.3f}" for value in (d.recall_at_1, d.recall_at_5, d.recall_at_10))
        name = f"{d.source} to {d.target}"
        lines.append(f"{name:16}{d.queries:9}{d.items:8}{recalls}{d.median_rank:13.1f}")
    return "\n".join(lines)


def _zero_shot_table(figures: ZeroShot) -> str:
    return (
        f"{'':16}{'items':>9}{'classes':>9}{'top-1':>8}{'top-5':>8}\n"
        f"{figures.modality:16}{figures.items:9}{figures.classes:9}{figures.top_1:8.3f}{figures.top_5:8.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
