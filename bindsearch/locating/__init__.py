"""Locating: where in a picture, and when in a film or a recording, a query is.

Nothing here opens a file; encoders are used by their protocol only.

    boxes      rectangles, and which of several that overlap is kept
    regions    the windows of a picture and their pixels
    heat       what the windows that cover a point score on average
    standing   how far a score stands out
    places     where: the search in one picture
    moments    when: a curve over time and its peaks
    drawing    both as pictures for people
"""

from bindsearch.locating.boxes import Box
from bindsearch.locating.moments import LEVEL as MOMENT_LEVEL
from bindsearch.locating.moments import Curve, Span, find_spans
from bindsearch.locating.places import FINE, MOST, QUICK, Effort, Place, Places, find_places
from bindsearch.locating.places import LEVEL as PLACE_LEVEL
from bindsearch.locating.standing import Usual

__all__ = [
    "FINE",
    "MOMENT_LEVEL",
    "MOST",
    "PLACE_LEVEL",
    "QUICK",
    "Box",
    "Curve",
    "Effort",
    "Place",
    "Places",
    "Span",
    "Usual",
    "find_places",
    "find_spans",
]
