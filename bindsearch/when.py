"""Times as people write them: instants for ``--since`` and ``--until``, offsets within a film.

An instant is seconds since 1970 UTC; text without a zone is local time. What is written names a period (a
year, a day, a minute): as a beginning it means the period's first instant, as an end the first instant after
it, so that ``since 2024, until 2024`` is the whole year. Periods follow the calendar, not a count of
seconds: a day on which the clocks change lasts 23 or 25 hours.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone

from bindsearch.errors import QueryError
from bindsearch.periods import counted_span, named_span

# Wide enough for any dated picture; narrow enough that no zone or next year leaves datetime's own range.
FIRST_YEAR, LAST_YEAR = 1000, 9000

_EXAMPLES = "write a time as in 2024, 2024-06, 2024-06-01, 2024-06-01 14:30, today, yesterday or 3 days ago"
_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[ T]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?P<fraction>\.\d{1,9})?)?"
    r" ?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_AGO = re.compile(
    r"(?P<count>\d{1,6}|an?) (?P<unit>minute|hour|day|week|month|year)s? ago", re.ASCII | re.IGNORECASE
)
_TIMESPAN = re.compile(r"(?:(?:(?P<h>\d{1,6}):)?(?P<m>\d{1,6}):)?(?P<s>\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_UNITS = re.compile(
    r"(?:(?P<h>\d{1,6}) ?h)? ?(?:(?P<m>\d{1,6}) ?m(?:in)?)? ?(?:(?P<s>\d{1,9}(?:\.\d{1,9})?) ?s)?", re.ASCII
)


def parse_instant(text: str, *, end: bool, now: datetime | None = None, hint: str = _EXAMPLES) -> float:
    """The instant, in seconds since 1970 UTC, at which the period that ``text`` names begins.

    With ``end`` it is the instant at which the period is over. ``now`` (local, without a zone) is what
    "today", "ago" and "last" count from. Names of periods are those of ``periods``. Raises QueryError, with
    ``hint``, for text that names no time.
    """
    words = " ".join(text.split())
    now = now or datetime.now()
    try:
        period = _named_day(words, now) or _ago(words, now) or _date(words) or _named_period(words, now)
        if period is None:
            raise QueryError("this is not a time", subject=text, hint=hint)
        start, stop = period
        if not FIRST_YEAR <= start.year <= LAST_YEAR:
            raise ValueError(f"only the years {FIRST_YEAR} to {LAST_YEAR} can be searched")
        return (stop if end else start).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise QueryError(f"there is no such time: {error}", subject=text, hint=hint) from error


def format_instant(seconds: float) -> str:
    """The local date and time to the minute; a time that no calendar reaches as ``@seconds``."""
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"@{seconds:.0f}"


def parse_timespan(text: str) -> float:
    """Seconds, from ``90``, ``1:30``, ``1:02:03.5``, ``90s`` or ``1h 2m 3s``.

    Raises QueryError for anything else.
    """
    words = " ".join(text.split())
    match = _TIMESPAN.fullmatch(words) or (_UNITS.fullmatch(words) if words else None)
    if match is None:
        raise QueryError("this is not a span of time", subject=text, hint="write 90, 1:30, 1:02:03 or 1h 2m")
    return int(match["h"] or 0) * 3600 + int(match["m"] or 0) * 60 + float(match["s"] or 0)


def format_offset(seconds: float) -> str:
    """A place in a film or a sound, whole seconds rounded down: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, second = divmod(int(max(seconds, 0.0)), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


_Period = tuple[datetime, datetime]


def _named_day(words: str, now: datetime) -> _Period | None:
    match words.lower():
        case "now":
            return now, now
        case "today":
            return _days_around(now)
        case "yesterday":
            return _days_around(now - timedelta(days=1))
    return None


def _ago(words: str, now: datetime) -> _Period | None:
    """Days and longer name the whole day that long ago, hours and minutes the instant."""
    match = _AGO.fullmatch(words)
    if match is None:
        return None
    count = int(match["count"]) if match["count"].isdigit() else 1
    match match["unit"].lower():
        case "minute" | "hour" as unit:
            # Elapsed time, so it is counted in UTC: this holds on the night of a clock change, too.
            instant = now.astimezone(UTC) - timedelta(**{f"{unit}s": count})
            return instant, instant
        case "day":
            return _days_around(now - timedelta(days=count))
        case "week":
            return _days_around(now - timedelta(weeks=count))
        case "month":
            return _days_around(_months_before(now, count))
    return _days_around(_months_before(now, 12 * count))


def _named_period(words: str, now: datetime) -> _Period | None:
    """A period with a name of its own, or the last so many days, weeks, months or years up to now."""
    counted = counted_span(words)
    if counted is None:
        return named_span(words, now)
    begun = _ago("{} {}s ago".format(*counted), now)
    return None if begun is None else (begun[0], now)


def _months_before(now: datetime, count: int) -> datetime:
    """The same day ``count`` months earlier, or that month's last day where it is shorter."""
    year, month = divmod(now.year * 12 + now.month - 1 - count, 12)
    if year < FIRST_YEAR:
        raise ValueError(f"it is before the year {FIRST_YEAR}")
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def _days_around(instant: datetime) -> _Period:
    midnight = datetime(instant.year, instant.month, instant.day)
    return midnight, midnight + timedelta(days=1)


def _date(words: str) -> _Period | None:
    match = _DATE.fullmatch(words)
    if match is None:
        return None
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    if match["month"] is None:
        return datetime(year, 1, 1), datetime(year + 1, 1, 1)
    if match["day"] is None:
        return datetime(year, month, 1), datetime(year + month // 12, month % 12 + 1, 1)
    if match["hour"] is None:
        return _days_around(datetime(year, month, day))
    return _clock(match, datetime(year, month, day))


def _clock(match: re.Match[str], day: datetime) -> _Period:
    start = day.replace(
        hour=int(match["hour"]),
        minute=int(match["minute"]),
        second=int(match["second"] or 0),
        microsecond=int(float(match["fraction"] or 0) * 1e6),
        tzinfo=_zone(match["zone"]),
    )
    if match["fraction"] is not None:
        return start, start
    length = timedelta(minutes=1) if match["second"] is None else timedelta(seconds=1)
    # Through UTC, so that a minute in the hour that the clocks repeat ends a minute later.
    return start, start.astimezone(UTC) + length


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text.upper() == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
