"""What the files beside a file say of it: captions, XMP, Google Takeout's JSON, a downloader's JSON.

XMP is what a person wrote with a photo program, so it outranks what the file says itself; JSON only fills
in what the file leaves out. All words, the file's own title among them, become one Passage after the file's
media, so that they are found like any other text and lead to the file. A neighbour that cannot be read is
passed over: it must not cost the photo beside it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bindsearch.errors import MediaError
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.exif import checked_place, timestamp
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.hints import Hint
from bindsearch.loaders.signatures import TEXT
from bindsearch.loaders.text import load_text
from bindsearch.media import Media, Passage

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 2_000_000
MAX_WORDS = 4_000  # characters of the passage

_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_FARTHEST_TIME = 2.5e11  # seconds from 1970 to about the year 9900

_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP_DATES = (
    "{http://ns.adobe.com/exif/1.0/}DateTimeOriginal",
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
    "{http://ns.adobe.com/xap/1.0/}CreateDate",
)
_XMP_PLACE = (
    "{http://ns.adobe.com/exif/1.0/}GPSLatitude",
    "{http://ns.adobe.com/exif/1.0/}GPSLongitude",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What one neighbour tells; the units are those of FileFacts."""

    words: tuple[str, ...] = ()
    taken_at: float | None = None
    latitude: float | None = None
    longitude: float | None = None


def with_words(loaded: LoadedFile, hint: Hint) -> LoadedFile:
    """``loaded`` with what its neighbours tell: its facts completed, all words as a last Passage."""
    if not hint.neighbours and not loaded.facts.title:
        return loaded
    told = {role: _read(role, hint) for role in _READERS}
    facts = _completed(_overruled(loaded.facts, told["xmp"]), told["json"])
    words = [word for one in told.values() for word in one.words]
    text = _joined([*words, facts.title or ""])
    notes = tuple(f"read together with its {role}" for role in told if hint.neighbour(role))
    return replace(loaded, facts=facts, media=_followed(loaded.media, text), notes=loaded.notes + notes)


def _followed(media: Iterator[Media], text: str) -> Iterator[Media]:
    yield from media
    if text:
        yield Passage(text)


def _joined(words: list[str]) -> str:
    """Each thing said once, one to a line, without signs that no text has."""
    once = dict.fromkeys(text for word in words if (text := " ".join(_NO_TEXT.sub(" ", word).split())))
    return "\n".join(once)[:MAX_WORDS].rstrip()


def _overruled(facts: FileFacts, told: Told) -> FileFacts:
    if told.taken_at is not None:
        facts = replace(facts, taken_at=told.taken_at)
    if told.latitude is not None:
        facts = replace(facts, latitude=told.latitude, longitude=told.longitude)
    return facts


def _completed(facts: FileFacts, told: Told) -> FileFacts:
    if facts.taken_at is None:
        facts = replace(facts, taken_at=told.taken_at)
    if facts.latitude is None:
        facts = replace(facts, latitude=told.latitude, longitude=told.longitude)
    return facts


def _read(role: str, hint: Hint) -> Told:
    """What all neighbours of that role tell; of several, the first decides on time and place."""
    found = [_READERS[role](path) for path in _paths(role, hint)]
    first = found[0] if found else Told()
    return replace(first, words=tuple(word for told in found for word in told.words))


def _paths(role: str, hint: Hint) -> Iterator[Path]:
    return (Path(one.path) for one in hint.neighbours if one.role == role and one.size <= MAX_BYTES)


def _bytes(path: Path) -> bytes:
    """The bytes of a neighbour; none if it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(MAX_BYTES)
    except (MediaError, OSError):
        return b""


def _caption(path: Path) -> Told:
    """A text in any encoding that notes are read in."""
    try:
        loaded = load_text(path, TEXT.format, LoadOptions(passage_characters=MAX_BYTES))
    except MediaError:
        return Told()
    return Told(tuple(passage.text for passage in loaded.media if isinstance(passage, Passage)))


def _json(path: Path) -> Told:
    """The fields of Google Takeout and yt-dlp; of anything else the description."""
    try:
        said = json.loads(_bytes(path))
    except (ValueError, RecursionError):
        return Told()
    if not isinstance(said, dict):
        return Told()
    people = said.get("people")
    names = [one.get("name") for one in people if isinstance(one, dict)] if isinstance(people, list) else []
    words = [said.get("fulltitle"), said.get("uploader"), said.get("description"), *names]
    place = _table(said, "geoData")
    latitude, longitude = _number(place.get("latitude")), _number(place.get("longitude"))
    texts = tuple(word for word in words if isinstance(word, str))
    return Told(texts, _json_time(said), *checked_place(latitude, longitude))


def _json_time(said: dict[str, Any]) -> float | None:
    for taken in (_table(said, "photoTakenTime").get("timestamp"), said.get("timestamp")):
        moment = _number(taken)
        if abs(moment) < _FARTHEST_TIME:
            return moment
    day = said.get("upload_date")
    found = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", day) if isinstance(day, str) else None
    return timestamp(f"{found[1]}-{found[2]}-{found[3]} 12:00", "Z") if found else None


def _table(said: dict[str, Any], key: str) -> dict[str, Any]:
    value = said.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    """A number, also one written as text; NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _xmp(path: Path) -> Told:
    """Title, description, keywords, date and place (XMP specification part 2: dc, exif, photoshop, xmp)."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(_trimmed(_bytes(path)))
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # the last two of unknown encodings
        return Told()
    words = tuple(word for name in ("title", "description", "subject") for word in _texts(root, _DC + name))
    dates = (_xmp_time(_value(root, name)) for name in _XMP_DATES)
    latitude, longitude = (_degrees(_value(root, name)) for name in _XMP_PLACE)
    taken_at = next((moment for moment in dates if moment is not None), None)
    return Told(words, taken_at, *checked_place(latitude, longitude))


def _trimmed(raw: bytes) -> bytes:
    """Without the space and the zeros around a packet, which UTF-16 has inside its signs too."""
    return raw if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else raw.strip(b"\0\r\n\t ")


def _texts(root: Element, name: str) -> Iterator[str]:
    """A property of words: the items of its Alt, Bag or Seq, else written as a value is."""
    items = [item for found in root.iter(name) for item in found.iter(f"{_RDF}li")]
    yield from (item.text or "" for item in items)
    if not items:
        yield _value(root, name)


def _value(root: Element, name: str) -> str:
    """A property, written as an attribute of a description or as an element of its own."""
    for description in root.iter(f"{_RDF}Description"):
        if name in description.attrib:
            return str(description.attrib[name]).strip()
        child = description.find(name)
        if child is not None and child.text:
            return str(child.text).strip()
    return ""


def _xmp_time(date: str) -> float | None:
    zone = re.search(r"(Z|[+-]\d\d:?\d\d)$", date)
    return timestamp(date, zone[1] if zone else "")


def _degrees(value: str) -> float:
    """From ``48,51.466N`` or ``48,51,27.9N`` to degrees; NaN for anything else."""
    found = re.fullmatch(r"(\d+),(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?([NSEW])", value.strip())
    if found is None:
        return math.nan
    degrees = float(found[1]) + float(found[2]) / 60 + float(found[3] or 0) / 3600
    return -degrees if found[4] in "SW" else degrees


_READERS = {"caption": _caption, "xmp": _xmp, "json": _json}
