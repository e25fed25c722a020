"""Named times, in a zone whose clocks change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.errors import QueryError
from bindsearch.periods import DAYS, MONTHS, YEARLY, Hours, Period, Weekdays, Yearly, read_when
from bindsearch.when import format_instant, parse_instant

NOW = datetime(2024, 8, 14, 12, 0)  # a Wednesday in summer


@pytest.fixture(autouse=True, scope="module")
def berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("last week", "2024-08-05", "2024-08-12"),
        ("this week", "2024-08-12", "2024-08-19"),
        ("last weekend", "2024-08-10", "2024-08-12"),
        ("this weekend", "2024-08-17", "2024-08-19"),
        ("last month", "2024-07-01", "2024-08-01"),
        ("This Month", "2024-08-01", "2024-09-01"),
        ("last year", "2023-01-01", "2024-01-01"),
        ("this year", "2024-01-01", "2025-01-01"),
        ("last saturday", "2024-08-10", "2024-08-11"),
        ("last wednesday", "2024-08-07", "2024-08-08"),
        ("this fri", "2024-08-16", "2024-08-17"),
        ("last summer", "2023-06-01", "2023-09-01"),
        ("this summer", "2024-06-01", "2024-09-01"),
        ("last spring", "2024-03-01", "2024-06-01"),
        ("last winter", "2023-12-01", "2024-03-01"),
        ("this winter", "2024-12-01", "2025-03-01"),
        ("last june", "2024-06-01", "2024-07-01"),
        ("last august", "2023-08-01", "2023-09-01"),
        ("last christmas", "2023-12-24", "2023-12-27"),
        ("last new year", "2023-12-31", "2024-01-02"),
        ("summer 2023", "2023-06-01", "2023-09-01"),
        ("in the summer of 2023", "2023-06-01", "2023-09-01"),
        ("fall 2023", "2023-09-01", "2023-12-01"),
        ("winter 2023", "2023-12-01", "2024-03-01"),
        ("winter 2023/24", "2023-12-01", "2024-03-01"),
        ("winter 1999-2000", "1999-12-01", "2000-03-01"),
        ("june 2023", "2023-06-01", "2023-07-01"),
        ("Sept 2023", "2023-09-01", "2023-10-01"),
        ("december 2023", "2023-12-01", "2024-01-01"),
        ("february 2024", "2024-02-01", "2024-03-01"),
        ("christmas 2022", "2022-12-24", "2022-12-27"),
        ("the 1990s", "1990-01-01", "2000-01-01"),
        ("past 2 weeks", "2024-07-31", "2024-08-14 12:00"),
        ("last 3 days", "2024-08-11", "2024-08-14 12:00"),
        ("2024-06", "2024-06-01", "2024-07-01"),
        ("2023-06..2023-08", "2023-06-01", "2023-09-01"),
        ("last summer .. today", "2023-06-01", "2024-08-15"),
        ("yesterday", "2024-08-13", "2024-08-14"),
    ],
)
def test_a_name_stands_for_a_period(text: str, begin: str, end: str) -> None:
    period = read_when(text, NOW)
    assert isinstance(period, Period)
    shown = [format_instant(one).removesuffix(" 00:00") for one in (period.start, period.stop)]
    assert shown == [begin, end]
    if ".." not in text:
        assert parse_instant(text, end=False, now=NOW) == period.start
        assert parse_instant(text, end=True, now=NOW) == period.stop


def test_a_range_may_be_open() -> None:
    assert read_when("2024..") == Period(parse_instant("2024", end=False), float("inf"))
    assert read_when("..2024") == Period(float("-inf"), parse_instant("2024", end=True))


@pytest.mark.parametrize(
    ("now", "begin"), [("2024-01-15", 2023), ("2024-02-29", 2023), ("2024-03-01", 2024), ("2024-12-01", 2024)]
)
def test_this_winter_is_the_one_that_lasts_or_comes(now: str, begin: int) -> None:
    period = read_when("this winter", datetime.fromisoformat(now))
    assert isinstance(period, Period)
    assert datetime.fromtimestamp(period.start) == datetime(begin, 12, 1)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("june", Yearly((6, 1), (6, 31))),
        ("in June", Yearly((6, 1), (6, 31))),
        ("winter", Yearly((12, 1), (2, 31))),
        ("at christmas", Yearly((12, 24), (12, 26))),
        ("morning", Hours(6 * 3600, 12 * 3600)),
        ("at night", Hours(22 * 3600, 6 * 3600)),
        ("22:00-02:00", Hours(22 * 3600, 2 * 3600)),
        ("9-17", Hours(9 * 3600, 17 * 3600)),
        ("9am to 5:30pm", Hours(9 * 3600, 17 * 3600 + 1800)),
        ("12am-12pm", Hours(0, 12 * 3600)),
        ("18:00-24:00", Hours(18 * 3600, 24 * 3600)),
        ("saturday", Weekdays(frozenset({5}))),
        ("on saturdays", Weekdays(frozenset({5}))),
        ("weekend", Weekdays(frozenset({5, 6}))),
        ("weekdays", Weekdays(frozenset(range(5)))),
        ("mon-fri", Weekdays(frozenset(range(5)))),
        ("fri-mon", Weekdays(frozenset({4, 5, 6, 0}))),
        ("mon, wed and fri", Weekdays(frozenset({0, 2, 4}))),
    ],
)
def test_a_name_stands_for_a_part_of_every_year_day_or_week(text: str, part: object) -> None:
    assert read_when(text) == part


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "soon",
            "..",
            "2024..2023",
            "last",
            "last moon",
            "summer 23",
            "summer 2023/24",
            "winter 2023/25",
        ),
        *(
            "25:00-26:00",
            "9-9",
            "13pm-2pm",
            "9:61-10",
            "mon-",
            "juneish",
            "0000s",
            "christmas 9999",
            "1990s..",
        ),
    ][:-1],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        read_when(text, NOW)
    assert caught.value.hint


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.sampled_from(["week", "weekend", "month", "year", *YEARLY, *DAYS]),
)
def test_last_is_over_and_this_is_not_long_ago(now: datetime, name: str) -> None:
    last, this = read_when(f"last {name}", now), read_when(f"this {name}", now)
    assert isinstance(last, Period) and isinstance(this, Period)
    assert last.start < last.stop <= now.timestamp() + 86_400
    assert last.stop > (now - timedelta(days=740)).timestamp()
    assert last.start <= this.start


@given(st.text(st.sampled_from("lasthiumerwnko0123456789:-./ ,pfd"), max_size=18))
def test_random_text_is_a_time_or_a_query_error(text: str) -> None:
    try:
        read_when(text, NOW)
    except QueryError as error:
        assert error.hint


def test_every_month_has_its_name() -> None:
    assert [YEARLY[name].first[0] for name in MONTHS] == list(range(1, 13))
