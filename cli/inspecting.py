"""``bindsearch inspect``: what indexing would make of files, before it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.common import Json, one_line_errors, print_json, printable, say
from bindsearch.errors import BindsearchError, EncoderError
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from PIL.Image import Image

    from bindsearch.cli.findings import Space
    from bindsearch.loaders import LoadOptions
    from bindsearch.media import Media
    from bindsearch.settings import Settings

UNREADABLE = 1
DRAWING_SIDE = 320
DRAWN_OF_A_KIND = 6  # segments of one file and one modality
DRAWN = 36
PICTURE_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


@one_line_errors
def inspect(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    preview: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw the first segments of each file into OUT.png."),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Look at all of long films and recordings, not the first minute.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what indexing would make of files: what they are, what is in them.

    Needs no library and changes none. It says of which kind a file is and how that was told; its size, time
    and place; its segments with their shapes, units and ranges; and whether the library's space embeds
    them. A file that cannot be read is told with the reason and, where one would help, the rule to write;
    the exit code is then 1.

    Example:

        bindsearch inspect depth/0001.png --preview shown.png

        bindsearch inspect --json *.csv
    """
    from bindsearch.cli.findings import failure_record, lines, record
    from bindsearch.ingest.inspection import inspect as look
    from bindsearch.sandbox import Sandbox

    gallery = None if preview is None else _Gallery(preview)
    settings = context.obj.settings()
    options = _options(settings)
    space = _space(context.obj.folder(), settings)
    failed = False
    with Sandbox(settings.decoder_seconds, settings.decoder_memory) as sandbox:
        for file in files:
            see = None if gallery is None else gallery.wall(file)
            try:
                found = look(file.expanduser(), sandbox.load, options, whole=whole, see=see)
            except BindsearchError as error:
                failed = True
                typer.echo(f"bindsearch: {printable(str(error))}", err=True)
                if as_json:
                    print_json(failure_record(file, error))
                continue
            if as_json:
                print_json(record(found, space))
            else:
                print("\n".join(map(printable, lines(found, space))))
    if gallery is not None and not gallery.save():
        say(context, "there is nothing to draw")
    if failed:
        raise typer.Exit(UNREADABLE)


def _options(settings: Settings) -> LoadOptions:
    from bindsearch.loaders import LoadOptions

    return LoadOptions.of(settings)


def _space(library: Path, settings: Settings) -> Space:
    """The space that answers in the library, or would if there were one."""
    from bindsearch.cli.findings import Space
    from bindsearch.encoders.registry import describe_space
    from bindsearch.index.peek import peek_answering

    name = peek_answering(library) or settings.space
    try:
        return Space(name, describe_space(name.partition("@")[0]).modalities)
    except EncoderError:
        return Space(name, None)


class _Gallery:
    """Drawings of the first segments of each kind in each file, for one sheet."""

    def __init__(self, target: Path) -> None:
        if target.suffix.lower() not in PICTURE_SUFFIXES:
            hint = f"end the name with {', '.join(PICTURE_SUFFIXES)}"
            raise BindsearchError("this is no name of a picture", subject=str(target), hint=hint)
        self._target = target
        self._drawings: list[tuple[Image, str]] = []

    def wall(self, file: Path) -> Callable[[Media], None]:
        """What is called with each medium of ``file`` in turn."""
        hung: Counter[Modality] = Counter()

        def hang(media: Media) -> None:
            from bindsearch.cli.findings import place
            from bindsearch.previews import draw

            if hung[media.modality] < DRAWN_OF_A_KIND and len(self._drawings) < DRAWN:
                hung[media.modality] += 1
                words = f"{file.name}  {place(media)}".rstrip()
                self._drawings.append((draw(media, DRAWING_SIDE), printable(words)))

        return hang

    def save(self) -> bool:
        """Write the sheet, if there is anything on it; whether that is so."""
        from bindsearch.previews import sheet

        if not self._drawings:
            return False
        try:
            sheet(self._drawings, DRAWING_SIDE).save(self._target)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise BindsearchError(f"cannot be written: {reason}", subject=str(self._target)) from fault
        return True
