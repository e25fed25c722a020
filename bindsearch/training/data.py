"""The training data: pictures with captions, and the names of the image tower's own classes.

A folder of data holds a ``manifest.csv`` with the columns file, split, label and captions (separated by
`` | ``). Only its ``train`` rows are read here; a fixed part of them, chosen by a hash of the picture's name,
is held out for validation, so that ``test`` stays untouched until figures are reported.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from bindsearch.errors import SettingsError

# Photos with captions of their own; those of rooms and of streets belong to depth maps and heat pictures.
CAPTIONED = ("captions_flickr8k", "depth_nyuv2", "thermal", "pairs_picture_sound")
LABELLED = "objects_caltech101"
# Licences, as they begin in the manifests, that leave trained weights free for any use.
FREE = ("CC BY 4.0", "CC0", "public domain", "GPL", "MIT", "CC BY-SA", "sound GPL")
CLASS_NAMES = Path("links") / "imagenet_class_names.csv"
HELD_OUT = 0.1

# Ways to say that a picture shows a thing; the head sees each name in all of them.
TEMPLATES = (
    "a photo of a {}",
    "a {}",
    "{}",
    "a picture of a {}",
    "a close-up photo of a {}",
    "there is a {} in the picture",
    "a photo of the {}",
    "a photo of a small {}",
    "a photo of a large {}",
    "a {} outdoors",
)


@dataclass(frozen=True, slots=True)
class Example:
    """One picture and every text that is right for it; ``label`` is empty for captioned pictures.

    ``source`` is the name of its set, ``free`` whether its licence leaves what is trained on it free.
    """

    path: Path
    texts: tuple[str, ...]
    label: str
    held_out: bool
    source: str
    free: bool


def read_sets(data: Path, *, permissive: bool = False) -> list[Example]:
    """The training pictures of all sets in ``data``; ``permissive`` leaves out those that are not free.

    Raises SettingsError when a set is absent or holds no such rows.
    """
    examples = [example for name in (*CAPTIONED, LABELLED) for example in read_examples(data / name)]
    return [example for example in examples if example.free or not permissive]


def read_examples(folder: Path) -> list[Example]:
    """The ``train`` pictures of ``folder``/manifest.csv; SettingsError when there are none."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise SettingsError("no such manifest", subject=str(manifest), hint="--data names the folder of sets")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and row["modality"] == "image"]
    if not rows:
        raise SettingsError("holds no train rows", subject=str(manifest))
    return [_example(folder, row) for row in rows]


def read_class_names(data: Path) -> list[str]:
    """The 1000 names, in the order of the image tower's classifier."""
    path = data / CLASS_NAMES
    if not path.is_file():
        raise SettingsError("no such file", subject=str(path), hint="--data names the folder of sets")
    with path.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
    return [row["name"].replace("_", " ") for row in rows]


def prompts(name: str) -> tuple[str, ...]:
    """``name`` in every template."""
    return tuple(template.format(name) for template in TEMPLATES)


def _example(folder: Path, row: dict[str, str]) -> Example:
    captions = tuple(text.strip() for text in row["captions"].split(" | ") if text.strip())
    label = row["label"].strip() if folder.name == LABELLED or not captions else ""
    texts = prompts(label) if label else captions
    free = (row.get("licence") or "").startswith(FREE)
    return Example(folder / row["file"], texts, label, held_out(row["file"]), folder.name, free)


def held_out(name: str) -> bool:
    """Whether the file of this name is one of the tenth that is kept for validation."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT
