"""As much of HTTP/1.1 as a daemon on this machine needs: one request on a connected socket, one answer.

The standard library's client loads the parser of e-mail, which takes longer than a search does.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from bindsearch.errors import DaemonGone

FIRST_SECONDS = 5.0  # for the first sign of life of a request with a body
LOOK_SECONDS = 30.0  # for that of one without, which comes with the answer: a picture may have to be drawn
LAST_SECONDS = 300.0  # for the whole answer: a film in a query has to be decoded first
MOST_BYTES = 1_000_000_000

_CONTINUE = b"HTTP/1.1 100 "
_END = b"\r\n\r\n"


class Response(NamedTuple):
    """A status and the JSON that came with it; None if none came."""

    status: int
    body: Any


def ask(
    connection: socket.socket,
    method: str,
    path: str,
    body: Any = None,
    *,
    meanwhile: Callable[[], object] | None = None,
) -> Response:
    """Send one request and wait for its answer; the connection is of no use afterwards.

    ``meanwhile`` is called when it has been sent, while the server works.

    Raises DaemonGone for whatever is not a whole answer.
    """
    try:
        connection.settimeout(LOOK_SECONDS if body is None else FIRST_SECONDS)
        connection.sendall(_request(method, path, body))
        if meanwhile is not None:
            meanwhile()
        received = connection.recv(1 << 16)
        connection.settimeout(LAST_SECONDS)
        parts = [received]
        while received:
            received = connection.recv(1 << 20)
            parts.append(received)
        return _response(b"".join(parts))
    except (OSError, ValueError) as fault:
        raise gone(str(fault)) from fault


def gone(why: str) -> DaemonGone:
    """The error for a daemon that does not answer as it should."""
    return DaemonGone(f"its daemon does not answer: {why}")


def _request(method: str, path: str, body: Any) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    payload = b""
    if body is not None:
        payload = json.dumps(body).encode("ascii")
        # The server says at once that it goes on, so that one which hangs is told from one which works.
        lines += ["Content-Type: application/json", "Expect: 100-continue", f"Content-Length: {len(payload)}"]
    return "\r\n".join(lines).encode("ascii") + _END + payload


def _response(received: bytes) -> Response:
    while received.startswith(_CONTINUE):
        received = received.partition(_END)[2]
    head, end, payload = received.partition(_END)
    lines = head.split(b"\r\n")
    version, _, rest = lines[0].partition(b" ")
    if not end or not version.startswith(b"HTTP/1."):
        raise ValueError("it broke off")
    headers = dict(line.lower().split(b":", 1) for line in lines[1:])
    if int(headers.get(b"content-length", b"-1")) != len(payload):
        raise ValueError("the answer is not whole")
    is_json = b"json" in headers.get(b"content-type", b"")
    return Response(int(rest[:3]), json.loads(payload) if is_json and payload else None)
