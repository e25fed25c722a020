"""Writing vector indexes anew from the catalog, for whoever holds the writer lock."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import select

from bindsearch.index.catalog import Catalog
from bindsearch.index.schema import spaces
from bindsearch.index.upkeep.views import VECTORS_FOLDER
from bindsearch.index.vectors import VectorView


def build_views(folder: Path, kind: str, keys: Collection[str] | None = None, *, train: bool) -> None:
    """Write the vector indexes of all spaces, or of those named by their ``keys``, as of now.

    With ``train`` they become of the kind that is wanted now, which may take a minute; without, what has
    to be built from nothing is exact, and the next indexing run goes on from there. Raises OSError for a
    full or read-only disk; what was in force before stays so.
    """
    catalog = Catalog.open(folder)
    try:
        with catalog.read() as connection:
            for row in connection.execute(select(spaces)).all():
                if keys is None or row.key in keys:
                    view = VectorView(connection, row, folder / VECTORS_FOLDER, kind)
                    if len(view):
                        if train:
                            view.maintain(connection)
                        view.save()
    finally:
        catalog.close()
