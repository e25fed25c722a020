"""The server against its own description: whatever a stranger sends, every answer is one that is described.

Schemathesis runs all its checks, over TCP with the token and over the Unix socket, to which a relay leads.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bindsearch.ingest.serving import Server
from bindsearch.remote.address import TOKEN_FILE, Address

# A string may be no query, and a path lie in no root: that is 422, and 400 what is not as described.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "404", "405", "413", "422"]
"""

FUZZING = ("--phases", "examples,fuzzing")


def schemathesis(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", str(folder / "schemathesis.toml"), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--seed", "1", "--no-color", "--warnings", "off", "--no-shrink"),
    ]
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


@contextmanager
def relay(path: str) -> Iterator[str]:
    """The address of a TCP port that leads to a Unix socket, for a client that knows no others."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        target.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address.append(server.sockets[0].getsockname())
        ready.set()
        async with server:
            await ended.wait()

    def run() -> None:
        with asyncio.Runner() as runner:
            loops.append(runner.get_loop())
            runner.run(serve())

    address: list[tuple[str, int]] = []
    loops: list[asyncio.AbstractEventLoop] = []
    ready, ended = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield f"http://{address[0][0]}:{address[0][1]}"
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join()


@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_no_request_gets_an_answer_that_is_not_described(served: Server, way: str, tmp_path: Path) -> None:
    if way == "tcp":
        token = (served.folder / TOKEN_FILE).read_text().strip()
        header = f"Authorization: Bearer {token}"
        done = schemathesis(tmp_path, f"http://127.0.0.1:{served.port}", "-H", header, "-n", "8", *FUZZING)
    else:
        address = Address.read(served.folder)
        assert address is not None and address.socket is not None
        with relay(address.socket) as url:
            done = schemathesis(tmp_path, url, "-n", "8", *FUZZING)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "11 selected / 11 total" in done.stdout


def test_the_edges_of_what_is_described_are_where_they_are_said_to_be(served: Server, tmp_path: Path) -> None:
    """Every least, most, missing and further value; what other searches take is the same again."""
    header = f"Authorization: Bearer {(served.folder / TOKEN_FILE).read_text().strip()}"
    parts = ("--phases", "coverage", "--exclude-path-regex", "/v1/search/(sequence|around)")
    done = schemathesis(tmp_path, f"http://127.0.0.1:{served.port}", "-H", header, *parts)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "9 selected / 11 total" in done.stdout
