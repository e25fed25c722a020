"""Tags: words, times and places from what cameras, recorders and record shelves write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bindsearch.loaders.tags import Tags


@pytest.mark.parametrize(
    ("tags", "title"),
    [
        ({}, None),
        ({"title": "Rain"}, "Rain"),
        ({"TITLE": "Rain", "ARTIST": "Ada"}, "Ada – Rain"),
        ({"artist": "Ada", "title": "Rain", "album": "Rain"}, "Ada – Rain"),
        ({"title": " Rain \n on\tthe roof. ", "comment": "\x00\x1b"}, "Rain on the roof"),
        ({"title": "a", "album": "b", "description": "c", "comment": "d"}, "a. b. c. d"),
        ({"encoder": "Lavf", "handler_name": "SoundHandler"}, None),
    ],
)
def test_the_title_is_one_line_of_what_the_tags_say(tags: dict[str, str], title: str | None) -> None:
    assert Tags.of(tags).title() == title


def test_endless_tags_are_cut() -> None:
    assert len(Tags.of({"title": "a" * 10_000, "comment": "b" * 10_000}).title() or "") == 600


@pytest.mark.parametrize(
    ("tags", "moment"),
    [
        ({"date": "2024"}, None),
        ({"date": "2024-05"}, None),
        ({"date": "2024-05-31"}, datetime(2024, 5, 31, 12).astimezone()),
        ({"DATE": "2024-05-31T18:20:07Z"}, datetime(2024, 5, 31, 18, 20, 7, tzinfo=UTC)),
        # A broadcast wave's day and hour come apart.
        ({"date": "2024-05-31", "creation_time": "18:20:07"}, datetime(2024, 5, 31, 18, 20, 7).astimezone()),
        ({"creation_time": "2024-05-31T16:20:07.000000Z"}, datetime(2024, 5, 31, 16, 20, 7, tzinfo=UTC)),
        ({"creation_time": "1904-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "1904-01-01T00:00:00.000000Z", "date": "2024-05-31T18:20:07Z"},
         datetime(2024, 5, 31, 18, 20, 7, tzinfo=UTC)),
        ({"date": "31 May 2024"}, None),
        ({"date": "2024-13-31"}, None),
    ],
)  # fmt: skip
def test_only_whole_dates_are_times(tags: dict[str, str], moment: datetime | None) -> None:
    assert Tags.of(tags).taken_at() == (moment.timestamp() if moment else None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("+48.8577+002.2950+035.0/", (48.8577, 2.2950)),
        ("-33.86+151.2/", (-33.86, 151.2)),
        ("+00.0000+000.0000/", (None, None)),
        ("+95.0+000.1/", (None, None)),
        ("Paris", (None, None)),
    ],
)
def test_places_are_read_from_iso_6709(text: str, place: tuple[float | None, float | None]) -> None:
    assert Tags.of({"com.apple.quicktime.location.ISO6709": text}).place() == place


def test_later_sources_outrank_earlier_ones() -> None:
    assert Tags.of({"title": "track"}, {"TITLE": "file"}).title() == "file"
