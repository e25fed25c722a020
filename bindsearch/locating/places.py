"""Where in a picture a query is: regions at several scales, scored by an encoder, and the boxes that stand
out.

1. Windows of several sizes are cut out and encoded. A window's score is its cosine to the query; how far it
   stands out is judged against all windows of this picture (standing.py).
2. Their scores make a heat map. A window ranks by its score plus its contrast in that map, so that of a tight
   and a loose window around the same thing the tight one wins.
3. Of the best few that are not the same thing, each is shifted, grown and shrunk in steps that get smaller,
for as long as its rank rises.
4. A box is reported when it stands out by ``level`` or more, and by SHARE of what the best one does.

Nothing but the Encoder protocol is used, so any space that embeds pictures will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.protocol import Encoder
from bindsearch.locating.boxes import Box, Boxes, suppress, whole
from bindsearch.locating.heat import Heat, Values
from bindsearch.locating.regions import Crops, moves, windows
from bindsearch.locating.standing import Usual
from bindsearch.media import Pixels

LEVEL = 1.8
SHARE = 0.6
MOST = 10
_BATCH = 64
_FIRST_STEP = 0.3  # of a box's sides
_SHORTER = 0.65
_SLACK = 0.4  # spreads that looking more closely may add


@dataclass(frozen=True, slots=True)
class Effort:
    """How closely to look: ``sides`` and ``step`` of the windows; how many boxes may move, and how often."""

    sides: tuple[float, ...]
    step: float
    refined: int
    rounds: int


QUICK = Effort(sides=(0.52, 0.31, 0.19), step=0.5, refined=4, rounds=4)
FINE = Effort(sides=(0.65, 0.46, 0.32, 0.23, 0.16, 0.11), step=1 / 3, refined=20, rounds=8)


@dataclass(frozen=True, slots=True)
class Place:
    """A box, the cosine of what is in it to the query, and how many spreads that stands out."""

    box: Box
    score: float
    standing: float


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """What was found in a picture, best first.

    ``heat`` (rows, columns) is how far each part of the picture stands out, in spreads; ``whole`` the score
    of the picture as a whole; ``regions`` how many were encoded.
    """

    found: tuple[Place, ...]
    heat: Values
    whole: float
    usual: Usual
    regions: int


def find_places(
    pixels: Pixels,
    query: NDArray[np.float32],
    encoder: Encoder,
    *,
    size: tuple[int, int] | None = None,
    level: float = LEVEL,
    most: int = MOST,
    effort: Effort = QUICK,
) -> Places:
    """Where ``query`` (d,), a unit vector, is in ``pixels`` (height, width, 3).

    ``size`` (width, height) is that of the picture whose pixels the boxes count, where ``pixels`` are a
    smaller copy of it. Raises EncoderError for a space that does not embed pictures.
    """
    height, width = pixels.shape[:2]
    size = size or (width, height)
    search = _Search(pixels, query, encoder)
    boxes = windows(width, height, effort.sides, effort.step)
    scores = search.look(boxes)
    usual = Usual.of(scores, len(query))
    hopeful = usual.standing(scores) >= level - _SLACK
    boxes, ranks = boxes[hopeful], search.ranks(boxes, scores)[hopeful]
    chosen = suppress(boxes, ranks, most)
    boxes, scores = boxes[chosen], scores[hopeful][chosen]
    boxes, scores = search.refine(boxes, scores, effort)
    standing = usual.standing(scores)
    good = (standing >= level) & (standing >= SHARE * standing.max(initial=0.0))
    boxes, scores, standing = boxes[good], scores[good], standing[good]
    kept = suppress(boxes, search.ranks(boxes, scores), most)
    scale = size[0] / width, size[1] / height
    found = [Place(whole(boxes[n], scale, size), float(scores[n]), float(standing[n])) for n in kept]
    heat = usual.standing(search.heat.values)
    return Places(tuple(found), heat, search.whole, usual, search.regions)


class _Search:
    """One picture and one query: what has been looked at so far."""

    def __init__(self, pixels: Pixels, query: NDArray[np.float32], encoder: Encoder) -> None:
        self._crops = Crops.of(pixels, encoder.picture_side)
        self._query = query
        self._encoder = encoder
        self._size = pixels.shape[1], pixels.shape[0]
        self.heat = Heat(*self._size)
        self.regions = 0
        self.whole = 0.0

    def look(self, boxes: Boxes) -> Values:
        """The scores (n,) of regions (n, 4); they warm the map. The first of all is the whole picture."""
        scores = np.empty(len(boxes))
        for first in range(0, len(boxes), _BATCH):
            some = slice(first, first + _BATCH)
            vectors = self._encoder.encode([self._crops.picture(box) for box in boxes[some]])
            scores[some] = vectors @ self._query
        if not self.regions:
            self.whole = float(scores[0])
        self.regions += len(boxes)
        self.heat.add(boxes, scores)
        return scores

    def ranks(self, boxes: Boxes, scores: Values) -> Values:
        """What decides between boxes: (n,)."""
        return np.asarray(scores + self.heat.contrast(boxes))

    def refine(self, boxes: Boxes, scores: Values, effort: Effort) -> tuple[Boxes, Values]:
        """The first few of ``boxes`` moved to where their rank is highest nearby, and all boxes' scores.

        One that has moved onto the same thing as a better one is dropped.
        """
        climbs = [_Climb(box, score) for box, score in zip(boxes, scores.tolist(), strict=True)]
        moving, rest = climbs[: effort.refined], climbs[effort.refined :]
        for _ in range(effort.rounds if moving else 0):
            tried = [moves(climb.box, climb.step, *self._size)[1:] for climb in moving]
            seen = np.split(self.look(np.concatenate(tried)), np.cumsum([len(some) for some in tried])[:-1])
            for climb, some, theirs in zip(moving, tried, seen, strict=True):
                both = np.concatenate([climb.box[np.newaxis], some]), np.append(climb.score, theirs)
                climb.go(*both, self.ranks(*both))
            kept = suppress(*_ranked(moving), len(moving))
            moving = [moving[number] for number in kept]
        climbs = moving + rest
        return np.array([one.box for one in climbs]).reshape(-1, 4), np.array([one.score for one in climbs])


@dataclass(slots=True, eq=False)
class _Climb:
    """A box on its way, with its score and its rank; ``step`` is how far it moves next, of its sides."""

    box: Boxes
    score: float
    rank: float = 0.0
    step: float = _FIRST_STEP

    def go(self, boxes: Boxes, scores: Values, ranks: Values) -> None:
        """Take the best of ``boxes``, and shorter steps from there."""
        best = int(ranks.argmax())
        self.box, self.score, self.rank = boxes[best], float(scores[best]), float(ranks[best])
        self.step *= _SHORTER


def _ranked(climbs: Sequence[_Climb]) -> tuple[Boxes, Values]:
    return np.array([climb.box for climb in climbs]), np.array([climb.rank for climb in climbs])
