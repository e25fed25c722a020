"""Hits as people and programs read them: a table, JSON lines, paths."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.cli.common import print_json, printable, write_path
from bindsearch.modality import Modality
from bindsearch.when import format_instant, format_offset

if TYPE_CHECKING:
    from bindsearch.answers import Answer, Hit, Neighbour
    from bindsearch.ingest.asking import Moment

EXCERPT = 80
THUMBNAIL_COLUMNS = 16
THUMBNAIL_SIDE = 128

Preview = Callable[[int, int], Path]
"""Library.preview: a segment's id and the side in points to a file with its picture."""


def write_json_hits(answer: Answer) -> None:
    """One object a line, with every field of Hit and whether it stands out."""
    for hit in answer:
        told = asdict(hit) | {"score": round(hit.score, 6)}
        if hit.standing is not None:
            told["standing"] = round(hit.standing, 4)
        if hit.standing is not None and answer.judged:
            told["stands_out"] = hit.standing >= answer.level
        for name in ("other_paths", "duplicates"):
            told[name] = [str(path) for path in told[name]]
        print_json(told)


def write_paths(paths: Iterable[Path], *, null: bool) -> None:
    """Each path once, in their order, ended by a NUL byte or a line feed."""
    for path in dict.fromkeys(paths):
        write_path(path, b"\0" if null else b"\n")


def write_hits(answer: Answer, thumbnails: bool | None, preview: Preview) -> None:
    """A table on a terminal; standing, cosine, modality, place and path, separated by tabs, elsewhere."""
    if sys.stdout.isatty():
        _write_table(answer, thumbnails, preview)
        return
    for hit in answer:
        cells = [_standing(hit), f"{hit.score:.3f}", hit.modality, place(hit), printable(str(hit.path))]
        sys.stdout.write("\t".join(cells) + "\n")


def place(hit: Hit | Moment | Neighbour) -> str:
    """Where in its file a hit or a moment lies: a span of time, or lines; "-" for a whole file."""
    if hit.start is not None and hit.end is not None:
        return f"{format_offset(hit.start)}-{format_offset(hit.end)}"
    if hit.first_line is not None:
        return (
            f"line {hit.first_line}"
            if hit.first_line == hit.last_line
            else f"lines {hit.first_line}-{hit.last_line}"
        )
    return "-"


def _standing(hit: Hit) -> str:
    return "-" if hit.standing is None else f"{hit.standing:.1f}"


def _write_table(answer: Answer, thumbnails: bool | None, preview: Preview) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    renderable = _picture_class(thumbnails)
    table = Table(box=SIMPLE_HEAD, show_lines=renderable is not None)
    table.add_column("stands out", justify="right")
    table.add_column("cosine", justify="right")
    table.add_column("where")
    table.add_column("taken")
    table.add_column("path", overflow="fold")
    if renderable is not None:
        table.add_column("picture")
    for hit in answer:
        path = Text(printable(_shown(hit.path)))
        if hit.text:
            path.append("\n" + printable(" ".join(hit.text.split())[:EXCERPT]), style="dim")
        if hit.tags:
            path.append("  " + printable(" ".join(f"#{name}" for name in hit.tags)), style="cyan")
        if hit.duplicates:
            path.append(f"  (and {len(hit.duplicates)} nearly the same)", style="dim")
        if hit.state != "present":
            path.append(f"  ({hit.state})", style="yellow")
        taken = format_instant(hit.taken_at) if hit.taken_at is not None else "-"
        cells: list[Any] = [_standing(hit), f"{hit.score:.3f}", place(hit), taken, path]
        if renderable is not None:
            cells.append(_thumbnail(renderable, preview, hit))
        weak = answer.judged and (hit.standing or answer.level) < answer.level
        table.add_row(*cells, style="dim" if weak else None)
    Console().print(table)


def _shown(path: Path) -> str:
    """``path`` from where the person stands, if it lies below there."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _picture_class(thumbnails: bool | None) -> Any:
    """The class that draws pictures on this terminal; None for no pictures.

    Unasked, only where the terminal shows real pictures; asked, made of coloured blocks if need be.
    """
    # The terminal's answer to what it can show comes in on stdin, and one without a size has no cells.
    if thumbnails is False or not sys.stdin.isatty() or 0 in os.get_terminal_size(sys.stdout.fileno()):
        return None
    from textual_image.renderable import Image, SixelImage, TGPImage

    return Image if thumbnails or Image in (TGPImage, SixelImage) else None


def _thumbnail(renderable: Any, preview: Preview, hit: Hit) -> Any:
    from PIL import Image

    from bindsearch.errors import BindsearchError

    if hit.modality is Modality.TEXT:
        return ""  # its words stand beside the path
    try:
        path = preview(hit.segment_id, THUMBNAIL_SIDE)
    except BindsearchError:
        return ""  # it has changed since it was indexed, or is not there
    with Image.open(path) as picture:
        return renderable(picture.copy(), width=THUMBNAIL_COLUMNS, height="auto")
