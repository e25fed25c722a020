"""Times as people write them, in a zone whose clocks change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.errors import QueryError
from bindsearch.when import format_instant, format_offset, parse_instant, parse_timespan

NOW = datetime(2024, 3, 31, 12, 0)  # in Berlin the clocks went from 2:00 to 3:00 on this day


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2024", "2024-01-01 00:00", "2025-01-01 00:00"),
        ("2024-02", "2024-02-01 00:00", "2024-03-01 00:00"),
        ("2024-12", "2024-12-01 00:00", "2025-01-01 00:00"),
        ("2024-6-1", "2024-06-01 00:00", "2024-06-02 00:00"),
        (" 2024-06-01  14:30 ", "2024-06-01 14:30", "2024-06-01 14:31"),
        ("2024-06-01T14:30", "2024-06-01 14:30", "2024-06-01 14:31"),
        ("2024-06-01T14:30Z", "2024-06-01 16:30", "2024-06-01 16:31"),
        ("2024-06-01 14:30 -02:00", "2024-06-01 18:30", "2024-06-01 18:31"),
        ("today", "2024-03-31 00:00", "2024-04-01 00:00"),
        ("Yesterday", "2024-03-30 00:00", "2024-03-31 00:00"),
        ("now", "2024-03-31 12:00", "2024-03-31 12:00"),
        ("3 days ago", "2024-03-28 00:00", "2024-03-29 00:00"),
        ("2 weeks ago", "2024-03-17 00:00", "2024-03-18 00:00"),
        ("a month ago", "2024-02-29 00:00", "2024-03-01 00:00"),
        ("6 months ago", "2023-09-30 00:00", "2023-10-01 00:00"),
        ("1 year ago", "2023-03-31 00:00", "2023-04-01 00:00"),
        ("90 minutes ago", "2024-03-31 10:30", "2024-03-31 10:30"),
        ("12 hours ago", "2024-03-30 23:00", "2024-03-30 23:00"),
    ],
)
def test_a_time_means_its_period_from_beginning_to_end(text: str, begin: str, end: str) -> None:
    assert format_instant(parse_instant(text, end=False, now=NOW)) == begin
    assert format_instant(parse_instant(text, end=True, now=NOW)) == end


def test_a_day_on_which_the_clocks_change_is_as_long_as_it_was() -> None:
    def hours(day: str) -> float:
        return (parse_instant(day, end=True) - parse_instant(day, end=False)) / 3600

    assert [hours(day) for day in ("2024-03-31", "2024-06-01", "2024-10-27")] == [23, 24, 25]


def test_the_hour_that_the_clocks_skip_is_still_a_time() -> None:
    assert format_instant(parse_instant("2024-03-31 02:30", end=False)) == "2024-03-31 03:30"


def test_a_second_and_its_fraction_are_kept() -> None:
    assert parse_instant("1970-01-01T00:00:05Z", end=True) == 6.0
    assert parse_instant("1970-01-01T00:00:05.25Z", end=False) == 5.25
    assert parse_instant("1970-01-01T00:00:05.25Z", end=True) == 5.25


def test_without_a_given_now_the_clock_is_asked() -> None:
    begin, end = (parse_instant("2 days ago", end=end) for end in (False, True))
    assert begin < time.time() - 86_400 < end + 86_400


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "24", "20240601", "3 moons ago", "-1 days ago"),
        *("2024-13", "2024-02-30", "2024-06-01 14", "2024-06-01 25:00", "2024-06-01Z"),
        *("0000", "0999", "9001", "999999 years ago", "999999 months ago"),
    ],
)
@pytest.mark.parametrize("end", [False, True])
def test_what_is_no_time_is_refused_with_examples(text: str, end: bool) -> None:
    with pytest.raises(QueryError, match=r"2024-06-01 14:30, today, yesterday or 3 days ago"):
        parse_instant(text, end=end)


@pytest.mark.parametrize("text", ["1000", "9000", "9000-12-31 23:59+00:00", "1000-01-01 00:00 +14:00"])
def test_the_bounds_of_the_years_are_safe(text: str) -> None:
    assert parse_instant(text, end=False) < parse_instant(text, end=True)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)))
def test_a_time_with_a_zone_is_read_back(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert parse_instant(aware.isoformat(sep=" "), end=False) == pytest.approx(aware.timestamp(), abs=2e-6)


@given(st.text(st.sampled_from("0123456789-:+TZ. adgotyshweknmr"), max_size=24) | st.text(max_size=12))
def test_random_text_is_a_time_or_a_query_error(text: str) -> None:
    for parse in (lambda value: parse_instant(value, end=True), parse_timespan):
        try:
            assert isinstance(parse(text), float)
        except QueryError as error:
            assert error.hint


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1e20, "@100000000000000000000"), (float("nan"), "@nan"), (float("inf"), "@inf")]
)
def test_a_time_that_no_calendar_reaches_is_shown_as_a_number(seconds: float, shown: str) -> None:
    assert format_instant(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03"), (360_000, "100:00:00"), (-3, "0:00")],
)
def test_an_offset_is_shown_as_players_show_it(seconds: float, shown: str) -> None:
    assert format_offset(seconds) == shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5)),
        *(("90s", 90), ("1h 2m 3s", 3723), ("1h3s", 3603), ("2 min", 120), (" 1 h ", 3600)),
    ],
)
def test_a_span_of_time_is_read(text: str, seconds: float) -> None:
    assert parse_timespan(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "1::2", "one hour", "-5", "1e3", "inf"])
def test_what_is_no_span_of_time_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="not a span of time"):
        parse_timespan(text)


@given(st.integers(0, 10_000_000))
def test_a_shown_offset_is_read_back(seconds: int) -> None:
    assert parse_timespan(format_offset(seconds)) == seconds
