"""Finding the hint of a file: the rules above it, the habit of its names, and the files that belong to it.

Only names and stats are looked at, each folder's once. A file that belongs to another (a caption, the
gyroscope beside the accelerometer) is a *part* of it, and is not taken in on its own. Upper and lower case
are not told apart.

    IMG_1.jpg  +  IMG_1.jpg.txt, IMG_1.txt, IMG_1.caption             caption
               +  IMG_1.xmp, IMG_1.jpg.xmp                            xmp
               +  IMG_1.jpg.json, IMG_1.jpg.supplemental-me.json ...  json (Google Takeout)
    film.mp4   +  film.info.json                                      json (of a downloader)
    Accelerometer.csv + Gyroscope.csv, Gravity.csv                    gyroscope, gravity
    TotalAcceleration.csv + Accelerometer.csv and the others          acceleration, gyroscope, gravity
    walk_acc.csv + walk_gyro.csv                                      gyroscope
    depth/1.png + intrinsics.txt in its folder or the one above       intrinsics
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from bindsearch.loaders.habits import LEVELS, habit
from bindsearch.loaders.hints import NO_HINT, Hint, Neighbour
from bindsearch.loaders.rules import RULES_FILE, Rules
from bindsearch.loaders.signatures import FILM_SUFFIXES, PICTURE_SUFFIXES, SOUND_SUFFIXES
from bindsearch.modality import Modality

MAX_CAPTION_BYTES = 10_000  # a longer text is one of its own

_CAPTIONED = PICTURE_SUFFIXES | FILM_SUFFIXES | SOUND_SUFFIXES | {".npy", ".npz", ".pfm", ".exr"}
_SIDE_SUFFIXES = (".txt", ".caption", ".xmp", ".json")
_SENSOR = re.compile(r"(?<![a-z])(total)?acc(?:el(?:eration|erometer)?)?(?![a-z])", re.IGNORECASE)
_OTHER_SENSORS = {
    "acceleration": ("accelerometer", "acceleration"),  # without gravity, beside one with it
    "gyroscope": ("gyroscope", "gyro", "gyr"),
    "gravity": ("gravity",),
}
_TAKEOUT_NAME = 46  # characters of a name that Takeout keeps
_INTRINSICS = ("intrinsics.txt", "intrinsics.json", "camera_intrinsics.json", "camera_info.json")


@dataclass(eq=False)
class _Folder:
    """The files of one folder, and which of them belong to which."""

    path: str
    names: tuple[str, ...]  # of files, links to files among them
    folders: tuple[str, ...]
    rules: tuple[str, Rules] | None  # the folder that the rules lie in, and the rules

    @classmethod
    def look(cls, path: str, rules: tuple[str, Rules] | None) -> _Folder:
        """What a folder holds; nothing where that cannot be seen."""
        names: list[str] = []
        folders: list[str] = []
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                with suppress(OSError):
                    (folders if entry.is_dir() else names if entry.is_file() else []).append(entry.name)
        # In order, so that of two names that differ in case only the same one counts in every run.
        return cls(path, tuple(sorted(names, reverse=True)), tuple(folders), rules)

    @cached_property
    def above(self) -> tuple[str, ...]:
        """The names of this folder and of those above it, as far as habit looks."""
        return Path(self.path).parts[-LEVELS + 1 :]

    @cached_property
    def by_lower(self) -> dict[str, str]:
        """The names by their lower case."""
        return {name.lower(): name for name in self.names}

    @cached_property
    def _sides(self) -> dict[str, str]:
        """Names that could belong to another, by their lower case."""
        return {lower: name for lower, name in self.by_lower.items() if lower.endswith(_SIDE_SUFFIXES)}

    @cached_property
    def _tables(self) -> dict[str, str]:
        return {lower: name for lower, name in self.by_lower.items() if lower.endswith((".csv", ".tsv"))}

    @cached_property
    def owned(self) -> dict[str, list[tuple[str, str]]]:
        """The roles and names of what belongs to a name, for all names that own anything."""
        found: dict[str, list[tuple[str, str]]] = {}
        if self._sides:
            for name in self.names:
                if own := list(self._sidecars(name)):
                    found[name] = own
        for name in self._tables.values():
            if own := list(self._sensors(name)):
                found[name] = own
        return found

    @cached_property
    def parts(self) -> frozenset[str]:
        """The names that belong to another."""
        return frozenset(own for owned in self.owned.values() for _, own in owned)

    def _sidecars(self, name: str) -> Iterator[tuple[str, str]]:
        stem, suffix = os.path.splitext(name.lower())  # noqa: PTH122 - names, not paths
        if suffix not in _CAPTIONED:
            return
        for role, endings in (("caption", (".txt", ".caption")), ("xmp", (".xmp",))):
            for ending in endings:
                for base in (stem + suffix, stem):
                    if (own := self._sides.get(base + ending)) and self._is_side(role, own):
                        yield role, own
        for candidate in _json_names(stem, suffix):
            if candidate in self._sides:
                yield "json", self._sides[candidate]
                return

    def _is_side(self, role: str, name: str) -> bool:
        if role != "caption":
            return True
        one = _neighbour(role, self.path, name)
        return one is not None and one.size <= MAX_CAPTION_BYTES

    def _sensors(self, name: str) -> Iterator[tuple[str, str]]:
        """What belongs to the table of an accelerometer; one with gravity in it comes before one without."""
        found = _SENSOR.search(name)
        if found is None:
            return
        before, after = name[: found.start()].lower(), name[found.end() :].lower()
        whole = self._tables.get(f"{before}totalacceleration{after}")
        if whole is not None and name != whole:
            return
        for role, words in _OTHER_SENSORS.items():
            named = (self._tables.get(before + word + after) for word in words)
            if (role != "acceleration" or whole) and (own := next(filter(None, named), None)):
                yield role, own


@dataclass
class Surroundings:
    """Hints for files; remembers the folders it has looked into, so make one anew for each run."""

    _folders: dict[str, _Folder] = field(default_factory=dict)
    _rules: dict[str, tuple[str, Rules] | None] = field(default_factory=dict)

    def hint(self, path: str | os.PathLike[str]) -> Hint:
        """The hint of the file at ``path``. Raises SettingsError for a file of rules that cannot be used."""
        folder_path, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - links stay
        folder = self._folder(folder_path)
        hint = self._said(folder, name)
        neighbours = tuple(
            one for role, own in folder.owned.get(name, ()) if (one := _neighbour(role, folder_path, own))
        )
        if hint.modality is Modality.DEPTH and (sensor := self._intrinsics(folder)):
            neighbours += (sensor,)
        return replace(hint, neighbours=neighbours) if neighbours else hint

    def is_part(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file at ``path`` belongs to another beside it, and is read together with it.

        A rule that calls it text, or a sensor, takes it in on its own as well.
        """
        folder_path, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
        folder = self._folder(folder_path)
        if name in folder.parts or (name.lower() in _INTRINSICS and self._holds_depth(folder)):
            said = self._said(folder, name)
            return not (said.wishes(Modality.TEXT) or said.wishes(Modality.SENSOR))
        return False

    def _folder(self, path: str) -> _Folder:
        if path not in self._folders:
            self._folders[path] = _Folder.look(path, self._rules_at(path))
        return self._folders[path]

    def _rules_at(self, path: str) -> tuple[str, Rules] | None:
        """The rules that are valid in a folder: its own, else those of the folder above."""
        if path not in self._rules:
            own = os.path.join(path, RULES_FILE)  # noqa: PTH118
            above = os.path.dirname(path)  # noqa: PTH120
            if os.path.isfile(own):  # noqa: PTH113 - False, where Path raises for a folder that is closed
                self._rules[path] = (path, Rules.read(Path(own)))
            else:
                self._rules[path] = self._rules_at(above) if above != path else None
        return self._rules[path]

    def _said(self, folder: _Folder, name: str) -> Hint:
        """What a rule says of a file, else what habit does."""
        if folder.rules is not None:
            base, rules = folder.rules
            hint = rules.hint_for(os.path.relpath(os.path.join(folder.path, name), base))  # noqa: PTH118
            if hint is not NO_HINT:
                return hint
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        return _HABITS[habit((*folder.above, stem), suffix)]

    def _intrinsics(self, folder: _Folder) -> Neighbour | None:
        """The nearest file on the camera of the depth maps in ``folder``."""
        for place in (folder, self._folder(os.path.dirname(folder.path))):  # noqa: PTH120
            for name in _INTRINSICS:
                own = place.by_lower.get(name)
                if own is not None and (found := _neighbour("intrinsics", place.path, own)):
                    return found
        return None

    def _holds_depth(self, folder: _Folder) -> bool:
        """Whether there are depth maps in a folder or in those right below it."""
        below = (self._folder(os.path.join(folder.path, name)) for name in folder.folders)  # noqa: PTH118
        return any(
            self._said(place, name).modality is Modality.DEPTH
            for place in (folder, *below)
            for name in place.names
        )


