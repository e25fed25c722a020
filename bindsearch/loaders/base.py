"""What a loader is: one file in, facts about the file and a stream of media out.

Loaders know physics (pixels, seconds, lines) and nothing of any model. Media come one at a time, so
that an hour of film never has to fit into memory. Every loader raises DamagedFile, with the file's path
and a reason that a person understands, for anything that is wrong with the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.settings import LoadSettings


@dataclass(frozen=True, slots=True)
class LoadOptions(LoadSettings):
    """How to cut and how far to go: the settings, with what the encoder asks for.

    ``picture_side`` lets a loader decode pictures smaller, never below that many pixels on the shorter
    side; None asks for full resolution. ``sound_rate`` is the rate (samples a second) that sounds come in.
    ``part`` asks, of films and sounds, only for the media that overlap it, from and to in seconds.
    """

    picture_side: int | None = None
    sound_rate: int = 16_000
    part: tuple[float, float] | None = None

    @classmethod
    def of(cls, settings: LoadSettings, picture_side: int | None = None) -> Self:
        """What ``settings`` say, with what an encoder asks for."""
        chosen = {field.name: getattr(settings, field.name) for field in fields(LoadSettings)}
        return cls(**chosen, picture_side=picture_side)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself.

    ``taken_at`` is seconds since 1970 UTC (a camera's clock without a zone is read as local time);
    ``latitude`` and ``longitude`` are degrees, north and east positive; ``duration`` is seconds. ``title`` is
    what the file says in words of itself: title, artist, description.
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
    title: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """An opened file: its facts are known, its media are decoded as they are asked for.

    ``notes`` are sentences on how the file was understood: by what it was recognised, which unit was taken.
    """

    path: Path
    facts: FileFacts
    media: Iterator[Media]
    notes: tuple[str, ...] = ()
