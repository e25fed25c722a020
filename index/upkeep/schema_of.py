"""What the tables, indexes and triggers of a catalog should be: those that the migrations make."""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import NamedTuple


class Made(NamedTuple):
    """A table, an index or a trigger, and the statement that makes it."""

    kind: str
    name: str
    statement: str


@cache
def pristine() -> dict[str, Made]:
    """All of them, by name, in the order in which they are made."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    from bindsearch.index.catalog import HEAD

    config = Config()
    config.set_main_option("script_location", "bindsearch.index:migrations")
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
            "ORDER BY rowid"
        )
        made = {row[1]: Made(*row) for row in rows}
    engine.dispose()
    return made


def actual(connection: sqlite3.Connection) -> dict[str, Made]:
    """What a catalog has."""
    rows = connection.execute("SELECT type, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL")
    return {row[1]: Made(*row) for row in rows}


@cache
def columns() -> dict[str, tuple[str, ...]]:
    """The columns of every table of the schema, ``id`` or ``seq`` first; see bindsearch.index.schema."""
    from bindsearch.index.schema import METADATA

    return {table.name: tuple(column.name for column in table.columns) for table in METADATA.sorted_tables}
