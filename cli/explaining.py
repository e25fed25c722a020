"""``bindsearch explain``: how a query is understood, and what its parts have to do with a score."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bindsearch.cli.common import FOUND_NOTHING, Json, one_line_errors, print_json, printable, say
from bindsearch.cli.filtering import FilterOptions
from bindsearch.cli.options import expanded
from bindsearch.query import Group, Part, Term, TermKind, parse_query
from bindsearch.when import format_offset

if TYPE_CHECKING:
    from bindsearch.ingest.asking import Moment
    from bindsearch.ingest.explaining import Explained, Explanation, Node

_DEEPEST = 20  # levels that are still moved further to the right
_NAME = 36  # columns


@expanded
@one_line_errors
def explain(
    context: typer.Context,
    query: Annotated[
        str, typer.Argument(metavar="EXPR", help="The query, as one argument.", show_default=False)
    ],
    item: Annotated[
        str | None,
        typer.Argument(metavar="[PATH|@ID]", help="What to explain the score of.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits, or moments of the item.")] = 3,
    as_json: Json = False,
    *,
    filters: FilterOptions,
) -> None:
    """Show how a query is understood, and why its hits score as they do.

    First the tree: what each term was read as, its weight, and its factor, which is what its vector counts in
    the query's vector once the sum of every group and the whole have been made unit length. Then, for the
    best hits, or for the moments of a file or a segment that is named, the share of each part: factor times
    the term's own cosine to the item. The shares add up to the score. Hits are ranked by their standing,
    which is told beside it.

    Example:

        bindsearch explain 'photo.jpg + "at night" - 0.5*(people + cars)'

        bindsearch explain "a dog - a cat" ~/Pictures/rex.jpg

        bindsearch explain "a dog - a cat" @1234 --json
    """
    from bindsearch.cli.standard_input import with_stdin

    wanted = filters.filter()
    with with_stdin(parse_query([query])) as asked, context.obj.open() as library:
        found = library.explain(asked, k, wanted, item=item)
    if as_json:
        print_json(_record(found))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found))
    if not found.items:
        say(context, "nothing found")
        raise typer.Exit(FOUND_NOTHING)


def _lines(found: Explanation) -> Iterator[str]:
    """What a person reads: the tree, and each item with its shares in the same order."""
    yield _row("query", f"{'weight':>8}  {'factor':>7}  read as")
    for number, node in enumerate(found.nodes):
        factor = "" if node.factor is None else f"{node.factor:+.3f}"
        yield _row(_label(found, number), f"{abs(node.part.weight):>8.4g}  {factor:>7}  {_reading(node)}")
    for item in found.items:
        yield ""
        yield f"{item.score:+.3f}  {printable(item.path)}{_place(item.moment)}{_id(item)}{_stands(item)}"
        yield _row("", f"{'share':>8}  {'cosine':>7}")
        for number, (share, own) in enumerate(zip(item.shares, item.own, strict=True)):
            cosine = "" if own is None else f"{own:+.3f}"
            yield _row(_label(found, number), f"{share:>+8.3f}  {cosine:>7}")
        top = [share for node, share in zip(found.nodes, item.shares, strict=True) if node.depth == 0]
        yield _row("sum", f"{sum(top):>+8.3f}")


def _row(label: str, rest: str) -> str:
    return f"  {label:<{_NAME}}  {rest}".rstrip()


def _label(found: Explanation, number: int) -> str:
    """A part by its sign and name, as far to the right as it is deep; a group's own parts follow it."""
    node = found.nodes[number]
    sign = "-" if node.part.weight < 0 else "+"
    name = "group" if isinstance(node.part, Group) else printable(" ".join(_name(node.part).split()))
    label = f"{'  ' * min(node.depth, _DEEPEST)}{sign} {name}"
    return label if len(label) <= _NAME else label[: _NAME - 1] + "…"


def _name(part: Part) -> str:
    """A file without its mark where that says nothing, all else as it is written."""
    plain = isinstance(part, Term) and part.kind is TermKind.FILE and part.modality is None
    return f"{part.value}{part.span or ''}" if plain and isinstance(part, Term) else part.name


def _reading(node: Node) -> str:
    if not isinstance(node.part, Term):
        first, last = node.leaves
        return f"a group of {last - first} terms"
    if node.part.kind is TermKind.TEXT:
        return "words"
    counts = (f"{count:,} {modality}" for modality, count in node.segments.items())
    return f"{node.part.kind}: {', '.join(counts)} {_plural(sum(node.segments.values()))}"


def _plural(count: int) -> str:
    return "segment" if count == 1 else "segments"


def _place(moment: Moment) -> str:
    if moment.start is not None and moment.end is not None:
        return f"  {format_offset(moment.start)}-{format_offset(moment.end)}"
    return "" if moment.first_line is None else f"  lines {moment.first_line}-{moment.last_line}"


def _id(item: Explained) -> str:
    own = f"@{item.segment_id}"
    return "" if item.segment_id is None or item.path == own else f"  {own}"


def _stands(item: Explained) -> str:
    if item.standing is None:
        return ""
    return f"  standing {item.standing:.1f}{', with words' if item.via == 'both' else ''}"


def _record(found: Explanation) -> dict[str, Any]:
    """What JSON says: ``nodes`` in the order of the expression, ``shares`` of each item in the same order."""
    return {
        "query": str(found.query),
        "nodes": [_node(node) for node in found.nodes],
        "items": [_item(item) for item in found.items],
    }


def _node(node: Node) -> dict[str, Any]:
    part = node.part
    term = part if isinstance(part, Term) else None
    return {
        "depth": node.depth,
        "kind": "group" if term is None else term.kind,
        "value": None if term is None else term.value,
        "weight": part.weight,
        "modality": None if term is None else term.modality,
        "span": None if term is None or term.span is None else list(term.span),
        "segments": {str(modality): count for modality, count in node.segments.items()},
        "factor": node.factor,
    }


def _item(item: Explained) -> dict[str, Any]:
    return {
        "path": item.path,
        "segment_id": item.segment_id,
        "modality": item.moment.modality,
        "start": item.moment.start,
        "end": item.moment.end,
        "first_line": item.moment.first_line,
        "last_line": item.moment.last_line,
        "score": item.score,
        "standing": item.standing,
        "via": item.via,
        "shares": list(item.shares),
        "cosines": list(item.own),
    }
