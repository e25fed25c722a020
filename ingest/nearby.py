"""Places that a filter names by a segment or a file, looked up: ``near:@1234``, ``near:photo.jpg``.

A file that the library holds is looked up there; any other is read as a query's file would be.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, select

from bindsearch import here
from bindsearch.conditions import Fact, Key, facts, meaning_of
from bindsearch.conditions.tree import replace_facts
from bindsearch.errors import QueryError
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter, under
from bindsearch.index.schema import contents, locations, segments
from bindsearch.places import Around, Place
from bindsearch.settings import Settings


def with_places(wanted: Filter, catalog: Catalog, settings: Settings) -> Filter:
    """``wanted`` with every place in degrees; the same where none is named.

    Raises QueryError for a segment that does not exist and for one that does not know where it was taken,
    MediaError for a file that cannot be read.
    """
    if wanted.where is None or not any(_is_named(fact) for fact in facts(wanted.where)):
        return wanted

    def looked_up(fact: Fact) -> Fact:
        if not _is_named(fact):
            return fact
        around = meaning_of(fact)
        assert isinstance(around, Around) and isinstance(around.place, str)
        with catalog.read() as connection:
            place = _place(connection, around.place, settings)
        return Fact(Key.NEAR, f"{place.latitude:.9f},{place.longitude:.9f},{around.radius:.3f}m")

    return replace(wanted, where=replace_facts(wanted.where, looked_up))


def _is_named(fact: Fact) -> bool:
    if fact.key is not Key.NEAR:
        return False
    meaning = meaning_of(fact)
    return isinstance(meaning, Around) and isinstance(meaning.place, str)


def _place(catalog: Connection, name: str, settings: Settings) -> Place:
    degrees = (
        _of_segment(catalog, int(name[1:])) if name.startswith("@") else _of_file(catalog, name, settings)
    )
    if degrees[0] is None or degrees[1] is None:
        raise QueryError("it does not say where it was taken", subject=name, hint="write LAT,LON")
    return Place(degrees[0], degrees[1])


def _of_segment(catalog: Connection, number: int) -> tuple[float | None, float | None]:
    statement = (
        select(contents.c.latitude, contents.c.longitude)
        .join(segments, segments.c.content_id == contents.c.id)
        .where(segments.c.id == number)
    )
    row = catalog.execute(statement).first()
    if row is None:
        hint = "search --json prints the ids of segments"
        raise QueryError("there is no such segment", subject=f"@{number}", hint=hint)
    return row.latitude, row.longitude


def _of_file(catalog: Connection, name: str, settings: Settings) -> tuple[float | None, float | None]:
    path = here.absolute(name)
    statement = (
        select(contents.c.latitude, contents.c.longitude)
        .join(locations, locations.c.content_id == contents.c.id)
        .where(under(catalog, [path]))
    )
    rows = catalog.execute(statement.limit(2)).all()
    if len(rows) == 1 and not here.is_folder(path):
        return rows[0].latitude, rows[0].longitude
    if not here.is_file(path):
        hint = "write LAT,LON, the path of a file, or @ID of a segment"
        raise QueryError("this is neither a place nor a file", subject=name, hint=hint)
    return _read(Path(path), settings)


def _read(path: Path, settings: Settings) -> tuple[float | None, float | None]:
    from bindsearch.loaders import LoadOptions, Surroundings
    from bindsearch.sandbox import Sandbox

    with Sandbox(settings.decoder_seconds, settings.decoder_memory) as sandbox:
        loaded = sandbox.load(path, LoadOptions.of(settings), Surroundings().hint(path))
        return loaded.facts.latitude, loaded.facts.longitude
