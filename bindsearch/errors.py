"""Every error that bindsearch raises on purpose.

    BindsearchError
    ├── QueryError               the query cannot be understood
    ├── SettingsError            settings.toml or an option holds an unusable value
    ├── LibraryError             about one library on disk
    │   ├── LibraryMissing       there is no library at this path
    │   ├── LibraryBusy          another process is writing to it
    │   ├── LibraryDamaged       its catalog cannot be used as it is
    │   └── DaemonGone           no daemon answers for it
    ├── MediaError               about one file that cannot become media
    │   ├── UnsupportedFile      of a kind that bindsearch does not read
    │   │   └── UnclearFile      of one of several kinds or units; a rule would tell
    │   └── DamagedFile          empty, broken, too large or hostile
    └── EncoderError             a space or an encoder cannot do what is asked

Each carries what it is about (a path, an id) and, where there is one, a hint that says what to do next.
``str(error)`` is one line that a person can read; the command line prints it as it is.
"""

from __future__ import annotations

import os
from typing import Self

_SHOWN = 120  # characters of an expression that a message repeats


class BindsearchError(Exception):
    """The root of the tree: ``subject`` is what the error is about, ``hint`` what to do next."""

    def __init__(self, message: str, *, subject: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.subject}: {self.message}" if self.subject else self.message
        return f"{text} ({self.hint})" if self.hint else text


class QueryError(BindsearchError):
    """The query cannot be understood or names something that is not there.

    ``position`` is the place in ``expression``, the query as it was written, that the error is about:
    characters from 0; both None where there is no such place.
    """

    def __init__(
        self,
        message: str,
        *,
        subject: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        expression: str | None = None,
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.position = position
        self.expression = expression

    def at(self, position: int | None, expression: str | None) -> Self:
        """This error, pointing into the query that it turned out to be about."""
        self.position, self.expression = position, expression
        return self

    def __str__(self) -> str:
        if self.position is None or self.expression is None:
            return super().__str__()
        line = " ".join(self.expression.split())
        shown = line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
        text = f"{self.subject or shown}: {self.message}, at character {self.position + 1}"
        return f"{text} ({self.hint})" if self.hint else text


class SettingsError(BindsearchError):
    """A setting holds an unusable value."""


class LibraryError(BindsearchError):
    """About one library on disk; ``subject`` is its path."""


class LibraryMissing(LibraryError):
    """There is no library at this path."""


class LibraryBusy(LibraryError):
    """Another process holds the writer lock; ``pid`` is that process where it is known."""

    def __init__(self, path: str | os.PathLike[str], pid: int | None) -> None:
        holder = f"pid {pid}" if pid else "another process"
        super().__init__(
            f"busy, held by {holder}", subject=os.fspath(path), hint="wait for it to end, or stop it"
        )
        self.pid = pid


class LibraryDamaged(LibraryError):
    """The catalog cannot be read, or was written by a newer bindsearch."""


class DaemonGone(LibraryError):
    """The library's daemon does not answer, or not as it should; all that it does can be done without it."""


class MediaError(BindsearchError):
    """About one file that cannot become media; ``subject`` is its path."""


class UnsupportedFile(MediaError):
    """The file is of a kind that bindsearch does not read."""


class UnclearFile(UnsupportedFile):
    """The file could be read in several ways, of which one is right; ``hint`` is the rule to write."""


class DamagedFile(MediaError):
    """The file is empty, broken, over a limit, or hostile."""


class EncoderError(BindsearchError):
    """A space is unknown, or an encoder cannot encode what it is given; ``subject`` is the space's id."""
