"""The training data of the audio tower: sounds with labels, captions and, for some, pictures.

Each set is a folder with a ``manifest.csv``. Only ``train`` rows are read. Held out for validation are fold 3
of ESC-50, whose folds share no recording, and a tenth of the other sets, chosen by a hash of the name.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bindsearch.encoders.compact.sounds import at_rate
from bindsearch.errors import SettingsError
from bindsearch.media import Floats
from bindsearch.training.data import held_out

ESC50, ANIMALS, SPEECH_MUSIC, PAIRS = (
    "audio_esc50",
    "audio_animals",
    "audio_speech_music",
    "pairs_picture_sound",
)
SETS = (ESC50, ANIMALS, SPEECH_MUSIC, PAIRS)
LINKS = Path("links") / "sound_label_to_image.csv"
HELD_OUT_FOLD = "3"
# What a permissive recipe leaves out: sets without a licence, pictures for research only, and of ESC-50 every
# clip whose own licence is another than these.
UNLICENSED, RESEARCH_PICTURES = (ANIMALS,), "captions_flickr8k"
FREE_CLIPS = ("CC0", "CC-BY")

# Ways to say that a thing is heard; the evaluation's own prompts are among them.
TEMPLATES = (
    "the sound of a {}",
    "the sound of {}",
    "{}",
    "a recording of {}",
    "{} can be heard",
    "the noise of a {}",
    "listening to {}",
)


@dataclass(frozen=True, slots=True)
class Sound:
    """One recording: ``captions`` are its own words, ``pictures`` show what is heard."""

    path: Path
    source: str
    label: str
    captions: tuple[str, ...]
    pictures: tuple[Path, ...]
    held_out: bool


def read_sounds(data: Path, *, permissive: bool = False) -> list[Sound]:
    """The ``train`` sounds of all sets in the folder ``data``; SettingsError when a set is missing.

    ``permissive`` reads only what may be used for any purpose, by each set's, clip's and picture's licence.
    """
    linked = _linked_pictures(data, permissive)
    sets = [source for source in SETS if not (permissive and source in UNLICENSED)]
    return [sound for source in sets for sound in _read_set(data / source, linked, permissive)]


def label_prompts(label: str) -> tuple[str, ...]:
    """``label`` in every template."""
    return tuple(template.format(label) for template in TEMPLATES)


def samples_of(path: Path) -> Floats:
    """The samples of a sound file, all channels mixed into one, at 16 kHz."""
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return at_rate(np.ascontiguousarray(samples.mean(axis=1)), rate)


def _read_set(folder: Path, linked: dict[str, list[Path]], permissive: bool) -> list[Sound]:
    table = _table(folder / "manifest.csv")
    train = [row for row in table if row["split"] == "train"]
    shown = {row["pair_id"]: folder / row["file"] for row in train if row["modality"] == "image"}
    sounds = [row for row in train if row["modality"] == "audio"]
    if permissive:
        sounds = [row for row in sounds if row.get("clip_licence", "CC0") in FREE_CLIPS]
    if not sounds:
        raise SettingsError("holds no train sounds", subject=str(folder / "manifest.csv"))
    return [_sound(folder, row, shown.get(row["pair_id"]), linked[row["label"]]) for row in sounds]


def _sound(folder: Path, row: dict[str, str], own: Path | None, linked: list[Path]) -> Sound:
    captions = [text.strip() for text in row["captions"].split(" | ") if text.strip()]
    title = _words(row.get("clip_title") or "")
    return Sound(
        path=folder / row["file"],
        source=folder.name,
        label=row["label"].strip(),
        captions=tuple(captions + [title] * bool(title)),
        pictures=(own,) if own else tuple(linked),
        held_out=row["fold"] == HELD_OUT_FOLD if "fold" in row else held_out(row["file"]),
    )


def _linked_pictures(data: Path, permissive: bool) -> defaultdict[str, list[Path]]:
    linked: defaultdict[str, list[Path]] = defaultdict(list)
    for row in _table(data / LINKS):
        if not (permissive and row["image"].startswith(RESEARCH_PICTURES)):
            linked[row["audio_label"]].append(data / row["image"])
    return linked


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise SettingsError("no such file", subject=str(path), hint="--data names the folder of sets")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _words(title: str) -> str:
    """A recording's file name as words: without its extension, its numbers and its underscores."""
    stem = re.sub(r"\.(wav|aiff?|mp3|ogg|flac|m4a)$", "", title.strip(), flags=re.IGNORECASE)
    words = re.findall(r"[A-Za-z']{2,}", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem))
    return " ".join(words).lower()
