"""``bindsearch tag`` lets a classifier give tags, ``bindsearch tags`` is for tags by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.classifying import LabelFile, ListedLabels, Templates, given_labels, tell_estimates
from bindsearch.cli.common import (
    FOUND_NOTHING,
    USAGE,
    Context,
    Json,
    count_files,
    one_line_errors,
    print_json,
    printable,
    say,
)
from bindsearch.cli.filtering import FilterOptions
from bindsearch.cli.lazy import STYLE
from bindsearch.cli.options import expanded

if TYPE_CHECKING:
    from bindsearch.index.store import Store
    from bindsearch.ingest.tagging import TagRun, Wishes

UNREADABLE = 1

app = typer.Typer(no_args_is_help=True, add_completion=False, **STYLE)

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


@one_line_errors
@expanded
def tag(
    context: typer.Context,
    filters: FilterOptions,
    labels: ListedLabels = None,
    labels_file: LabelFile = None,
    templates: Templates = None,
    examples: Annotated[
        list[str] | None,
        typer.Option(
            "--examples", metavar="NAME=PATH", help="A file or folder that shows NAME; may be repeated."
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--min", min=0, max=1, help="Give only tags that are at least as probable.")
    ] = 0.5,
    moments: Annotated[
        bool, typer.Option("--moments", help="Judge a file by its best moment, not by all of it together.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be tagged, and change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give files tags: by the words of labels, or by a few examples of each.

    All that the library holds is judged by its stored vectors; no file is opened but examples that the
    library does not know. What is none of the labels gets no tag. Running it again says anew what it said
    before of the same names and files; tags that were given by hand stay. Files that are indexed later
    have no tags until it is run again. 'bindsearch search --tag NAME' finds what was tagged.

    Example:

        bindsearch tag --labels "beach,mountains,a crowd of people" --type image

        bindsearch tag --examples beach=Pictures/beaches --examples city=Pictures/2019/paris

        bindsearch tag --examples rex=rex1.jpg --examples rex=rex2.jpg --dry-run
    """
    by_words = labels is not None or labels_file is not None
    if by_words == bool(examples) or (templates and not by_words):
        typer.echo("bindsearch: give --labels (with --template), or --examples", err=True)
        raise typer.Exit(USAGE)
    from bindsearch.ingest.tagging import Wishes

    wishes = Wishes(filters.filter(), level, by_moment=moments, dry=dry_run)
    if by_words:
        names = given_labels(labels, labels_file)
        run = _by_words(context.obj, names, templates or [], wishes)
    else:
        run = _by_examples(context.obj, examples or [], wishes)
    _show(context, run, wishes, as_json=as_json)
    if run.failures:
        raise typer.Exit(UNREADABLE)


@app.callback()
def default() -> None:
    """List, give, take away and rename tags by hand.

    A tag belongs to what a file holds: it stays when the file is renamed, and its copies have it too.
    """


