"""Connections: who is at the other end, and how long they may take for a request's head.

On the Unix socket only our own user is let in, whatever the socket's mode says; such a connection is marked
``local`` in the state of its requests. Who is hung up on before all was read is heard out for a moment, and
so gets the answer that says why.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from bindsearch.ingest.serving.app import PROBLEM, problem

HEAD_SECONDS = 10.0
MOST_CONNECTIONS = 200
LINGER_SECONDS = 2.0

_LOCAL_PEERCRED = 1  # of macOS and the BSDs; Python does not name it


def peer_uid(connection: Any) -> int | None:
    """The user at the other end of a Unix socket; None where the system does not tell."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1])
    if sys.platform == "darwin":
        return int(struct.unpack_from("=II", connection.getsockopt(0, _LOCAL_PEERCRED, 76))[1])
    return None


class _Lingering:
    """A transport that, told to close, says no more and hears the other end out, for a moment.

    The kernel resets a connection that is closed while something is unread, and with it what was said last.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._timer: asyncio.TimerHandle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is said, nor anything done about what is heard."""
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        """End the conversation."""
        if self.is_closing():
            return
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)
        try:
            self._transport.write_eof()
            self._transport.resume_reading()
        except OSError:  # the other end has gone
            self._transport.abort()

    def forget(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()


class Connection(H11Protocol):
    """One connection."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or hang up."""
        self._lingering = _Lingering(transport, self.loop)
        super().connection_made(self._lingering)  # type: ignore[arg-type]
        connection = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            self.app_state = {"local": True}
            if peer_uid(connection) not in (None, os.geteuid()):
                transport.abort()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget_timer()
        super().connection_lost(exc)
        self._lingering.forget()

    def data_received(self, data: bytes) -> None:
        """Time runs from a head's first byte to its last."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_timer()
        elif self._head_timer is None:
            self._await_head()

    def on_response_complete(self) -> None:
        """The next request may begin."""
        self._forget_timer()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        body = problem(400, msg)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}"
        self.transport.write(head.encode("ascii") + b"\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
