"""``python -m bindsearch.evaluation``, the same as ``bindsearch eval``: the figures of a space on a manifest.

Figures go to stdout, as Markdown or with --json as one object, progress to stderr. An error is one line on
stderr and exit code 2.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bindsearch.errors import BindsearchError
from bindsearch.evaluation.command import evaluate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one evaluation; returns the exit code."""
    try:
        print(evaluate(sys.argv[1:] if arguments is None else arguments, say=_say))
    except BindsearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _say(message: str) -> None:
    print(message, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
