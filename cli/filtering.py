"""The options that say which moments a search may find, shared by all commands that search.

``FilterOptions`` becomes ``Wishes``, a plain record, by its method ``wishes``, and one ``Filter`` by
``filter``.
"""

# Annotations are values here: as text, Typer's options would have to be compiled one by one at each start.

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.options import bundle
from bindsearch.modality import Modality
from bindsearch.wishes import Wishes

if TYPE_CHECKING:
    from bindsearch.index.filters import Filter


@bundle
class FilterOptions:
    """What a command line asks of hits; nothing, by default."""

    types: Annotated[
        list[Modality] | None, typer.Option("--type", help="Only this kind; may be repeated.")
    ] = None
    folders: Annotated[
        list[str] | None,
        typer.Option("--in", metavar="PATH", help="Only files at or below this path; may be repeated."),
    ] = None
    globs: Annotated[
        list[str] | None,
        typer.Option(
            "--path", metavar="GLOB", help='Only files so called or in folders so called: "*.jpg", 2023.'
        ),
    ] = None
    watched: Annotated[
        list[str] | None, typer.Option("--root", metavar="GLOB", help="Only files of this root.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='Only from then on: 2024, 2024-06, yesterday, "3 days ago".'),
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only up to the end of then; as --since.")
    ] = None
    when: Annotated[
        list[str] | None,
        typer.Option(metavar="TIME", help='Only then: "last summer", 2024-06, morning, weekend, 22:00-2:00.'),
    ] = None
    near: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="Only near LAT,LON, or where @ID or a file was taken."),
    ] = None
    within: Annotated[
        list[str] | None,
        typer.Option(metavar="SPAN", help="How far from --near, as 2km; how long after --then, as 10min."),
    ] = None
    longer: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only files that last this long: 10s, 2m, 1:30.")
    ] = None
    shorter: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Only files that last no longer than this.")
    ] = None
    cameras: Annotated[
        list[str] | None,
        typer.Option("--camera", metavar="NAME", help="Only taken with a device whose name holds this."),
    ] = None
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="NAME", help="Only with this tag.")] = (
        None
    )
    where: Annotated[
        str | None,
        typer.Option(metavar="EXPR", help="Only where this holds: 'tag:dog and not (type:text or path:old)'"),
    ] = None
    offline: Annotated[
        bool, typer.Option("--offline", help="Also files on roots that are not there now.")
    ] = False

    def wishes(self) -> Wishes:
        """The same as a plain record."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return Wishes.of({name: value for name, value in given.items() if value is not None})

    def filter(self, *, sequence: bool = False) -> "Filter":
        """The filter that is read of it (see ``filter_of``). Raises QueryError."""
        from bindsearch.index.wishing import filter_of

        return filter_of(self.wishes(), sequence=sequence)
