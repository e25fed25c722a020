"""The user's rules for reading files: ``.bindsearch.toml``, valid for all that lies below its folder.

    [[rule]]
    files = "lidar/**/*.png"        # or a list; gitignore patterns, relative to this file
    modality = "depth"
    unit = "mm"

The first rule that matches a file counts. Of several such files the one in the nearest folder counts alone.
Anything in one that is not understood is refused: a misspelt unit must not turn a map into noise.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathspec import GitIgnoreSpec

from bindsearch.errors import SettingsError
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.modality import Modality

RULES_FILE = ".bindsearch.toml"
RULES_FILE_BYTES = 1_000_000

_UNITS = {
    Modality.DEPTH: ("m", "cm", "mm", "disparity"),
    Modality.THERMAL: ("celsius", "kelvin", "fahrenheit", "centikelvin", "decikelvin", "grey"),
}
_CHOICES = {
    "layout": ("sunrgbd", "tum"),
    "acceleration": ("m/s^2", "g", "mg"),
    "rotation": ("rad/s", "deg/s"),
    "time": ("s", "ms", "us", "ns"),
}
_NUMBERS = ("scale", "offset", "focal_length", "baseline", "rate", "window")
_LARGEST = 1e30  # maps are kept in single precision
_POSITIVE = ("focal_length", "baseline", "rate", "window")
_COLUMNS = ("t", "ax", "ay", "az", "gx", "gy", "gz")
_KEYS = {
    Modality.DEPTH: ("unit", "scale", "offset", "layout", "focal_length", "baseline"),
    Modality.THERMAL: ("unit", "scale", "offset"),
    Modality.IMU: ("acceleration", "rotation", "time", "rate", "columns"),
    Modality.SENSOR: ("time", "rate", "window", "columns"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one file, in order."""

    rules: tuple[tuple[GitIgnoreSpec, Hint], ...]

    @classmethod
    def read(cls, path: Path) -> Rules:
        """The rules in ``path``. Raises SettingsError for anything in it that is not understood."""
        try:
            raw = path.read_bytes()
            if len(raw) > RULES_FILE_BYTES:
                raise SettingsError("too long for a file of rules", subject=str(path))
            return cls(_entries(path, tomllib.loads(raw.decode("utf-8-sig"))))
        except OSError as fault:
            raise SettingsError(f"cannot be read: {fault.strerror}", subject=str(path)) from fault
        except (ValueError, RecursionError) as fault:  # also of decode, and of numbers with too many digits
            raise SettingsError(f"not TOML: {fault}", subject=str(path)) from fault

    def hint_for(self, path: str) -> Hint:
        """The hint of the first rule that matches ``path``, relative to the folder of the rules."""
        for spec, hint in self.rules:
            if spec.match_file(path):
                return hint
        return NO_HINT


def _entries(path: Path, table: dict[str, Any]) -> tuple[tuple[GitIgnoreSpec, Hint], ...]:
    entries = table.pop("rule", [])
    if table or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingsError(
            f"holds {', '.join(map(repr, table)) or 'rule'} outside [[rule]]",
            subject=str(path),
            hint='write each rule as [[rule]], files = "*.png", modality = "depth"',
        )
    return tuple(_Entry(path, number, entry).read() for number, entry in enumerate(entries, 1))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One [[rule]] as it stands in the file."""

    path: Path
    number: int
    values: dict[str, Any]

    def read(self) -> tuple[GitIgnoreSpec, Hint]:
        modality = self._modality()
        allowed = ("files", "modality", *_KEYS.get(modality, ()))
        for key in self.values:
            if key not in allowed:
                raise self._fault(f"does not know {key!r}", f"for {modality} it knows {', '.join(allowed)}")
        hint = Hint(
            modality=modality,
            ruled=True,
            columns=self._channels() if modality is Modality.SENSOR else self._columns(),
            **{key: self._choice(key, modality) for key in ("unit", *_CHOICES)},  # type: ignore[arg-type]
            **{key: self._number(key) for key in _NUMBERS},  # type: ignore[arg-type]
        )
        return self._patterns(), hint

    def _modality(self) -> Modality:
        said = self.values.get("modality")
        if said not in list(Modality):
            raise self._fault(f"has the modality {said!r}", f"known are {', '.join(Modality)}")
        return Modality(said)

    def _patterns(self) -> GitIgnoreSpec:
        files = self.values.get("files")
        patterns = [files] if isinstance(files, str) else files
        if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) for p in patterns):
            raise self._fault("does not say for which files it is", 'write files = "**/*.png"')
        try:
            spec = GitIgnoreSpec.from_lines(patterns)
        except ValueError as fault:
            raise self._fault(f"has a pattern that is not one: {fault}", None) from fault
        if not any(pattern.include for pattern in spec.patterns):
            raise self._fault("has patterns that no file can match", 'write files = "**/*.png"')
        return spec

    def _choice(self, key: str, modality: Modality) -> str | None:
        said = self.values.get(key)
        known = _UNITS.get(modality, ()) if key == "unit" else _CHOICES[key]
        if said is not None and said not in known:
            raise self._fault(f"has {key} = {said!r}", f"known are {', '.join(known)}")
        return said

    def _number(self, key: str) -> float | None:
        said = self.values.get(key)
        if said is None:
            return None
        if isinstance(said, bool) or not isinstance(said, (int, float)):
            raise self._fault(f"has {key} = {said!r}, which is no number", None)
        if not -_LARGEST <= said <= _LARGEST:  # nor is NaN
            raise self._fault(f"has {key} = {said}, which is no number to reckon with", None)
        if (key in _POSITIVE and said <= 0) or (key == "scale" and said == 0):
            raise self._fault(f"has {key} = {said}, which cannot be", None)
        return float(said)

    def _columns(self) -> tuple[tuple[str, str], ...]:
        said = self.values.get("columns", {})
        fits = isinstance(said, dict) and all(isinstance(name, str) for name in said.values())
        if not fits or any(name not in _COLUMNS for name in said):
            raise self._fault(f"has columns = {said!r}", f"name columns for {', '.join(_COLUMNS)}")
        return tuple(sorted(said.items()))

    def _channels(self) -> tuple[tuple[str, str], ...]:
        """The columns of a sensor that is none of the known ones: its clock and its channels, in order."""
        said = self.values.get("columns", {})
        fits = isinstance(said, dict) and said.keys() <= {"t", "channels"}
        clock, channels = (said.get("t"), said.get("channels", [])) if fits else (None, None)
        names = [] if clock is None else [clock]
        if not isinstance(channels, list) or not all(isinstance(name, str) for name in names + channels):
            raise self._fault(
                f"has columns = {said!r}", 'write columns = { t = "clock", channels = ["first", "second"] }'
            )
        return (*(("t", name) for name in names), *(("channel", name) for name in channels))

    def _fault(self, reason: str, hint: str | None) -> SettingsError:
        return SettingsError(f"rule {self.number} {reason}", subject=str(self.path), hint=hint)
