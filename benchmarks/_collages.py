"""Generated collages: an object's photo, made small, somewhere in a picture that shows other things.

Half of them are *scenes*: the object's photo laid on one photo of Flickr8k, its longer side from a fifth to a
half of the shorter side of the whole, at a place drawn evenly from all where it lies inside. The other half
are *grids* of two to five photos on a side, of which one, drawn at random, is the object's and the others are
of other classes or of Flickr8k. A photo whose captions or label name the object's class, or a word of
OTHER_WORDS, is no background for it. The photos of objects are laid as they are: the set tells no boxes, so
that the margins around an object count as part of it, and nothing is done to hide or to stress their edges.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bindsearch.evaluation.manifest import Manifests, Row
from bindsearch.media import Pixels
from bindsearch.modality import Modality

WIDTH, HEIGHT = 640, 480
LEAST, MOST = 1 / 5, 1 / 2  # the object's longer side, of HEIGHT
GRIDS = (2, 3, 4, 5)

# Words by which captions call what a class shows, beyond its own name.
OTHER_WORDS = """\
dalmatian: dog dogs puppy
person's face: man men woman women boy boys girl girls child children people person kid kids baby guy he she
person's face: player players lady face crowd toddler couple someone group team biker rider
airplane: plane jet aircraft
car: cars vehicle truck van suv jeep taxi traffic street road race
motorbike: motorcycle motorcyclist bike biker dirtbike
ferry: boat ship
ketch sailing boat: sail boat sailboat ship
schooner sailing ship: sail boat sailboat ship
watch: wristwatch clock
mobile phone: phone cellphone telephone
laptop: computer
wild cat: cat kitten
bass: fish
chair: bench seat sofa
wooden Windsor chair: chair bench
cup: mug glass drink coffee
ewer (jug): jug pitcher vase
barrel: keg
camera: photographer
lamp: light lights lantern
electric guitar: guitar guitarist band
mandolin: guitar banjo
grand piano: piano keyboard
flamingo: bird
flamingo head: bird
ibis bird: bird birds
emu bird: bird birds ostrich
pigeon: bird birds dove
rooster: bird chicken hen
butterfly: insect
lotus: flower lily
water lily: flower lotus
sunflower: flower flowers
soccer ball: ball soccer football
inline skate: skate skates skating skater rollerblade rollerblades
umbrella: parasol
headphone: headphones earphones
helicopter: chopper
minaret tower: tower mosque
pagoda: temple
Joshua tree: desert
bonsai: tree trees
stop sign: sign signs
crocodile: alligator
crocodile head: alligator
cougar: lion cat
cougar face: lion cat
leopard: cheetah tiger
hawksbill sea turtle: turtle tortoise
wheelchair: chair
saxophone: sax horn band
accordion: band
"""
# Words of labels that tell of no thing by themselves.
_EMPTY = frozenset(
    ["the", "a", "s", "cartoon", "head", "face", "symbol", "sea", "wild", "stop", "yin", "yang", "holder"]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A set of photos of objects and of backgrounds, both of one split."""

    objects: list[Row]
    scenes: list[Row]

    @classmethod
    def of(cls, data: Path, split: str) -> Asked:
        """Those of the data folders in ``data``."""
        manifests = [data / name / "manifest.csv" for name in ("objects_caltech101", "captions_flickr8k")]
        return cls(*(Manifests([manifest]).rows(split, Modality.IMAGE) for manifest in manifests))


@dataclass(frozen=True, slots=True)
class Collage:
    """``pixels`` (HEIGHT, WIDTH, 3); the object of class ``label`` lies in ``box``: x, y, width, height.

    ``parts`` are the photos that it is made of, the object's included.
    """

    label: str
    kind: str
    pixels: Pixels
    box: tuple[int, int, int, int]
    parts: tuple[Row, ...]

    @property
    def share(self) -> float:
        """How much of the picture the box takes: what a random point would hit."""
        return self.box[2] * self.box[3] / (WIDTH * HEIGHT)

    def might_show(self, label: str) -> bool:
        """Whether what is said of any of its parts names the class ``label``."""
        return any(_shows(part, label) for part in self.parts)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in the box."""
        left, top, width, height = self.box
        return left <= x < left + width and top <= y < top + height


def make(asked: Asked, row: Row, kind: str, chance: random.Random) -> Collage:
    """A collage with the photo of ``row`` in it: a ``scene`` or a ``grid``."""
    return (_scene if kind == "scene" else _grid)(asked, row, chance)


def _scene(asked: Asked, row: Row, chance: random.Random) -> Collage:
    ground = chance.choice([scene for scene in asked.scenes if not _shows(scene, row.label)])
    paper = _photo(ground.path).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    photo = _photo(row.path)
    side = HEIGHT * chance.uniform(LEAST, MOST)
    factor = side / max(photo.size)
    photo = photo.resize(
        (round(photo.width * factor), round(photo.height * factor)), Image.Resampling.LANCZOS
    )
    left, top = chance.randint(0, WIDTH - photo.width), chance.randint(0, HEIGHT - photo.height)
    paper.paste(photo, (left, top))
    return Collage(row.label, "scene", np.array(paper), (left, top, *photo.size), (ground, row))


def _grid(asked: Asked, row: Row, chance: random.Random) -> Collage:
    across = chance.choice(GRIDS)
    others = [other for other in (*asked.objects, *asked.scenes) if not _shows(other, row.label)]
    tiles = chance.sample(others, across * across)
    place = chance.randrange(len(tiles))
    tiles[place] = row
    paper = Image.new("RGB", (WIDTH, HEIGHT))
    edges = [(round(WIDTH * n / across), round(HEIGHT * n / across)) for n in range(across + 1)]
    for number, tile in enumerate(tiles):
        down, right = divmod(number, across)
        (left, _), (_, top) = edges[right], edges[down]
        size = edges[right + 1][0] - left, edges[down + 1][1] - top
        paper.paste(_filling(_photo(tile.path), size), (left, top))
        if number == place:
            box = (left, top, *size)
    return Collage(row.label, "grid", np.array(paper), box, tuple(tiles))


def _filling(photo: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of ``photo`` in the proportions of ``size``."""
    return ImageOps.fit(photo, size, Image.Resampling.LANCZOS)


def _photo(path: Path) -> Image.Image:
    with Image.open(path) as photo:
        return photo.convert("RGB")


def _shows(row: Row, label: str) -> bool:
    """Whether what is said of ``row`` names the class ``label``."""
    said = set(re.findall(r"[a-z]+", " ".join((row.label, *row.captions)).lower()))
    words = set(re.findall(r"[a-z]+", label.lower())) - _EMPTY | _other_words().get(label, set())
    return row.label == label or not said.isdisjoint(words | {f"{word}s" for word in words})


@cache
def _other_words() -> dict[str, set[str]]:
    words: dict[str, set[str]] = {}
    for line in OTHER_WORDS.splitlines():
        label, _, others = line.partition(": ")
        words.setdefault(label, set()).update(others.split())
    return words
