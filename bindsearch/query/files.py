"""Which words name a file: by what is there, and for what is not there by what looks like a path."""

from __future__ import annotations

import os

from bindsearch import here

# What makes an absent name a mistyped file rather than a word; reading files goes by their content.
MEDIA_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff"),
        ".webp",
        *(".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"),
        *(".aac", ".aiff", ".amr", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"),
        *(".exr", ".npy", ".npz", ".pfm"),
        *(".csv", ".json", ".log", ".md", ".parquet", ".rst", ".tsv", ".txt"),
    }
)


def existing(value: str) -> str | None:
    """The path that a term stands for, where there is such a file; a name as it is wins over ``~``."""
    if _is_plain_file(value):
        return value
    if value.startswith("~/"):
        expanded = os.path.expanduser(value)  # noqa: PTH111 - pathlib refuses names that a query may hold
        return expanded if _is_plain_file(expanded) else None
    return None


def is_file(value: str) -> bool:
    """Whether a file of that name is there."""
    return existing(value) is not None


def is_folder(value: str) -> bool:
    """Whether a folder of that name is there."""
    return here.is_folder(os.path.expanduser(value) if value.startswith("~/") else value)  # noqa: PTH111


def looks_like_a_path(value: str) -> bool:
    """Whether a name of no file is more likely a mistyped path than words."""
    spaced = any(character.isspace() for character in value)
    suffix = os.path.splitext(value)[1].lower() in MEDIA_SUFFIXES  # noqa: PTH122
    if value.startswith(("/", "./", "../", "~/")):
        return True
    return (os.sep in value and (suffix or not spaced)) or (suffix and not spaced)


def _is_plain_file(value: str) -> bool:
    return here.exists(value) and not is_folder(value)