_HABITS = {
    None: NO_HINT,
    Modality.DEPTH: Hint(modality=Modality.DEPTH),
    Modality.THERMAL: Hint(modality=Modality.THERMAL),
}


def _json_names(stem: str, suffix: str) -> Iterator[str]:
    """How Google Takeout and downloaders call what they write about ``stem + suffix``, in lower case.

    Takeout keeps 46 characters of "photo.jpg.supplemental-metadata", puts the number of a second photo of
    that name behind them, and describes an edited photo together with its original.
    """
    yield from _takeout_names(stem + suffix, "")
    stem, number = numbered.groups() if (numbered := re.fullmatch(r"(.+)(\(\d+\))", stem)) else (stem, "")
    for original in dict.fromkeys((stem, stem.removesuffix("-edited"))):
        yield from _takeout_names(original + suffix, number)
    yield f"{stem}{number}.info.json"


def _takeout_names(name: str, number: str) -> Iterator[str]:
    yield f"{name}{number}.json"
    full = f"{name}.supplemental-metadata"
    for length in range(len(full), len(name), -1):
        yield f"{full[:length]}{number}.json"
    if len(name) > _TAKEOUT_NAME:
        yield f"{name[:_TAKEOUT_NAME]}{number}.json"


def _neighbour(role: str, folder: str, name: str) -> Neighbour | None:
    path = os.path.join(folder, name)  # noqa: PTH118
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return Neighbour(role, path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None