@app.command("list")
@one_line_errors
def list_tags(
    context: typer.Context,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the tags, with how many files have each; or those of the files at or below paths.

    Example:

        bindsearch tags list

        bindsearch tags list Pictures/2024 --json
    """
    with _reading(context.obj) as store:
        shown = _list_files(store, _absolute(paths), as_json) if paths else _list_names(store, as_json)
    if not shown:
        say(context, "no tags")
        raise typer.Exit(FOUND_NOTHING)


@app.command("add")
@one_line_errors
def add_tag(
    context: typer.Context,
    name: Name,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", show_default=False)],
) -> None:
    """Give the files at or below paths a tag.

    Example:

        bindsearch tags add "our garden" Pictures/garden plan.png
    """
    from bindsearch.ingest.tagging import tag_by_hand

    with _writing(context.obj) as store:
        say(context, f"tagged {count_files(tag_by_hand(store, name, _absolute(paths)))}")


@app.command("remove")
@one_line_errors
def remove_tag(
    context: typer.Context,
    name: Name,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", show_default=False)] = None,
) -> None:
    """Take a tag from the files at or below paths, or from all. A classifier may give it again.

    Example:

        bindsearch tags remove beach Pictures/desert

        bindsearch tags remove beach
    """
    from bindsearch.ingest.tagging import untag

    with _writing(context.obj) as store:
        count = untag(store, name, _absolute(paths))
    say(context, f"taken from {count_files(count)}")
    if not count:
        raise typer.Exit(FOUND_NOTHING)


@app.command("rename")
@one_line_errors
def rename_tag(context: typer.Context, old: Name, new: Name) -> None:
    """Call a tag something else. Files that have both keep one.

    Example:

        bindsearch tags rename seaside beach
    """
    from bindsearch.ingest.tagging import rename

    with _writing(context.obj) as store:
        say(context, f"renamed on {count_files(rename(store, old, new))}")


def _by_words(context: Context, names: Sequence[str], templates: Sequence[str], wishes: Wishes) -> TagRun:
    from bindsearch.ingest.tagging import tag_by_words

    with _store(context, wishes) as store, context.open() as library:
        return tag_by_words(store, library.encoder, names, templates, _placed(wishes, store, context))


def _by_examples(context: Context, pairs: Sequence[str], wishes: Wishes) -> TagRun:
    from bindsearch.ingest.examples import parse_examples
    from bindsearch.ingest.tagging import tag_by_examples

    examples = parse_examples(pairs)
    with _store(context, wishes) as store, context.open() as library:
        wishes = _placed(wishes, store, context)
        return tag_by_examples(store, library.encoder, library.settings, examples, wishes)


def _placed(wishes: Wishes, store: Store, context: Context) -> Wishes:
    """``wishes``, with the places that --near names by a segment or a file looked up."""
    from bindsearch.ingest.nearby import with_places

    return replace(wishes, wanted=with_places(wishes.wanted, store.catalog, context.settings()))


@contextmanager
def _reading(context: Context) -> Iterator[Store]:
    from bindsearch.index.store import Store

    with Store.open(context.folder()) as store:
        yield store


@contextmanager
def _writing(context: Context) -> Iterator[Store]:
    """The library to write to; one that is not there is not made."""
    from bindsearch.index.store import Store

    with _reading(context), Store.writing(context.folder()) as store:
        yield store


@contextmanager
def _store(context: Context, wishes: Wishes) -> Iterator[Store]:
    with ExitStack() as stack:
        yield stack.enter_context(_reading(context) if wishes.dry else _writing(context))


def _absolute(paths: Sequence[str] | None) -> list[str]:
    return [os.path.abspath(Path(path).expanduser()) for path in paths or ()]  # noqa: PTH100 - links stay


def _show(context: typer.Context, run: TagRun, wishes: Wishes, *, as_json: bool) -> None:
    """The files with their tags on stdout where nothing is written or JSON is asked for, then the sums."""
    for error in run.failures:
        typer.echo(f"bindsearch: {printable(str(error))}", err=True)
    for tagged in run.tagged if wishes.dry or as_json else ():
        if as_json:
            record = {"path": str(tagged.path), "tag": tagged.name}
            print_json(record | {"probability": round(tagged.probability, 4)})
        else:
            columns = (f"{tagged.probability:.2f}", printable(tagged.name), printable(str(tagged.path)))
            sys.stdout.write("\t".join(columns) + "\n")
    _say_sums(context, run, wishes)


def _say_sums(context: typer.Context, run: TagRun, wishes: Wishes) -> None:
    counts = ", ".join(f"{count:,} {printable(name)}" for name, count in run.counts.items())
    say(context, f"of {count_files(run.files)}: {counts}")
    if run.untold:
        say(context, f"{count_files(run.untold)} of kinds without an example")
    if run.unsure:
        kinds = ", ".join(sorted(run.unsure))
        say(context, f"little else of {kinds} is there to tell the examples from: look at the tags")
    tell_estimates(context, run.space, dict.fromkeys(run.estimated, False))
    if wishes.dry:
        say(context, "nothing was changed")
    elif run.taken:
        say(context, f"taken from {count_files(run.taken)} that no longer fit")


def _list_names(store: Store, as_json: bool) -> int:
    from bindsearch.index.tags import count_tags

    with store.catalog.read() as catalog:
        counts = count_tags(catalog)
    for one in counts:
        if as_json:
            print_json({"tag": one.name, "files": one.files, "by_hand": one.by_hand})
        else:
            sys.stdout.write(f"{one.files}\t{printable(one.name)}\n")
    return len(counts)


def _list_files(store: Store, paths: Sequence[str], as_json: bool) -> int:
    from bindsearch.ingest.tagging import tags_at

    shown = 0
    for path, found in tags_at(store, paths):
        shown += len(found)
        for one in found:
            if as_json:
                print_json(
                    {"path": str(path), "tag": one.name, "source": one.source, "probability": one.score}
                )
        if not as_json:
            sys.stdout.write(f"{', '.join(printable(one.name) for one in found)}\t{printable(str(path))}\n")
    return shown
