"""``bindsearch eval``: the commands of ``python -m bindsearch.evaluation``, which reads the arguments."""

from __future__ import annotations

from typing import Any

import typer

from bindsearch.cli.common import one_line_errors, printable, say
from bindsearch.cli.lazy import STYLE

PROGRAM = "bindsearch eval"
# Options, --help among them, are left to the evaluation, so that they are written down once.
PASSED: dict[str, Any] = {
    "context_settings": {
        "help_option_names": [],
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
    },
    "options_metavar": "[OPTIONS]",
}

app = typer.Typer(no_args_is_help=True, add_completion=False, **STYLE)


@app.callback()
def default() -> None:
    """Measure how well a space finds and names files whose content is known.

    What is known stands in a manifest.csv, which docs/evaluation.md describes. Tables are Markdown.

    Example:

        bindsearch eval retrieval --manifest photos/manifest.csv --from text --to image

        bindsearch eval zeroshot --manifest objects/manifest.csv --modality image --json
    """


@app.command("retrieval", **PASSED)
@one_line_errors
def retrieval(context: typer.Context) -> None:
    """Do queries of one modality find their partners in another?"""
    _run(context)


@app.command("zeroshot", **PASSED)
@one_line_errors
def zeroshot(context: typer.Context) -> None:
    """Is a file most similar to the words of its own label?"""
    _run(context)


@app.command("fewshot", **PASSED)
@one_line_errors
def fewshot(context: typer.Context) -> None:
    """Can a few examples of each label teach a linear probe?"""
    _run(context)


def _run(context: typer.Context) -> None:
    from bindsearch.evaluation.command import evaluate

    arguments = [str(context.info_name), *context.args]
    print(evaluate(arguments, program=PROGRAM, say=lambda message: say(context, printable(message))))
