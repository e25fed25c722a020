"""What films and sounds say of themselves: the tags of cameras, telephones, recorders and record shelves.

PyAV brings ID3, Vorbis comments, the atoms of MP4, RIFF's INFO and the broadcast wave's ``bext`` to names of
one kind, which differ in their letters' case only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bindsearch.loaders.exif import camera_name, checked_place, timestamp

_LONGEST_PART = 300
_LONGEST_TITLE = 600
_NOON = "12:00:00"  # of a day without an hour: the same day in most zones


@dataclass(frozen=True, slots=True)
class Tags:
    """Tags under their lower-case names."""

    tags: Mapping[str, str]

    @classmethod
    def of(cls, *sources: Mapping[str, str]) -> Tags:
        """The tags of all ``sources``; a later one outranks an earlier one."""
        return cls({name.casefold(): value for source in sources for name, value in source.items()})

    def first(self, *names: str) -> str:
        """The first of ``names`` that says something, or ""."""
        return next((self.tags[name].strip() for name in names if self.tags.get(name, "").strip()), "")

    def title(self) -> str | None:
        """ "artist – title", album and description, as far as they are given, in one line."""
        head = " – ".join(_distinct(self._words("artist", "album_artist"), self._words("title")))
        rest = (self._words("album"), self._words("description", "synopsis"), self._words("comment"))
        return ". ".join(_distinct(head, *rest))[:_LONGEST_TITLE].strip() or None

    def _words(self, *names: str) -> str:
        text = "".join(sign if sign.isprintable() else " " for sign in self.first(*names)[:_LONGEST_PART])
        return " ".join(text.split()).rstrip(". ")

    def taken_at(self) -> float | None:
        """Seconds since 1970 UTC; a tag with the year alone, or of a clock that was never set, is no time."""
        names = ("com.apple.quicktime.creationdate", "creation_time", "date_recorded", "date", "icrd", "tdrc")
        for name in names:
            date, clock = self.first(name), self.first("creation_time")
            moment = _moment(date, clock if name == "date" and re.match(r"\d\d:\d\d", clock) else _NOON)
            if moment is not None and moment > 0:  # clocks that were never set start in 1904
                return moment
        return None

    def place(self) -> tuple[float | None, float | None]:
        """From ISO 6709, "+48.8577+002.2950+035.0/"."""
        text = self.first("com.apple.quicktime.location.iso6709", "location", "location-eng")
        found = re.match(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)", text)
        return checked_place(float(found[1]), float(found[2])) if found else (None, None)

    def camera(self) -> str | None:
        """Maker and model of the camera or recorder."""
        make = self.first("com.apple.quicktime.make", "make", "com.android.manufacturer")
        return camera_name(make, self.first("com.apple.quicktime.model", "model", "com.android.model"))


def _moment(date: str, clock: str) -> float | None:
    if re.fullmatch(r"\d{4}[:\-/.]\d\d[:\-/.]\d\d", date):
        date = f"{date} {clock}"
    zone = re.search(r"(Z|[+-]\d\d:?\d\d)$", date)
    return timestamp(date, zone[1] if zone else "")


def _distinct(*parts: str) -> list[str]:
    """``parts`` without the empty ones and those that an earlier one already says."""
    kept: list[str] = []
    for part in parts:
        if part and not any(part.casefold() in earlier.casefold() for earlier in kept):
            kept.append(part)
    return kept
