"""A real HTTP server on this machine, which serves one folder and can be told to misbehave."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 16_384


@dataclass
class Host:
    """What the server does; tests change it as they go on.

    ``cuts`` are lengths after which answers are cut off, one for each request that sends a body;
    ``statuses`` are errors that are answered first; ``requests`` is what came in: path and ``Range`` header.
    """

    folder: Path
    url: str = ""
    etag: str | None = '"one"'
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    flip: int | None = None
    ranges: bool = True
    length: bool = True
    redirect: str | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)


@contextmanager
def serving(folder: Path) -> Iterator[Host]:
    """A server over ``folder``, stopped at the end of the block."""
    host = Host(folder)

    class Handler(_Handler):
        pass

    Handler.host = host
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        host = self.host
        host.requests.append((self.path, self.headers.get("Range")))
        path = host.folder / self.path.rpartition("/")[2]
        if host.redirect is not None and not self.path.startswith(host.redirect):
            self._answer(302, {"Location": f"{host.url}{host.redirect}{self.path}"})
        elif host.statuses:
            self._answer(host.statuses.pop(0))
        elif not path.is_file():
            self._answer(404)
        else:
            self._send(path.read_bytes())

    def _send(self, content: bytes) -> None:
        host = self.host
        if host.flip is not None:
            content = bytearray(content)  # type: ignore[assignment]
            content[host.flip] ^= 1  # type: ignore[index]
        start = self._start(len(content))
        if start is not None and start >= len(content):
            self._answer(416)
            return
        headers = {"ETag": host.etag} if host.etag else {}
        if host.length:
            headers["Content-Length"] = str(len(content) - (start or 0))
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(200 if start is None else 206, headers)
        body = content[start or 0 :]
        if host.cuts:
            body = body[: host.cuts.pop(0)]
        self.close_connection = True
        host.sent.append(len(body))
        for place in range(0, len(body), PIECE):
            self.wfile.write(body[place : place + PIECE])

    def _start(self, length: int) -> int | None:
        """Where a part begins that is asked for and may be given; None for all of it."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or not self.host.ranges or self.headers.get("If-Range") != self.host.etag:
            return None
        return int(asked[1])

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {"Content-Length": "0"}).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
