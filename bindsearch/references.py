"""Reference queries: what people ask in words, so widely spread that their mean is no wish in particular.

Ranking judges a query in words by how much better it fits an item than these do (see ranking.py). They name
things of every modality, in a person's own short wording, and no set of data that the project measures on.
Their vectors are made once a space and library; ``VERSION`` changes with the list.
"""

from __future__ import annotations

import hashlib

REFERENCE_QUERIES = (
    "a man in a suit giving a talk",
    "children running across a playground",
    "a football team after the match",
    "a queue of people at a counter",
    "a cat sleeping on a cushion",
    "a cow in a meadow",
    "a spider in its web",
    "a mountain in the clouds",
    "a desert under a blue sky",
    "a field of corn",
    "a rainbow after the rain",
    "a church with a tower",
    "a motorway at night",
    "a bus at a stop",
    "a ship in the harbour",
    "a tractor in a field",
    "a kitchen with a stove",
    "a garden with a bench",
    "a cellar with shelves",
    "a cup of coffee",
    "a loaf of bread",
    "a recipe for soup",
    "a laptop on the table",
    "a pair of shoes",
    "a wedding dress",
    "a hammer and nails",
    "a toy for children",
    "a statue in a park",
    "a page of handwriting",
    "a train ticket",
    "a guitar",
    "a choir singing",
    "a song on the radio",
    "people applauding",
    "a door closing",
    "an alarm",
    "a train on the rails",
    "a washing machine running",
    "thunder",
    "a river",
    "a cat meowing",
    "insects in summer",
    "glass breaking",
    "paper being torn",
    "sitting down on a chair",
    "lying still",
    "catching a ball",
    "driving",
    "skating",
    "shaking the phone",
    "a walk with the dog",
    "hot pipes",
    "a face close to the camera",
    "a corner of a room",
    "objects on a table",
    "something round",
    "a group photo",
    "the first day at school",
    "a protest march",
    "a theatre play",
    "a letter to the landlord",
    "a poem",
    "a bill",
    "a book that I liked",
)

VERSION = hashlib.sha256("\n".join(REFERENCE_QUERIES).encode()).hexdigest()[:12]
