"""Places that a filter names by a segment or a file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from bindsearch.answers import Hit
from bindsearch.conditions import parse_condition
from bindsearch.errors import QueryError
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter
from bindsearch.ingest.library import Library
from bindsearch.ingest.nearby import with_places
from bindsearch.settings import Settings
from tests.media import BLUE, GREEN, RED, picture


def taken_at(path: Path, north: float, east: float) -> Path:
    """Write into a picture where it was taken."""
    image = Image.open(path)
    exif = image.getexif()
    place = {1: "N" if north >= 0 else "S", 2: (abs(north), 0.0, 0.0)}
    exif.get_ifd(0x8825).update(place | {3: "E" if east >= 0 else "W", 4: (abs(east), 0.0, 0.0)})
    image.save(path, exif=exif)
    return path


@pytest.fixture
def fiji(library: Library, folder: Path) -> Library:
    """Three pictures: two on both sides of the antimeridian, one without a place."""
    taken_at(picture(folder / "west.jpg", RED), -16.5, 179.9)
    taken_at(picture(folder / "east.jpg", GREEN), -16.5, -179.9)
    picture(folder / "nowhere.jpg", BLUE)
    library.index(folder)
    return library


def hits(library: Library, condition: str) -> dict[str, Hit]:
    with closing(Catalog.open(library.folder)) as catalog:
        wanted = with_places(Filter(where=parse_condition(condition)), catalog, Settings())
    return {hit.path.name: hit for hit in library.search("red", 10, wanted)}


def test_near_a_file_or_a_segment_of_the_library(fiji: Library, folder: Path) -> None:
    west = folder / "west.jpg"
    assert set(hits(fiji, f'near:"{west},30km"')) == {"west.jpg", "east.jpg"}
    assert set(hits(fiji, f'near:"{west}"')) == {"west.jpg"}
    number = hits(fiji, "path:east.jpg")["east.jpg"].segment_id
    assert set(hits(fiji, f"not near:@{number},20km")) == {"nowhere.jpg", "west.jpg"}
    assert set(hits(fiji, f"near:@{number},30km and not near:@{number}")) == {"west.jpg"}


def test_near_a_file_that_the_library_does_not_hold(fiji: Library, tmp_path: Path) -> None:
    other = taken_at(picture(tmp_path / "other.jpg", BLUE), -16.5, 180.0)
    assert set(hits(fiji, f'near:"{other},15km"')) == {"west.jpg", "east.jpg"}


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("@99999", "@99999: there is no such segment"),
        ("missing.jpg", "missing.jpg: this is neither a place nor a file"),
        ("{folder}/nowhere.jpg", "it does not say where it was taken"),
        ("{folder}", "this is neither a place nor a file"),
    ],
)
def test_a_place_that_is_none_is_refused(fiji: Library, folder: Path, place: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        hits(fiji, f'near:"{place.format(folder=folder)}"')


def test_a_filter_without_names_is_left_as_it_is(fiji: Library) -> None:
    wanted = Filter(where=parse_condition("near:1,2 or tag:a"))
    with closing(Catalog.open(fiji.folder)) as catalog:
        assert with_places(wanted, catalog, Settings()) is wanted
        assert with_places(Filter(), catalog, Settings()) == Filter()
