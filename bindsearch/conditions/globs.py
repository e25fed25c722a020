"""Globs: names and paths with ``*``, as people write them.

In a path ``*`` stands for any characters of one name, ``?`` for one, ``[abc]`` for one of these, ``[!abc]``
for one of all others, and ``**`` for any number of folders. A glob is held against the file and against each
folder above it: what lies in a folder that matches, matches. One that begins with ``/`` is held against whole
paths; any other against every row of names at or below the root, the root's own name included. One that
ends in ``/`` means folders only. Capitals and small letters are the same, and so are the two ways to encode
an accent.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIECE = re.compile(
    r"\[(?P<negated>!?)(?P<letters>\]?[^\]/]*)\]|(?P<star>\*+)|(?P<one>\?)|(?P<letter>.)", re.DOTALL
)
_WILD = re.compile(r"[*?\[]")

# The Kelvin sign and a dotted capital I become k and i, so these two cannot be asked of a path's bytes.
_LETTERS = frozenset("abcdefghjlmnopqrstuvwxyz")
_PLAIN = frozenset("0123456789 ._-")


class PathGlob:
    """A glob over paths."""

    def __init__(self, pattern: str) -> None:
        normal = _folded(re.sub(r"/{2,}", "/", pattern))
        self.absolute = normal.startswith("/")
        self._folders_only = normal.endswith("/") and normal != "/"
        self._names = normal.strip("/").removeprefix("./").split("/")

    def matches(self, path: str) -> bool:
        """Whether the glob holds for ``path``: absolute, or the root's name and what is below it."""
        return len(self.which([os.fsencode(path)])) > 0

    def which(self, paths: Sequence[bytes]) -> NDArray[np.intp]:
        """The places of those ``paths`` that the glob holds for; paths are the file system's bytes.

        They are looked at as one text, which takes a fraction of the time of looking at each.
        """
        import numpy as np

        text = _folded(os.fsdecode(b"\0".join([b"", *paths, b""])))
        letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        starts = np.array([match.start() for match in self._regex.finditer(text)], dtype=np.intp)
        return np.unique(np.searchsorted(np.flatnonzero(letters == 0), starts, side="right") - 1)

    @property
    def rough(self) -> str:
        """A GLOB pattern of SQLite that every path which matches does match, too."""
        names = ("*" if name == "**" else "".join(_rough(name)) + "/" for name in self._names)
        return re.sub(r"\*+", "*", f"*{''.join(names).removesuffix('/')}*")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """For paths with a NUL on both sides; what it finds begins with a NUL or a slash."""
        if self._names == [""]:
            return re.compile(r"\0(?=.)", re.DOTALL)
        body = ""
        for place, name in enumerate(self._names):
            last = place == len(self._names) - 1
            if name == "**":
                body += r"[^\0]+" if last else r"(?:[^/\0]+/)*"
            else:
                body += _one_name(name, r"[^/\0]") + ("" if last else "/")
        begin = r"\0/" if self.absolute else r"[\0/]"
        end = "/" if self._folders_only else r"(?=[/\0])"
        return re.compile(begin + body + end, re.DOTALL)


class NameGlob:
    """A glob over whole names, such as those of tags; with ``inside``, over parts if it holds no ``*``."""

    def __init__(self, pattern: str, *, inside: bool = False) -> None:
        normal = _folded(pattern)
        self._inside = inside and _WILD.search(normal) is None
        self._regex = re.compile(_one_name(normal, "."), re.DOTALL)
        self._letters = normal

    def matches(self, name: str) -> bool:
        """Whether the glob holds for ``name``."""
        if self._inside:
            return self._letters in _folded(name)
        return self._regex.fullmatch(_folded(name)) is not None


def _folded(text: str) -> str:
    """``text`` in small letters, each joined to its accents."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def _one_name(name: str, any_letter: str) -> str:
    """A regular expression for one name; a star takes the first fit, so that no name takes long to refuse."""
    rows: list[str] = [""]
    for match in _PIECE.finditer(name):
        if match["star"]:
            rows.append("")
        else:
            rows[-1] += any_letter if match["one"] else _letters(match)
    first, *others = rows
    if not others:
        return first
    between = "".join(f"(?>{any_letter}*?{row})" for row in others[:-1] if row)
    return f"{first}{between}{any_letter}*{others[-1]}"


def _letters(match: re.Match[str]) -> str:
    if not match["letters"]:
        return re.escape(match[0])
    letters = "".join(_class(match["letters"]))
    if not letters:
        return "(?!)"  # ranges that run backwards hold nothing
    return f"(?![/\\0])[{'^' * bool(match['negated'])}{letters}]"


def _class(letters: str) -> Iterator[str]:
    """The letters and ranges between brackets, written for a regular expression."""
    for match in re.finditer(r"(.)-(.)|(.)", letters, re.DOTALL):
        if match[3] is not None:
            yield re.escape(match[3])
        elif match[1] <= match[2]:
            yield f"{re.escape(match[1])}-{re.escape(match[2])}"


def _rough(name: str) -> Iterator[str]:
    for match in _PIECE.finditer(name):
        letter = match["letter"] or "*"
        if letter in _LETTERS:
            yield f"[{letter.lower()}{letter.upper()}]"
        else:
            yield letter if letter in _PLAIN else "*"
