"""A server of a small library, with the tiny encoder, on both sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from bindsearch.ingest.library import Library
from bindsearch.ingest.serving import Server
from bindsearch.settings import Settings
from tests.ingest.serving.child import Orders
from tests.media import GREEN, RED, picture
from tests.tiny import TinyEncoder


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture(scope="session")
def orders() -> Orders:
    """What the server's daemon was told."""
    return Orders()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, orders: Orders) -> Iterator[Server]:
    """The server; tests only read its library."""
    top = tmp_path_factory.mktemp("served")
    (top / "media").mkdir()
    picture(top / "media" / "red.png", RED)
    picture(top / "media" / "green.png", GREEN)
    (top / "media" / "note.md").write_text("a red barn\n")
    picture(top / "outside.png", GREEN)
    with Library(top / "library", Settings(), TinyEncoder()) as library:
        library.index(top / "media")
        server = orders.server = Server(library, orders, port=free_port())
        server.start()
        yield server
        server.stop()
