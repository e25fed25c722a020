"""``bindsearch classify``: which of some labels files are, by the words alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bindsearch.cli.common import Context, Json, count_files, one_line_errors, print_json, printable, say
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from bindsearch.encoders import Encoder
    from bindsearch.errors import BindsearchError
    from bindsearch.ingest.classifying import Classifier, Verdict
    from bindsearch.settings import Settings

UNREADABLE = 1
NONE = "none of these"

ListedLabels = Annotated[
    str | None, typer.Option("--labels", metavar="A,B,C", help="The labels, separated by commas.")
]
LabelFile = Annotated[
    Path | None, typer.Option("--labels-file", metavar="FILE", help="A file with one label a line.")
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template", metavar="WORDS", help='What a label is put into: "a photo of {}"; may be repeated.'
    ),
]


@one_line_errors
def classify(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    labels: ListedLabels = None,
    labels_file: LabelFile = None,
    templates: Templates = None,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show at most.")] = 3,
    level: Annotated[
        float, typer.Option("--min", min=0, max=1, help="Show only labels that are at least as probable.")
    ] = 0.3,
    modality: Annotated[
        Modality | None, typer.Option("--type", help="Judge by this alone: a film by its audio.")
    ] = None,
    moments: Annotated[
        bool, typer.Option("--moments", help="Judge each moment of a file, not all of it together.")
    ] = False,
    space: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use this space. Default: the library's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell which of some labels files fit, from the labels' words alone.

    Needs no library and changes none. The probabilities of the labels and of "none of these" make 1; a
    file for which no label reaches --min is none of these. Folders are looked through as indexing does.
    A file that cannot be read is told with the reason; the exit code is then 1.

    Example:

        bindsearch classify *.jpg --labels "dog,cat,a bird in the sky"

        bindsearch classify concert.mp4 --type audio --moments --labels applause,speech,music

        bindsearch classify ~/Sounds --labels-file birds.txt --template "the song of a {}" --json
    """
    from bindsearch.classifying.labels import Labels
    from bindsearch.ingest.classifying import Classifier

    settings = context.obj.settings()
    names = given_labels(labels, labels_file)
    known = Labels(_encoder(context.obj, settings, space), names, templates or ())
    kinds: dict[Modality, bool] = {}
    with Classifier(known.encoder, settings, known, modality) as classifier:
        failed = False
        for found in _verdicts(context, classifier, files, moments):
            if not isinstance(found, list):
                failed = True
                _tell_failure(found, as_json)
                continue
            kinds |= {verdict.moment.modality: verdict.measured for verdict in found}
            for verdict in found:
                if as_json:
                    print_json(_record(verdict, level, top))
                else:
                    sys.stdout.write(_line(verdict, level, top) + "\n")
    tell_estimates(context, known.space.id, kinds)
    if failed:
        raise typer.Exit(UNREADABLE)


def given_labels(listed: str | None, file: Path | None) -> tuple[str, ...]:
    """The labels of --labels and --labels-file. Raises SettingsError where there are none."""
    from bindsearch.classifying.labels import read_labels
    from bindsearch.errors import SettingsError

    try:
        lines = None if file is None else file.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError((error.strerror or "cannot be read").lower(), subject=str(file)) from error
    except UnicodeDecodeError as error:
        raise SettingsError("is not text in UTF-8", subject=str(file)) from error
    return read_labels(listed, lines)


def tell_estimates(context: typer.Context, space: str, kinds: dict[Modality, bool]) -> None:
    """Say for which modalities probabilities rest on an estimate."""
    rough = ", ".join(sorted(modality for modality, measured in kinds.items() if not measured))
    if rough:
        say(
            context,
            f"probabilities for {rough} in {printable(space)} are estimated, not measured",
        )


def _encoder(context: Context, settings: Settings, space: str | None) -> Encoder:
    from bindsearch.encoders import open_encoder
    from bindsearch.index.peek import peek_answering

    name = space or peek_answering(context.folder()) or settings.space
    return open_encoder(name, threads=settings.workers)


def _verdicts(
    context: typer.Context, classifier: Classifier, files: list[Path], moments: bool
) -> Iterator[list[Verdict] | BindsearchError]:
    """What each file is taken for, or why it cannot be told; files of other kinds in folders are counted."""
    from bindsearch.errors import BindsearchError
    from bindsearch.ingest.classifying import files_in, is_other_kind

    named = {file.expanduser() for file in files}
    others = 0
    for found in files_in(file.expanduser() for file in files):
        if isinstance(found, BindsearchError):
            yield found
            continue
        try:
            yield classifier.classify_moments(found) if moments else [classifier.classify(found)]
        except BindsearchError as error:
            if found not in named and is_other_kind(error):
                others += 1
            else:
                yield error
    if others:
        say(context, f"{count_files(others)} of kinds that are not read")


def _tell_failure(error: BindsearchError, as_json: bool) -> None:
    typer.echo(f"bindsearch: {printable(str(error))}", err=True)
    if as_json:
        print_json({"path": error.subject, "error": error.message, "hint": error.hint})


def _line(verdict: Verdict, level: float, top: int) -> str:
    """A verdict as columns separated by tabs: probability and label of each guess, place, path."""
    from bindsearch.cli.tables import place

    shown = verdict.fitting(level)[:top]
    guesses = ", ".join(f"{guess.probability:.2f} {printable(guess.label)}" for guess in shown)
    columns = [guesses or f"{verdict.none:.2f} {NONE}", place(verdict.moment), printable(str(verdict.path))]
    return "\t".join(columns)


def _record(verdict: Verdict, level: float, top: int) -> dict[str, Any]:
    moment = verdict.moment
    return {
        "path": str(verdict.path),
        "modality": moment.modality,
        "start": moment.start,
        "end": moment.end,
        "first_line": moment.first_line,
        "last_line": moment.last_line,
        "labels": [
            {"label": g.label, "probability": round(g.probability, 4), "cosine": round(g.cosine, 4)}
            for g in verdict.guesses[:top]
        ],
        "fitting": [guess.label for guess in verdict.fitting(level)[:top]],
        "none": round(verdict.none, 4),
        "measured": verdict.measured,
    }
