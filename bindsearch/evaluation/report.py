"""Figures as people and programs read them: Markdown tables, and one JSON object."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from bindsearch.evaluation.fewshot import FewShot, ProbeFigures
from bindsearch.evaluation.manifest import Manifests
from bindsearch.evaluation.retrieval import Direction
from bindsearch.evaluation.zeroshot import ZeroShot


def json_text(options: argparse.Namespace, rows: Manifests, space: str, figures: dict[str, Any]) -> str:
    """The figures with what they are of; ``space`` is the space's key."""
    asked = {
        "command": options.command,
        "manifests": [str(manifest) for manifest in options.manifest],
        "split": options.split,
        "where": {column: sorted(values) for column, values in rows.where.items()},
        "renames": dict(rows.renames),
        "space": space,
        "limit": options.limit,
    }
    return json.dumps(asked | figures)


def retrieval_text(directions: Sequence[Direction], space: str, emergent: bool | None) -> str:
    """A row a direction, below each what chance would find, and a sentence where the pair is emergent."""
    head = ("", "queries", "items", "R@1", "R@5", "R@10", "mAP", "median rank")
    text = table([head, *(row for direction in directions for row in _direction(direction))])
    if emergent:
        first = directions[0]
        text += f"\n\nEmergent: {space} was never trained on {first.source} and {first.target} together."
    return text


def zeroshot_text(figures: ZeroShot) -> str:
    """One row, and below it what guessing earns."""
    return table(
        [
            ("", "items", "classes", "top-1", "top-5"),
            (figures.modality, figures.items, figures.classes, figures.top_1, figures.top_5),
            ("by chance", "", "", figures.chance_at_1, figures.chance_at_5),
        ]
    )


def fewshot_text(figures: FewShot) -> str:
    """A row for each number of examples a label, and below what guessing earns."""
    head = ("examples a label", "examples", "draws", "items", "classes", "top-1", "spread", "top-5")
    chance = ("by chance", "", "", "", "", figures.chance_at_1, "", figures.chance_at_5)
    text = table([head, *(_probe(figures, probe) for probe in figures.probes), chance])
    if figures.unknown:
        text += f"\n\nNot counted: {figures.unknown:,} with a label that {figures.train_split} does not have."
    return text


def table(rows: Sequence[Sequence[object]]) -> str:
    """``rows``, the first of them the heads, as a Markdown table whose columns stand below each other."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths) for row in cells]
    rule = [("-" * widths[0]), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def _direction(figures: Direction) -> Iterator[tuple[object, ...]]:
    found = (figures.recall_at_1, figures.recall_at_5, figures.recall_at_10, figures.mean_average_precision)
    chance = (
        figures.chance_at_1,
        figures.chance_at_5,
        figures.chance_at_10,
        figures.chance_average_precision,
    )
    name = f"{figures.source} to {figures.target}"
    yield (name, figures.queries, figures.items, *found, f"{figures.median_rank:g}")
    yield "by chance", "", "", *chance, ""


def _probe(figures: FewShot, probe: ProbeFigures) -> tuple[object, ...]:
    spread = "" if probe.spread is None else probe.spread
    shots = "all" if probe.shots is None else probe.shots
    counts = (probe.examples, probe.draws, figures.items, figures.classes)
    return (shots, *counts, probe.top_1, spread, probe.top_5)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join([first, *others]) + " |"
