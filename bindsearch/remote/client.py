"""The daemon of a library, seen from another process: what ``Library`` can do, done where all is loaded.

``Daemon.find`` is where to begin; it is quick, and None where there is no daemon that would answer as the
library itself does. Its methods raise what the library's own do, with all that such an error carries, and
DaemonGone for any fault of the connection: the library itself can then be asked in its place.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import bindsearch
from bindsearch.errors import DaemonGone
from bindsearch.options import SearchOptions
from bindsearch.remote.address import Address, settings_mark, zone_mark
from bindsearch.remote.http import ask, gone
from bindsearch.wishes import Wishes

if TYPE_CHECKING:
    from bindsearch.answers import Answer, MomentSequence, Neighbour
    from bindsearch.remote.status import DaemonStatus

__all__ = ["Daemon", "DaemonGone"]

CONNECT_SECONDS = 1.0

_OK = 200

T = TypeVar("T")


class Daemon:
    """One daemon that listens. Names of files in queries and wishes are those of this process's folder."""

    def __init__(
        self, address: Address, connection: socket.socket, meanwhile: Callable[[], object] | None = None
    ) -> None:
        self.address = address
        self._meanwhile = meanwhile
        self._connection: socket.socket | None = connection

    @classmethod
    def find(
        cls, folder: Path, *, anyhow: bool = False, meanwhile: Callable[[], object] | None = None
    ) -> Self | None:
        """The daemon of the library in ``folder``, if one listens whose answers are the library's own.

        It is of the same version, serves this very folder by the settings that are there now, and has the
        same home and local time; ``anyhow`` takes any that listens, to ask for its status or to give orders.
        ``meanwhile`` is called while the daemon works on a request, for what its answer will need.
        """
        address = Address.read(folder) if hasattr(socket, "AF_UNIX") else None
        if address is None or address.socket is None or not (anyhow or _agrees(address, folder)):
            return None
        connection = _connect(address.socket)
        return None if connection is None else cls(address, connection, meanwhile)

    def close(self) -> None:
        """Let go of the connection; a further request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        query: str | Sequence[str],
        k: int = 10,
        wishes: Wishes | None = None,
        options: SearchOptions | None = None,
        *,
        stdin: Path | None = None,
    ) -> Answer:
        """See Library.search; ``stdin`` is the file that holds what came over standard input."""
        asked = {
            "query": _plain(query),
            "k": k,
            "wishes": (wishes or Wishes()).record(),
            "options": asdict(options or SearchOptions()),
            **_place(stdin),
        }
        told = self._ask("POST", "/v1/search", asked)
        from bindsearch.remote.wire import answer_of

        return _read(answer_of, told)

    def search_sequence(
        self,
        queries: Sequence[str | Sequence[str]],
        k: int = 10,
        wishes: Wishes | None = None,
        *,
        within: float | None = None,
        all_moments: bool = False,
        stdin: Path | None = None,
    ) -> list[MomentSequence]:
        """See Library.search_sequence; ``within`` is the usual span of time if None."""
        asked = {
            "queries": [_plain(query) for query in queries],
            "k": k,
            "wishes": (wishes or Wishes()).record(),
            "within": within,
            "all_moments": all_moments,
            **_place(stdin),
        }
        told = self._ask("POST", "/v1/search/sequence", asked)
        from bindsearch.remote.wire import sequence_of

        return _read(lambda found: [sequence_of(one) for one in found["sequences"]], told)

    def search_around(
        self,
        hit: str,
        within: float | None = None,
        query: str | Sequence[str] | None = None,
        *,
        k: int | None = None,
        wishes: Wishes | None = None,
        stdin: Path | None = None,
    ) -> list[Neighbour]:
        """See Library.search_around; ``within`` is the usual span of time if None."""
        asked = {
            "hit": hit,
            "within": within,
            "query": None if query is None else _plain(query),
            "k": k,
            "wishes": (wishes or Wishes()).record(),
            **_place(stdin),
        }
        told = self._ask("POST", "/v1/search/around", asked)
        from bindsearch.remote.wire import neighbour_of

        return _read(lambda found: [neighbour_of(one) for one in found["neighbours"]], told)

    def preview(self, segment_id: int, side: int = 256) -> Path:
        """See Library.preview."""
        told = self._ask("GET", f"/v1/segments/{segment_id}/preview/path?side={side}")
        return _read(lambda found: Path(found["path"]), told)

    def status(self) -> DaemonStatus:
        """What the daemon is doing."""
        from bindsearch.remote.status import DaemonStatus  # which a search does without

        return _read(DaemonStatus.of, self._ask("GET", "/v1/status"))

    def pause(self, seconds: float | None = None) -> None:
        """Have indexing wait, for so long or until ``resume``."""
        self._ask("POST", "/v1/pause", {"seconds": seconds})

    def resume(self) -> None:
        """Have indexing go on."""
        self._ask("POST", "/v1/resume", {})

    def rescan(self, paths: Sequence[str | os.PathLike[str]] = ()) -> None:
        """Have ``paths`` brought up to date, or every root if none are named."""
        named = [os.path.abspath(Path(path).expanduser()) for path in paths]  # noqa: PTH100 - links stay
        self._ask("POST", "/v1/rescan", {"paths": named})

    def retry(self) -> None:
        """Have files that failed tried again."""
        self._ask("POST", "/v1/retry", {})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = self._connection or (self.address.socket and _connect(self.address.socket))
        self._connection = None
        if not connection:
            raise gone("nobody listens")
        with connection:
            answer = ask(connection, method, path, body, meanwhile=self._prepare)
        if answer.status == _OK:
            return answer.body
        told = answer.body.get("error") if isinstance(answer.body, dict) else None
        if told is None:
            raise gone(f"it refuses this request, with status {answer.status}")
        from bindsearch.remote.wire import error_of

        raise _read(error_of, told)

    def _prepare(self) -> None:
        """Import what reads an answer, which takes as long as a search does: while one is being made."""
        import bindsearch.remote.wire  # noqa: F401

        if self._meanwhile is not None:
            self._meanwhile()


def _read(read: Callable[[Any], T], told: Any) -> T:
    """What ``read`` makes of an answer. Raises DaemonGone for one that makes no sense."""
    try:
        return read(told)
    except (KeyError, TypeError, ValueError) as fault:
        raise gone("its answer makes no sense") from fault


def _agrees(address: Address, folder: Path) -> bool:
    return (
        address.version == bindsearch.__version__
        and address.library == os.path.realpath(folder)
        and address.settings == settings_mark(folder)
        and address.home == os.path.expanduser("~")  # noqa: PTH111
        and address.zone == zone_mark()
    )


def _connect(path: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def _plain(query: str | Sequence[str]) -> str | list[str]:
    return query if isinstance(query, str) else list(query)


def _place(stdin: Path | None) -> dict[str, Any]:
    """Where this process stands, by which the daemon reads names of files."""
    try:
        folder = os.getcwd()  # noqa: PTH109
    except OSError as fault:
        raise gone("this folder is no longer there") from fault
    return {"folder": folder, "stdin": None if stdin is None else os.fspath(stdin)}
