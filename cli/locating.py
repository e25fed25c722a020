"""``bindsearch locate``: where in a picture, and when in a film or a recording, a query is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bindsearch.cli.common import FOUND_NOTHING, Json, one_line_errors, print_json, printable, say
from bindsearch.errors import BindsearchError
from bindsearch.modality import Modality
from bindsearch.query import parse_query
from bindsearch.when import format_offset

if TYPE_CHECKING:
    from PIL.Image import Image

    from bindsearch.ingest.locating import InPicture, InTime, LocateOptions
    from bindsearch.locating import Curve, Span, Usual

PICTURE_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 72


class Track(StrEnum):
    """What of a film is compared with the query."""

    PICTURE = "picture"
    SOUND = "sound"
    BOTH = "both"


_TRACKS = {
    Track.PICTURE: (Modality.VIDEO,),
    Track.SOUND: (Modality.AUDIO,),
    Track.BOTH: (Modality.VIDEO, Modality.AUDIO),
}


@one_line_errors
def locate(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="EXPR", help="The query, as one argument.", show_default=False)
    ],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A picture, a film or a recording.", show_default=False)
    ],
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", "--plot", metavar="OUT.png", help="Draw what was found into OUT.png."),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(min=0.0, help="How far to stand out, in spreads.  [default: 1.8; of time 1.5]"),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many places or moments at most.")] = 10,
    fine: Annotated[
        bool, typer.Option("--fine", help="Look more closely; takes several times as long.")
    ] = False,
    by: Annotated[Track, typer.Option(help="Of a film: its pictures, its sound, or each.")] = Track.BOTH,
    space: Annotated[
        str | None, typer.Option(metavar="SPACE", help="Compare in this space instead of the library's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Mark where in a picture, or when in a film or a recording, a query is.

    The query is whatever ``search`` takes: words, a file, a sum of them. In a picture, regions of several
    sizes are compared with it, and boxes are given in pixels of the picture as it is shown: x and y of the
    left upper corner, width and height. In a film, its pictures and its sound are compared apart. The file
    need not be in a library.

    A place or a moment is told when its score lies far enough above what is usual in this very file: its
    standing, in spreads above the median. Where nothing stands out the exit code is 1.

    Example:

        bindsearch locate "a dog" beach.jpg --overlay found.png

        bindsearch locate bark.wav walk.mp4 --by sound --json
    """
    from bindsearch.cli.standard_input import with_stdin
    from bindsearch.ingest.locating import InPicture, Locator

    if overlay is not None and overlay.suffix.lower() not in PICTURE_SUFFIXES:
        hint = f"end the name with {', '.join(PICTURE_SUFFIXES)}"
        raise BindsearchError("this is no name of a picture", subject=str(overlay), hint=hint)
    options = _options(level, k, fine, by)
    settings = context.obj.settings()
    with (
        with_stdin(parse_query([query])) as asked,
        Locator.open(context.obj.folder(), settings, asked, space) as locator,
    ):
        found = locator.locate(asked, file.expanduser(), options)
    if isinstance(found, InPicture):
        count = _tell_places(context, found, as_json)
    else:
        count = _tell_moments(context, found, as_json)
    if overlay is not None:
        _save(_drawing(found), overlay)
    if not count:
        raise typer.Exit(FOUND_NOTHING)


def _options(level: float | None, k: int, fine: bool, by: Track) -> LocateOptions:
    from bindsearch.ingest.locating import LocateOptions

    return LocateOptions(level, k, fine, _TRACKS[by])


# ------------------------------------------------------------------------------------------------- pictures


def _tell_places(context: typer.Context, found: InPicture, as_json: bool) -> int:
    places = found.places
    if as_json:
        print_json(_picture_record(found))
    elif sys.stdout.isatty():
        head = ("score", "standing", "x", "y", "width", "height")
        sys.stdout.writelines(f"{line}\n" for line in _aligned([head, *_place_rows(found)]))
    else:
        _write_tabs(_place_rows(found), found.path)
    if not places.found:
        say(context, f"nothing stands out; the picture as a whole scores {places.whole:.3f}")
    return len(places.found)


def _place_rows(found: InPicture) -> list[tuple[str, ...]]:
    rows = []
    for place in found.places.found:
        box = place.box
        sides = (str(side) for side in (box.x, box.y, box.width, box.height))
        rows.append((f"{place.score:.3f}", f"{place.standing:.1f}", *sides))
    return rows


def _picture_record(found: InPicture) -> dict[str, Any]:
    """What JSON says of a picture. Boxes count in pixels of the upright picture, ``width`` by ``height``."""
    return {
        "path": found.path,
        "modality": Modality.IMAGE,
        "width": found.size[0],
        "height": found.size[1],
        "score": round(found.places.whole, 6),
        "level": found.level,
        "regions": found.places.regions,
        "places": [
            {
                "x": place.box.x,
                "y": place.box.y,
                "width": place.box.width,
                "height": place.box.height,
                "score": round(place.score, 6),
                "standing": round(place.standing, 3),
            }
            for place in found.places.found
        ],
    }


