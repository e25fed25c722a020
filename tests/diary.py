"""A diary of one night and one odd hour, in small real files whose times are known.

Words find things in it by an encoder that knows colours, and a bark by its pitch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from bindsearch.answers import Hit, SearchOptions
from bindsearch.encoders import Vectors
from bindsearch.index.filters import Filter
from bindsearch.ingest.library import Library
from bindsearch.ingest.sequences import Asking
from bindsearch.media import Media, Passage, Sound
from bindsearch.modality import Modality
from tests.media import BLUE, GREEN, RED, WHITE
from tests.sounds import tone, write, write_film
from tests.tiny import DIMENSIONS, MODALITIES, TinyEncoder

Colour = tuple[int, int, int]

# What every moment of the diary is called, and when it was: seconds since 1970 UTC, from and to. Moments of
# files without a clock count from their file's beginning, and only among themselves.
Moments = dict[str, tuple[str, float, float]]
WORLD = "world"


class DiaryEncoder(TinyEncoder):
    """As TinyEncoder, and: every sound, and the word "bark", are one thing."""

    def __init__(self) -> None:
        super().__init__(modalities=MODALITIES | {Modality.AUDIO})

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        return np.concatenate(
            [self._barks() if _barks(one) else super(DiaryEncoder, self).encode([one]) for one in batch]
        )

    def _barks(self) -> Vectors:
        vector = np.zeros((1, DIMENSIONS), np.float32)
        vector[0, 5] = 1
        return vector


def _barks(media: Media) -> bool:
    return isinstance(media, Sound) or (isinstance(media, Passage) and "bark" in media.text.split())


def by_cosine(library: Library, query: Asking, k: int, wanted: Filter | None) -> list[Hit]:
    """The best moments by their cosine alone: in so few files no query has a background worth the name."""
    options = SearchOptions(all_moments=True, duplicates=True, by_cosine=True)
    return [replace(hit, standing=None) for hit in library.search(query, k, wanted, options)]


def utc(text: str) -> float:
    """Seconds since 1970 of an ISO time; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def photo(path: Path, colour: Colour, taken: str = "", zone: str = "", subsec: str = "") -> Path:
    """A JPEG of one colour; ``taken`` as EXIF writes it, in ``zone`` or in none."""
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    details.update({tag: text for tag, text in ((0x9003, taken), (0x9011, zone), (0x9291, subsec)) if text})
    # The least size that JPEG's blocks do not smear; the name makes the bytes its own.
    exif[0x010E] = path.name
    Image.new("RGB", (16, 16), colour).save(path, exif=exif)
    return path


def film(
    path: Path, colours: Sequence[Colour], created: str = "", *, seconds: int = 3, sound: float = 0.0
) -> Path:
    """A film that shows each colour for ``seconds``, and in which a tone is heard for ``sound`` seconds."""
    frames = np.concatenate([np.full((10 * seconds, 48, 64, 3), colour, np.uint8) for colour in colours])
    frames[0, 0, 0] = len(path.name)  # its bytes are its own
    tracks = [tone(sound)] if sound else []
    return write_film(path, frames, tracks, metadata={"creation_time": created} if created else {})


def recording(path: Path, seconds: float, created: str = "") -> Path:
    """A WAV of one tone."""
    metadata = {"date": created} if created else {}
    return write(
        path, tone(seconds, hertz=300 + 10 * len(path.name)), 16_000, "wav", "pcm_s16le", metadata=metadata
    )


def write_diary(folder: Path) -> Moments:
    """Write the diary's files; returns the moments that have a time, by file and beginning."""
    recording(folder / "dog.wav", 4, "2024-05-31T21:58:00Z")
    photo(folder / "door.jpg", RED, "2024:06:01 00:03:00", "+02:00")
    film(folder / "walk.mp4", [GREEN, BLUE], "2024-05-31T23:00:00Z")
    photo(folder / "during.jpg", RED, "2024:05:31 18:00:04", "-05:00")
    photo(folder / "touching.jpg", WHITE, "2024:06:01 08:00:06", "+09:00")
    photo(folder / "noon1.jpg", RED, "2024:06:01 12:00:00", "+02:00")
    photo(folder / "noon2.jpg", GREEN, "2024:06:01 10:00:00", "+00:00")
    photo(folder / "edge.jpg", BLUE, "2024:06:01 13:00:00", "+02:00")
    photo(folder / "inside.jpg", WHITE, "2024:06:01 13:10:00", "+02:00")
    photo(folder / "outside.jpg", WHITE, "2024:06:01 13:10:00", "+02:00", "001")
    # The night on which the clocks of Berlin go back at three.
    photo(folder / "summer.jpg", GREEN, "2024:10:27 02:59:50", "+02:00")
    photo(folder / "winter.jpg", RED, "2024:10:27 02:00:05", "+01:00")
    photo(folder / "later.jpg", RED, "2024:10:27 02:59:50", "+01:00")
    film(folder / "lost.mp4", [WHITE, RED, GREEN])
    recording(folder / "lost.wav", 4)
    photo(folder / "undated.jpg", RED)
    note = folder / "note.md"
    note.write_text("red green bark\n")
    os.utime(note, (utc("2024-05-31T23:00:10"),) * 2)
    night = utc("2024-05-31T23:00:00")
    instants = {
        "door": "2024-05-31T22:03:00",
        "during": "2024-05-31T23:00:04",
        "touching": "2024-05-31T23:00:06",
        "noon1": "2024-06-01T10:00:00",
        "noon2": "2024-06-01T10:00:00",
        "edge": "2024-06-01T11:00:00",
        "inside": "2024-06-01T11:10:00",
        "outside": "2024-06-01T11:10:00.001",
        "summer": "2024-10-27T00:59:50",
        "winter": "2024-10-27T01:00:05",
        "later": "2024-10-27T01:59:50",
    }
    return {
        "dog@0": (WORLD, utc("2024-05-31T21:58:00"), utc("2024-05-31T21:58:04")),
        "walk@0": (WORLD, night, night + 3),
        "walk@3": (WORLD, night + 3, night + 6),
        **{f"{name}@0": (WORLD, utc(time), utc(time)) for name, time in instants.items()},
        **{f"lost@{at}": ("lost.mp4", at, at + 3) for at in (0, 3, 6)},
    }
