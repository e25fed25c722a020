"""The gate: who may come in, and how much they may say, before anything looks at a request.

Over TCP a request shows the token and names the server by an address of this machine, so that no page in a
browser whose name was made to lead here gets an answer.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bindsearch.ingest.serving.app import PROBLEM, problem

MOST_BYTES = 64 * 1024
MOST_HEAD = 16 * 1024
BODY_SECONDS = 10.0
MOST_AT_ONCE = 64

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_NAMES = (b"127.0.0.1", b"localhost")


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Gate:
    """``app`` behind a gate; ``token`` and ``port`` are those of TCP, None if there is none."""

    def __init__(self, app: App, token: str | None, port: int) -> None:
        self._app = app
        self._token = None if token is None else token.encode("ascii")
        self._hosts = {name + b":%d" % port for name in _NAMES}
        self._inside = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        self._inside += 1
        try:
            self._check(scope)
            body = await _body(scope, receive)
        except _Refused as refused:
            await _refuse(refused, send)
            return
        else:
            await self._app(scope, _again(body, receive), send)
        finally:
            self._inside -= 1

    def _check(self, scope: Message) -> None:
        said = len(scope["raw_path"]) + len(scope["query_string"])
        if said + sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEAD:
            raise _Refused(431, f"the head of a request has at most {MOST_HEAD} bytes")
        if self._inside > MOST_AT_ONCE:
            raise _Refused(503, "too many ask at once")
        if scope.get("state", {}).get("local", False):
            return
        headers = scope["headers"]
        hosts = [value.lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            raise _Refused(421, "this server is not called so")
        shown = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = shown[0].partition(b" ") if len(shown) == 1 else (b"", b"", b"")
        right = self._token is not None and hmac.compare_digest(token.strip(), self._token)
        if scheme.lower() != b"bearer" or not right:
            raise _Refused(401, "the token is missing or wrong")


async def _body(scope: Message, receive: Receive) -> bytes:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if int(length) > MOST_BYTES:
        raise _Refused(413, f"a request has at most {MOST_BYTES} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MOST_BYTES:
                    raise _Refused(413, f"a request has at most {MOST_BYTES} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise _Refused(408, "the request took too long to arrive") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives the body once more, and then waits for the end of the connection."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def repeated() -> Message:
        return waiting.pop() if waiting else await receive()

    return repeated


async def _refuse(refused: _Refused, send: Send) -> None:
    body = problem(refused.status, refused.detail)
    headers = [
        (b"content-type", PROBLEM.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),  # what is still to come is not read
    ]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