# ----------------------------------------------------------------------------------------------------- time


def _tell_moments(context: typer.Context, found: InTime, as_json: bool) -> int:
    if as_json:
        print_json(_time_record(found))
    elif sys.stdout.isatty():
        sys.stdout.writelines(f"{line}\n" for line in _curve_lines(found))
        head = ("score", "standing", "by", "from", "to", "peak")
        sys.stdout.writelines(f"{line}\n" for line in _aligned([head, *map(_shown_span, found.spans)]))
    else:
        _write_tabs(map(_plain_span, found.spans), found.path)
    for note in found.notes:
        say(context, note)
    if not found.spans:
        say(context, "nothing stands out")
    return len(found.spans)


def _shown_span(span: Span) -> tuple[str, ...]:
    times = (_clock(time) for time in (span.start, span.end, span.peak))
    return f"{span.score:.3f}", f"{span.standing:.1f}", _track(span.modality), *times


def _plain_span(span: Span) -> tuple[str, ...]:
    times = (f"{time:.2f}" for time in (span.start, span.end, span.peak))
    return f"{span.score:.3f}", f"{span.standing:.1f}", _track(span.modality), *times


def _clock(time: float) -> str:
    """A place in time to the tenth of a second: ``1:02.5``."""
    tenths = round(time * 10)
    return f"{format_offset(tenths // 10)}.{tenths % 10}"


def _track(modality: Modality) -> str:
    return Track.SOUND if modality is Modality.AUDIO else Track.PICTURE


def _curve_lines(found: InTime) -> Iterator[str]:
    for curve, usual in found.curves:
        name = _track(curve.modality)
        ends = f"{_clock(float(curve.bounds[0]))} to {_clock(float(curve.bounds[-1]))}"
        yield f"{name:<7}  {sparkline(curve, usual, found.level)}  {ends}"


def sparkline(curve: Curve, usual: Usual, level: float, columns: int = COLUMNS) -> str:
    """A curve as a row of blocks, from what is usual to its best; blanks where nothing was scored.

    The full block is ``level`` at least, so that a curve in which nothing stands out stays low.
    """
    import numpy as np

    standing = usual.standing(curve.values)
    edges = np.linspace(curve.bounds[0], curve.bounds[-1], columns + 1)
    first = np.searchsorted(curve.bounds, edges[:-1], side="right") - 1
    behind = np.searchsorted(curve.bounds, edges[1:], side="left")
    top = max(level, float(np.nanmax(standing)))
    drawn = []
    for low, high in zip(first, behind, strict=True):
        known = standing[low : max(low + 1, high)]
        known = known[np.isfinite(known)]
        share = float(known.max()) / top if len(known) else -1.0
        drawn.append(BLOCKS[round(max(0.0, share) * (len(BLOCKS) - 1))] if len(known) else " ")
    return "".join(drawn)


def _time_record(found: InTime) -> dict[str, Any]:
    """What JSON says of a film or a recording. A curve has a score between every two of its ``bounds``."""
    return {
        "path": found.path,
        "modality": found.modality,
        "duration": found.duration,
        "level": found.level,
        "notes": list(found.notes),
        "moments": [
            {
                "by": _track(span.modality),
                "start": round(span.start, 3),
                "end": round(span.end, 3),
                "peak": round(span.peak, 3),
                "score": round(span.score, 6),
                "standing": round(span.standing, 3),
            }
            for span in found.spans
        ],
        "curves": [
            {
                "by": _track(curve.modality),
                "median": round(usual.median, 6),
                "spread": round(usual.spread, 6),
                "bounds": curve.bounds.round(3).tolist(),
                "scores": [None if value != value else round(value, 6) for value in curve.values.tolist()],
            }
            for curve, usual in found.curves
        ],
    }


# ----------------------------------------------------------------------------------------------------- both


def _write_tabs(rows: Any, path: Path) -> None:
    for row in rows:
        sys.stdout.write("\t".join((*row, printable(str(path)))) + "\n")


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """``rows`` in columns, flush right; nothing for a head alone."""
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _drawing(found: InPicture | InTime) -> Image:
    from bindsearch.ingest.locating import InPicture
    from bindsearch.locating.drawing import draw_curves, draw_places

    if isinstance(found, InPicture):
        return draw_places(found.pixels, found.size, found.places, found.level)
    return draw_curves(found.curves, found.spans, found.level)


def _save(drawing: Image, target: Path) -> None:
    try:
        drawing.save(target)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise BindsearchError(f"cannot be written: {reason}", subject=str(target)) from fault
