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
from bindsearch.loaders.signatures import HEAD_SIZE, Family, FileKind, kind_of

_DEFAULTS = LoadOptions()


def detect(path: str | os.PathLike[str]) -> FileKind:
    """The kind of the file at ``path``, from one read of its first bytes; imports no decoder.

    Raises DamagedFile when there is nothing to read, when it is not a regular file, or when its bytes
    contradict its media suffix.
    """
    path = Path(path)
    head = read_head(path, HEAD_SIZE)
    try:
        return kind_of(head, path.suffix)
    except ValueError as fault:
        raise DamagedFile(str(fault), subject=os.fspath(path)) from None


def readable_kind(path: str | os.PathLike[str]) -> FileKind:
    """As ``detect``, for a file that is to be read: raises UnsupportedFile if its kind is not."""
    kind = detect(path)
    if kind.family not in (Family.PICTURE, Family.FILM, Family.TEXT):
        raise UnsupportedFile(f"{kind.format} is not read", subject=os.fspath(path))
    return kind


def load(path: str | os.PathLike[str], options: LoadOptions = _DEFAULTS) -> LoadedFile:
    """Open the file at ``path``: its facts now, its media as they are asked for.

    Safe to call from several threads. Raises UnsupportedFile for kinds that are not read and
    DamagedFile for everything else that is wrong; so does iterating over the media.
    """
    path = Path(path)
    kind = readable_kind(path)
    if kind.family is Family.PICTURE:
        from bindsearch.loaders.photo import load_photo

        return load_photo(path, kind.format, options)
    if kind.family is Family.FILM:
        from bindsearch.loaders.film import load_film

        return load_film(path, kind.format, options)
    from bindsearch.loaders.text import load_text

    return load_text(path, kind.format, options)
