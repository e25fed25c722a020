"""One URL to one file, over links that break: resumed where it stopped, and never trusted.

    <file>          the bytes so far
    <file>.json     what they are part of: the URL, and the ETag or Last-Modified that the server gave

A part is continued only with an ``If-Range`` request (RFC 9110, 13.1.5), so that a server whose file has
changed sends all of it anew instead of the rest of another file. Where the server names no validator there is
nothing to ask with, and the file starts over.

Proxies come from the environment (``HTTPS_PROXY``, ``NO_PROXY`` and their kin). Faults of the link and of the
server are tried again after a pause; the count of tries starts over whenever the file has grown.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bindsearch.errors import EncoderError
from bindsearch.models.needs import EXTRA
from bindsearch.models.shelf import CHUNK, Tick

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS = 15.0
SILENT_SECONDS = 60.0  # so long may a server stay silent within a transfer
REDIRECTS = 5
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)  # before each new try, in seconds
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # what a server says that may work later


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a transfer waits; times in seconds."""

    connect: float = CONNECT_SECONDS
    silent: float = SILENT_SECONDS
    pauses: tuple[float, ...] = PAUSES


@dataclass(frozen=True, slots=True)
class _Part:
    """What the bytes so far are part of."""

    url: str
    validator: str

    @classmethod
    def read(cls, path: Path) -> _Part | None:
        try:
            content = json.loads(_notes(path).read_bytes())
            return cls(str(content["url"]), str(content["validator"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str]) -> _Part | None:
        """From an answer's headers; None if the server gives no strong validator."""
        tag = headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
        return cls(url, validator) if validator else None

    def write(self, path: Path) -> None:
        _notes(path).write_text(json.dumps(asdict(self)), encoding="utf-8")


class _LinkFault(Exception):
    """Something that may work when it is tried again."""


def fetch(
    url: str,
    path: Path,
    size: int | None,
    tick: Tick,
    patience: Patience | None = None,
) -> None:
    """Bring the file at ``url`` to ``path``, going on with what is there of it.

    ``tick`` is called with the bytes as they come; what was there before counts, too, and what has to be
    thrown away counts negative. Raises EncoderError if the server does not have it, has one of another
    ``size``, or cannot be reached after the pauses of ``patience``; what has arrived is kept for the next
    time.
    """
    patience = patience or Patience()
    manager = _manager(url, patience)
    tick(_size(path))
    pauses = iter(patience.pauses)
    farthest = _size(path)  # a server that begins anew each time must not be asked for ever
    while True:
        try:
            _try_once(manager, url, path, size, tick)
        except _LinkFault as fault:
            if _size(path) > farthest:
                farthest, pauses = _size(path), iter(patience.pauses)
            pause = next(pauses, None)
            if pause is None:
                hint = "what has arrived is kept; try again later" if _size(path) else "try again later"
                raise EncoderError(str(fault), subject=url, hint=hint) from fault
            time.sleep(pause)
        else:
            _notes(path).unlink(missing_ok=True)
            return


def discard(path: Path) -> None:
    """Delete what has been fetched to ``path``."""
    path.unlink(missing_ok=True)
    _notes(path).unlink(missing_ok=True)


def require_space(folder: Path, needed: int, subject: str) -> None:
    """EncoderError unless ``needed`` bytes fit on the disk of ``folder``, which exists."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EncoderError(
            f"needs {needed / 1e9:.1f} GB on the disk of {folder}, where {free / 1e9:.1f} GB are free",
            subject=subject,
            hint="free some, or name another folder in BINDSEARCH_MODELS",
        )


def _try_once(manager: PoolManager, url: str, path: Path, size: int | None, tick: Tick) -> None:
    part = _Part.read(path)
    if part is None or part.url != url:
        tick(-_size(path))
        discard(path)
        part = None
    have = _size(path)
    if part is not None and have and have == size:
        return
    headers = {"Accept-Encoding": "identity"}
    if part is not None and have:
        headers |= {"Range": f"bytes={have}-", "If-Range": part.validator}
    with _answer(manager, url, headers) as answer:
        if answer.status == 416:
            tick(-have)
            discard(path)
            raise _LinkFault("the server's file is shorter than the part that was fetched")
        start = _start(answer, have, url)
        total = _total(answer, start)
        if size is not None and total is not None and total != size:
            discard(path)
            raise EncoderError(f"is {total} bytes long, not {size}: not that model", subject=url)
        if start == 0:
            tick(-have)
            discard(path)
            new = _Part.of(url, answer.headers)
            if new is not None:
                new.write(path)
        _receive(answer, path, start, total if total is not None else size, tick)


def _answer(manager: PoolManager, url: str, headers: dict[str, str]) -> _Closing:
    """The server's answer: 200, 206 or 416; EncoderError for any other that trying again does not mend."""
    from urllib3.exceptions import HTTPError

    try:
        answer = manager.request("GET", url, headers=headers, preload_content=False)
    except HTTPError as error:
        raise _LinkFault(f"cannot be reached: {_reason(error)}") from error
    if answer.status in (200, 206, 416):
        return _Closing(answer)
    answer.release_conn()
    if answer.status in PASSING:
        raise _LinkFault(f"the server answers {answer.status} {answer.reason or ''}".rstrip())
    raise EncoderError(f"the server answers {answer.status} {answer.reason or ''}".rstrip(), subject=url)


class _Closing:
    """An answer that is closed, connection and all, when its block ends."""

    def __init__(self, answer: BaseHTTPResponse) -> None:
        self._answer = answer

    def __enter__(self) -> BaseHTTPResponse:
        return self._answer

    def __exit__(self, *_: object) -> None:
        self._answer.close()


def _start(answer: BaseHTTPResponse, have: int, url: str) -> int:
    """The place in the file at which an answer's bytes begin."""
    if answer.status == 200:
        return 0
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    if unit != "bytes" or first != str(have):
        raise EncoderError("the server sends another part than it was asked for", subject=url)
    return have


def _total(answer: BaseHTTPResponse, start: int) -> int | None:
    """The length of the whole file, if the server says so."""
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _receive(answer: BaseHTTPResponse, path: Path, start: int, total: int | None, tick: Tick) -> None:
    """Append an answer's bytes; _LinkFault if the link breaks or ends too soon."""
    with path.open("ab") as stream:
        for chunk in _chunks(answer):
            if total is not None and stream.tell() + len(chunk) > total:
                raise EncoderError(f"sends more than {total} bytes", subject=str(answer.geturl()))
            stream.write(chunk)
            tick(len(chunk))
    have = _size(path)
    if total is not None and have < total:
        raise _LinkFault(f"the transfer ended after {have} of {total} bytes")


def _chunks(answer: BaseHTTPResponse) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    try:
        yield from answer.stream(CHUNK, decode_content=False)
    except HTTPError as error:
        raise _LinkFault(f"the transfer broke off: {_reason(error)}") from error


def _manager(url: str, patience: Patience) -> PoolManager:
    """Connections to the host of ``url``, by a proxy if the environment names one for it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EncoderError("is not an http or https address", subject=url)
    try:
        import urllib3
    except ImportError as error:
        raise EncoderError("needs urllib3", subject="bindsearch[imagebind]", hint=EXTRA) from error
    timeout = urllib3.Timeout(connect=patience.connect, read=patience.silent)
    retries = urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS)
    headers = {"User-Agent": "bindsearch"}
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(parts.hostname):
        return urllib3.PoolManager(timeout=timeout, retries=retries, headers=headers)
    address = proxy if "://" in proxy else f"http://{proxy}"
    try:
        return urllib3.ProxyManager(address, timeout=timeout, retries=retries, headers=headers)
    except urllib3.exceptions.HTTPError as error:
        raise EncoderError(f"the proxy cannot be used: {error}", subject=address) from error


def _reason(error: Exception) -> str:
    """The innermost of nested causes, which is the one that says something."""
    inner = getattr(error, "reason", None)
    while isinstance(inner, Exception):
        error, inner = inner, getattr(inner, "reason", None)
    return str(error).rpartition(": ")[2] or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _notes(path: Path) -> Path:
    return path.with_name(path.name + ".json")
