"""What a loader is: one file in, facts about the file and a stream of media out.

Loaders know physics (pixels, seconds, lines) and nothing of any model. Media come one at a time, so
that an hour of film never has to fit into memory. Every loader raises DamagedFile, with the file's path
and a reason that a person understands, for anything that is wrong with the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bindsearch.media import Media
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to cut and how far to go.

    ``picture_side`` lets a loader decode pictures smaller, never below that many pixels on the shorter
    side; None asks for full resolution. ``max_pixels`` and ``max_text_bytes`` refuse decompression bombs and
    text files that nobody wrote. Films are cut at scene changes and at least every ``span_seconds``;
    ``span_frames`` frames stand for each span. Text is cut into passages of about
    ``passage_characters``.
    """

    picture_side: int | None = None
    max_pixels: int = 250_000_000
    max_text_bytes: int = 20_000_000
    span_seconds: float = 4.0
    span_frames: int = 4
    passage_characters: int = 600


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself.

    ``taken_at`` is seconds since 1970 UTC (a camera's clock without a zone is read as local time);
    ``latitude`` and ``longitude`` are degrees, north and east positive; ``duration`` is seconds.
    """

    modality: Modality
    format: str
    taken_at: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    camera: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """An opened file: its facts are known, its media are decoded as they are asked for."""

    path: Path
    facts: FileFacts
    media: Iterator[Media]
