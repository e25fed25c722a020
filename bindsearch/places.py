"""Places as people write them, distances, and how far two places are apart.

Degrees are those of WGS 84, north and east positive. Distances are metres on a sphere of the earth's mean
radius, which is right to 0.5 % of those on its ellipsoid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bindsearch.errors import QueryError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Degrees = NDArray[np.float64]

EARTH_RADIUS = 6_371_008.8  # metres; the mean radius (2a + b) / 3 of WGS 84
DEFAULT_RADIUS = 1_000.0  # metres

_UNITS = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1_000.0),
    **dict.fromkeys(("mi", "mile", "miles"), 1_609.344),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
}
_DISTANCE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-z]+)", re.ASCII | re.IGNORECASE)
_NUMBER = r"([+-]?\d{1,3}(?:\.\d{1,15})?)"
_PLACE = re.compile(rf"{_NUMBER} ?(?:,| ) ?{_NUMBER}", re.ASCII)
_WITHIN = re.compile(r"\s*(?:,|\s|\bwithin\b)\s*(?=\d)", re.IGNORECASE)


class Place(NamedTuple):
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


class Around(NamedTuple):
    """Everything at most ``radius`` metres from ``place``, the border included.

    ``place`` is a name (``@1234``, the path of a file) as long as it has not been looked up.
    """

    place: Place | str
    radius: float


def parse_distance(text: str) -> float:
    """Metres, from ``500m``, ``2 km``, ``1.5 miles`` or ``300ft``. Raises QueryError for anything else."""
    match = _DISTANCE.fullmatch(" ".join(text.split()))
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise QueryError("this is not a distance", subject=text, hint="write 500m, 2km, 1.5mi or 300ft")
    return float(match[1]) * factor


def parse_place(text: str) -> Place:
    """The place that ``48.137,11.575`` names. Raises QueryError for anything else."""
    match = _PLACE.fullmatch(" ".join(text.split()))
    hint = "write latitude and longitude in degrees, as in 48.137,11.575"
    if match is None:
        raise QueryError("this is not a place", subject=text, hint=hint)
    place = Place(float(match[1]), float(match[2]))
    if abs(place.latitude) > 90 or abs(place.longitude) > 180:
        raise QueryError("there is no such place on earth", subject=text, hint=hint)
    return place


def parse_around(text: str) -> Around:
    """From ``PLACE`` or ``PLACE,DISTANCE``: a place in degrees, ``@`` and a segment's id, or a file's path.

    Raises QueryError for anything else.
    """
    name, radius = text.strip(), DEFAULT_RADIUS
    for cut in _WITHIN.finditer(text):
        try:
            radius = parse_distance(text[cut.end() :])
        except QueryError:
            continue
        name = text[: cut.start()].strip()
        break
    if re.fullmatch(r"@\d{1,18}", name, re.ASCII):
        return Around(name, radius)
    try:
        return Around(parse_place(name), radius)
    except QueryError:
        if not name or re.fullmatch(r"[\d\s.,+-]*|@.*", name, re.DOTALL) or "\0" in name:
            raise
        return Around(name, radius)


def distances(place: Place, latitudes: Degrees, longitudes: Degrees) -> Degrees:
    """Metres from ``place`` to each of some places (n,) along great circles.

    Half the chord gives the angle, in the form that stays exact for places close by (haversine) and, through
    arctan2, for those at the other end of the earth. Longitudes may cross the antimeridian.
    """
    import numpy as np

    south, own = np.radians(latitudes), np.radians(place.latitude)
    half_north = np.sin((south - own) / 2) ** 2
    half_east = np.sin(np.radians(longitudes - place.longitude) / 2) ** 2
    chord = np.clip(half_north + np.cos(own) * np.cos(south) * half_east, 0.0, 1.0)
    angles: Degrees = 2 * np.arctan2(np.sqrt(chord), np.sqrt(1 - chord))
    return EARTH_RADIUS * angles
