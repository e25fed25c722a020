"""Settings: where the library lies and how it is filled, with safe defaults.

The library's folder is, in this order: what the caller names, the environment variable
``BINDSEARCH_LIBRARY``, the user's data folder. A library may hold a ``settings.toml``; its keys are the
fields of ``Settings``. Unknown keys are refused, so that a misspelt one does not pass in silence.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bindsearch.errors import SettingsError
from bindsearch.folders import (
    LIBRARY_VARIABLE,
    MODELS_VARIABLE,
    SETTINGS_FILE,
    library_folder,
    models_folder,
)

__all__ = [
    "LIBRARY_VARIABLE",
    "MODELS_VARIABLE",
    "SETTINGS_FILE",
    "LoadSettings",
    "Settings",
    "WatchSettings",
    "library_folder",
    "models_folder",
]

_MAY_BE_ZERO = ("threads", "sound_overlap", "max_load", "port", "unload_minutes")


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How to cut and how far to go, as far as a user may set it.

    ``max_pixels``, ``max_text_bytes`` and ``max_table_bytes`` refuse decompression bombs, and texts and
    tables that nobody wrote. Films are cut at scene changes and at least every ``span_seconds``;
    ``span_frames`` frames stand for each span. Sounds are cut into spans of ``sound_seconds``, each of which
    takes up the last ``sound_overlap`` seconds of the one before. Motion logs are cut into windows of
    ``motion_seconds``. Text is cut into passages of about ``passage_characters``.
    """

    max_pixels: int = 250_000_000
    max_text_bytes: int = 20_000_000
    max_table_bytes: int = 500_000_000
    span_seconds: float = 4.0
    span_frames: int = 4
    sound_seconds: float = 5.0
    sound_overlap: float = 1.0
    motion_seconds: float = 5.0
    passage_characters: int = 600


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How the daemon goes about it: the table ``[watch]`` of a ``settings.toml``.

    A file is taken in when it has been quiet for ``quiet_seconds``. Roots are walked whole every
    ``walk_minutes``, those without events every ``poll_seconds``. Indexing rests while the load average is
    above ``max_load`` for each processor (0: never), on battery unless ``on_battery``, and outside of
    ``hours`` such as "22:00-6:00" (empty: at any time). Encoders are unloaded after ``unload_minutes``
    without use (0: never). ``port`` also serves searches on the loopback address, to those who have the
    token (0: no).
    """

    quiet_seconds: float = 2.0
    walk_minutes: float = 10.0
    poll_seconds: float = 30.0
    max_load: float = 0.0
    on_battery: bool = False
    hours: str = ""
    unload_minutes: float = 15.0
    port: int = 0


@dataclass(frozen=True, slots=True)
class Settings(LoadSettings):
    """What a ``settings.toml`` may say.

    ``space`` names the space to embed into until the library has been told to use another.
    ``vector_index`` is auto, exact, flat or ivf. ``threads`` bounds decoding and encoding each; 0 means
    all processors. At most ``chunk_files`` files are committed at once, and so lost to a crash. A file whose
    decoder is silent for ``decoder_seconds`` or wants more than ``decoder_memory`` bytes is given up. The
    others are those of ``LoadSettings``.
    """

    space: str = "compact"
    vector_index: str = "auto"
    threads: int = 0
    chunk_files: int = 64
    decoder_seconds: float = 60.0
    decoder_memory: int = 4_000_000_000
    watch: WatchSettings = field(default_factory=WatchSettings)

    @classmethod
    def of(cls, library: Path) -> Settings:
        """The settings of a library: the defaults, overruled by its ``settings.toml``.

        Raises SettingsError for a file that is not TOML, an unknown key or a value of the wrong type.
        """
        path = library / SETTINGS_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot be read: {error}", subject=str(path)) from error
        import tomllib

        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"not TOML: {error}", subject=str(path)) from error
        watch = values.pop("watch", {})
        if not isinstance(watch, dict):
            raise SettingsError("watch is not a table", subject=str(path), hint="write [watch]")
        _check(path, cls, values)
        _check(path, WatchSettings, watch, "watch.")
        return cls(**values, watch=WatchSettings(**watch))

    @property
    def workers(self) -> int:
        """How many threads ``threads`` stands for on this machine."""
        if hasattr(os, "sched_getaffinity"):
            return self.threads or len(os.sched_getaffinity(0))
        return self.threads or os.cpu_count() or 1


def _check(
    path: Path, table: type[Settings | WatchSettings], values: dict[str, Any], prefix: str = ""
) -> None:
    """Refuse keys that ``table`` does not have and values that they cannot take."""
    known = {one.name: type(one.default) for one in fields(table) if one.name != "watch"}
    for key, value in values.items():
        named = prefix + key
        if key not in known:
            hint = f"known are {', '.join(prefix + name for name in sorted(known))}"
            raise SettingsError(f"unknown key {named!r}", subject=str(path), hint=hint)
        wanted = (int, float) if known[key] is float else (known[key],)
        if type(value) not in wanted:
            raise SettingsError(f"{named} is {value!r}, not {known[key].__name__}", subject=str(path))
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and (value < 0 or (value == 0 and key not in _MAY_BE_ZERO)):
            raise SettingsError(f"{named} is {value}, which is too small", subject=str(path))
