"""Named times: periods of the calendar, parts of the year, of the day and of the week.

All are in the local time of the machine. A week begins on Monday. Seasons are the meteorological ones of the
northern hemisphere: spring from March, summer from June, autumn from September, winter from December; each
lasts three whole months, and a winter is called by the year in which it begins. Christmas is 24 to 26
December, new year 31 December and 1 January.

* ``last X`` is the latest X that is over, ``this X`` the one that lasts now or, if none does, this year's;
* ``X 2023`` is the one that begins in that year; X alone, or ``in X``, is that part of every year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bindsearch.errors import QueryError

Span = tuple[datetime, datetime]
"""From the first instant up to, and without, the second; local times without a zone."""

DAY_SECONDS = 86_400

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

# Parts of the day, in hours; the last one crosses midnight.
HOURS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 22), "night": (22, 6)}

_LONGEST = 31  # days in a month that every date of it is below

EXAMPLES = (
    'write a time as in 2024-06, "last summer", june, 2023..2024, morning, 22:00-2:00, weekend or mon-fri'
)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` up to, and without, ``stop``; seconds since 1970 UTC, infinite where open."""

    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class Yearly:
    """A part of every year, (month, day) ``first`` through ``last``; over New Year if that is less."""

    first: tuple[int, int]
    last: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of every day, from ``start`` up to, and without, ``stop`` in seconds by the local clock.

    Over midnight where ``stop`` is less than ``start``.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Some days of every week, from 0 for Monday to 6 for Sunday."""

    days: frozenset[int]


When = Period | Yearly | Hours | Weekdays


def _parts_of_the_year() -> dict[str, Yearly]:
    parts = {name: Yearly((n, 1), (n, _LONGEST)) for n, name in enumerate(MONTHS, 1)}
    parts |= {name[:3]: part for name, part in parts.items()}
    parts["sept"] = parts["sep"]
    seasons = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
    parts |= {name: Yearly((n, 1), ((n + 1) % 12 + 1, _LONGEST)) for name, n in seasons.items()}
    parts["christmas"] = Yearly((12, 24), (12, 26))
    parts["new year"] = Yearly((12, 31), (1, 1))
    return parts


YEARLY = _parts_of_the_year()

_YEARLY = "|".join(sorted(YEARLY, key=len, reverse=True))
_WEEKDAY = "|".join(f"{name}s?|{name[:3]}" for name in DAYS) + "|tues|wednes|thurs|thur"
_OF_A_YEAR = re.compile(rf"({_YEARLY}),? (?:of )?(\d{{4}})(?:[/-](\d{{2}}|\d{{4}}))?", re.ASCII)
_RELATIVE = re.compile(rf"(last|this) (week|month|year|weekend|{_YEARLY}|{_WEEKDAY})")
_COUNTED = re.compile(r"(?:last|past) (\d{1,5}) (day|week|month|year)s?", re.ASCII)
_DECADE = re.compile(r"(?:the )?(\d{3})0s", re.ASCII)
_LEADING = re.compile(r"(?:in|on|at|during|every) (?:the )?|the ")
_HOURS = re.compile(
    r"(\d{1,2})(?::(\d{2}))? ?(am|pm)? ?(?:-|–|to) ?(\d{1,2})(?::(\d{2}))? ?(am|pm)?", re.ASCII
)
_DAYS = re.compile(rf"({_WEEKDAY})(?: ?(?:-|–|to) ?({_WEEKDAY}))?")


def read_when(text: str, now: datetime | None = None) -> When:
    """What ``text`` names: a period, or a part of every year, day or week.

    A period is also what ``parse_instant`` reads, and ``FROM..TO`` of two of them, of which one may be left
    out. ``now`` (local, without a zone) is what "last" counts from. Raises QueryError for anything else.
    """
    from bindsearch.when import parse_instant

    words = " ".join(text.lower().split())
    part = recurring(_LEADING.sub("", words, count=1) if _LEADING.match(words) else words)
    if part is not None:
        return part
    begin, dots, end = (piece.strip() for piece in text.partition(".."))
    if not dots:
        begin = end = text
    elif not begin and not end:
        raise QueryError("this is not a time", subject=text, hint=EXAMPLES)
    start = parse_instant(begin, end=False, now=now, hint=EXAMPLES) if begin or not dots else float("-inf")
    stop = parse_instant(end, end=True, now=now, hint=EXAMPLES) if end or not dots else float("inf")
    if dots and stop <= start:
        raise QueryError("this ends before it begins", subject=text, hint=EXAMPLES)
    return Period(start, stop)


def recurring(words: str) -> Yearly | Hours | Weekdays | None:
    """The part of every year, day or week that ``words``, small letters and single spaces, name."""
    if words in YEARLY:
        return YEARLY[words]
    if words in HOURS:
        start, stop = HOURS[words]
        return Hours(start * 3600, stop * 3600)
    return _hours(words) or _weekdays(words)


def named_span(words: str, now: datetime) -> Span | None:
    """The span that ``words`` (any case, single spaces) name: "last summer", "june 2023", "the 1990s"."""
    words = _LEADING.sub("", words.lower(), count=1) if _LEADING.match(words.lower()) else words.lower()
    if match := _OF_A_YEAR.fullmatch(words):
        return _of_a_year(match)
    if match := _DECADE.fullmatch(words):
        first = int(match[1]) * 10
        return datetime(first, 1, 1), datetime(first + 10, 1, 1)
    if match := _RELATIVE.fullmatch(words):
        return _relative(match[2], now, over=match[1] == "last")
    return None


def counted_span(words: str) -> tuple[int, str] | None:
    """How many of which unit "last 3 days" and "past 2 weeks" count back."""
    match = _COUNTED.fullmatch(words.lower())
    return (int(match[1]), match[2]) if match else None


def _of_a_year(match: re.Match[str]) -> Span | None:
    """The year may be written 2023/24 where the part of it crosses New Year."""
    part, year = YEARLY[match[1]], int(match[2])
    if match[3] is not None and (part.first <= part.last or int(match[3]) % 100 != (year + 1) % 100):
        return None
    return _in_year(part, year)


def _in_year(part: Yearly, year: int) -> Span:
    """That part of the year which begins in ``year``."""
    month, day = part.last
    last_year = year + (part.last < part.first)
    if day == _LONGEST:
        stop = datetime(last_year + month // 12, month % 12 + 1, 1)
    else:
        stop = datetime(last_year, month, day) + timedelta(days=1)
    return datetime(year, *part.first), stop


def _relative(name: str, now: datetime, *, over: bool) -> Span:
    spans = list(_around(name, now))
    if over:
        return max(span for span in spans if span[1] <= now)
    current = [span for span in spans if span[0] <= now < span[1]]
    return current[0] if current else next(span for span in spans if _is_this(name, span, now))


def _is_this(name: str, span: Span, now: datetime) -> bool:
    if name in YEARLY:
        return span[0].year == now.year
    return _monday(span[0]) == _monday(now)


def _around(name: str, now: datetime) -> Iterator[Span]:
    """The spans of that name in the neighbourhood of ``now``: two before it at least, and one behind it."""
    if name in YEARLY:
        yield from (_in_year(YEARLY[name], now.year + n) for n in (-2, -1, 0, 1))
    elif name == "year":
        yield from ((datetime(now.year + n, 1, 1), datetime(now.year + n + 1, 1, 1)) for n in (-1, 0))
    elif name == "month":
        first = datetime(now.year, now.month, 1)
        before = (first - timedelta(days=1)).replace(day=1)
        yield from ((before, first), (first, datetime(now.year + now.month // 12, now.month % 12 + 1, 1)))
    else:
        first_day, length = {"week": (0, 7), "weekend": (5, 2)}.get(name) or (_day(name), 1)
        for week in (-1, 0, 1):
            start = _monday(now) + timedelta(days=7 * week + first_day)
            yield start, start + timedelta(days=length)


def _monday(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day) - timedelta(days=now.weekday())


def _hours(words: str) -> Hours | None:
    match = _HOURS.fullmatch(words)
    if match is None:
        return None
    start, stop = _clock(match[1], match[2], match[3]), _clock(match[4], match[5], match[6])
    if start is None or stop is None or start == stop:
        return None
    return Hours(start, stop)


def _clock(hour: str, minute: str | None, half: str | None) -> int | None:
    """Seconds since midnight."""
    hours, minutes = int(hour), int(minute or 0)
    if half is not None:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + 12 * (half == "pm")
    seconds = hours * 3600 + minutes * 60
    return seconds if minutes < 60 and seconds <= DAY_SECONDS else None


def _weekdays(words: str) -> Weekdays | None:
    if words.rstrip("s") in ("weekend", "weekday"):
        return Weekdays(frozenset((5, 6) if words.startswith("weekend") else range(5)))
    days: set[int] = set()
    for piece in re.split(r" ?, ?| and ", words):
        match = _DAYS.fullmatch(piece)
        if match is None:
            return None
        first = _day(match[1])
        last = first if match[2] is None else _day(match[2])
        days |= {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    return Weekdays(frozenset(days))


def _day(name: str) -> int:
    return next(n for n, day in enumerate(DAYS) if day.startswith(name[:3]))
