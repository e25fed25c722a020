"""The door of the loaders: which kind a file is, and the loader for it.

A file of a kind that is not read is refused as UnsupportedFile with the name of its kind, never embedded
as something it is not.
"""

from __future__ import annotations

import os
from pathlib import Path

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.base import LoadedFile, LoadOptions
from bindsearch.loaders.files import read_head
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.sidecars import with_words
from bindsearch.loaders.signatures import HEAD_SIZE, TEXT, Family, FileKind, kind_of, looks_like_text
from bindsearch.modality import Modality

_DEFAULTS = LoadOptions()
_LOGS = (Modality.IMU, Modality.SENSOR)
_SENSOR_HINT = 'if it is a sensor\'s log, write a rule for it with modality = "sensor"'


def detect(path: str | os.PathLike[str]) -> FileKind:
    """The kind of the file at ``path``, from one read of its first bytes; imports no decoder.

    Raises DamagedFile when there is nothing to read, when it is not a regular file, or when its bytes
    contradict its media suffix.
    """
    return _kind_and_head(Path(path))[0]


def readable_kind(path: str | os.PathLike[str], hint: Hint = NO_HINT) -> FileKind:
    """As ``detect``, for a file that is to be read: raises UnsupportedFile if its kind is not.

    A rule makes a note, a motion log or a sensor's log of any text, whatever its name.
    """
    kind, head = _kind_and_head(Path(path))
    if hint.ruled and looks_like_text(head):
        if hint.modality is Modality.TEXT:
            kind = TEXT
        elif hint.modality in _LOGS and kind.family is not Family.TABLE:
            kind = FileKind(Family.TABLE, "CSV")
    if kind.family is Family.OTHER:
        raise UnsupportedFile(f"{kind.format} is not read", subject=os.fspath(path))
    return kind


def _kind_and_head(path: Path) -> tuple[FileKind, bytes]:
    head = read_head(path, HEAD_SIZE)
    try:
        return kind_of(head, path.suffix), head
    except ValueError as fault:
        raise DamagedFile(str(fault), subject=os.fspath(path)) from None


def load(path: str | os.PathLike[str], options: LoadOptions = _DEFAULTS, hint: Hint = NO_HINT) -> LoadedFile:
    """Open the file at ``path``: its facts now, its media as they are asked for.

    Safe to call from several threads. Raises UnsupportedFile for kinds that are not read and
    DamagedFile for everything else that is wrong; so does iterating over the media.
    """
    path = Path(path)
    kind = readable_kind(path, hint)
    if hint.wishes(Modality.SENSOR):
        return with_words(_load_readings(path, kind.format, options, hint), hint)
    return with_words(_LOADERS[kind.family](path, kind.format, options, hint), hint)


def _load_picture(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.maps import load_picture

    return load_picture(path, kind, options, hint)


def _load_film(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.film import load_film

    return load_film(path, kind, options)


def _load_sound(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.sound import load_sound

    return load_sound(path, kind, options)


def _load_text(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.text import load_text

    return load_text(path, kind, options)


def _load_map(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    """A map; or, of an array that holds none, the motion log that it may be."""
    from bindsearch.loaders.maps import load_map

    if hint.wishes(Modality.IMU):
        return _load_table(path, kind, options, hint)
    try:
        return load_map(path, kind, options, hint)
    except UnsupportedFile as doubt:
        if kind not in ("NPY", "NPZ") or hint.modality is not None:
            raise
        try:
            return _load_table(path, kind, options, hint)
        except UnsupportedFile:
            hint_of = doubt.hint or _SENSOR_HINT
            raise type(doubt)(doubt.message, subject=doubt.subject, hint=hint_of) from None


def _load_table(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.motion import load_motion

    return load_motion(path, kind, options, hint)


def _load_readings(path: Path, kind: str, options: LoadOptions, hint: Hint) -> LoadedFile:
    from bindsearch.loaders.readings import load_readings

    return load_readings(path, kind, options, hint)


_LOADERS = {
    Family.PICTURE: _load_picture,
    Family.FILM: _load_film,
    Family.SOUND: _load_sound,
    Family.TEXT: _load_text,
    Family.MAP: _load_map,
    Family.TABLE: _load_table,
}
