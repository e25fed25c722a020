"""The server from outside, over real sockets: who is let in, what is refused, its start and its end."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import bindsearch
from bindsearch.answers import SearchOptions
from bindsearch.errors import DaemonGone, LibraryBusy, LibraryError, QueryError
from bindsearch.ingest.library import Library
from bindsearch.ingest.serving import Server, gate, protocol
from bindsearch.modality import Modality
from bindsearch.remote.address import ADDRESS_FILE, SOCKET_FILE, TOKEN_FILE, Address
from bindsearch.remote.client import Daemon
from bindsearch.settings import SETTINGS_FILE, Settings
from bindsearch.wishes import Wishes
from tests.ingest.serving.child import Orders, serving
from tests.media import RED, picture
from tests.tiny import TinyEncoder


def daemon_of(server: Server) -> Daemon:
    daemon = Daemon.find(server.folder)
    assert daemon is not None
    return daemon


def is_found(folder: Path, *, anyhow: bool = False) -> bool:
    daemon = Daemon.find(folder, anyhow=anyhow)
    if daemon is not None:
        daemon.close()
    return daemon is not None


def exchange(server: Server, sent: bytes, *, far: bool = True) -> tuple[int, dict[bytes, bytes], Any]:
    """Send bytes as they are; the status, the headers and the JSON of the answer."""
    if far:
        connection = socket.create_connection(("127.0.0.1", server.port), 10)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.fspath(server.folder / SOCKET_FILE))
    with connection:
        connection.settimeout(10)
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines[1:])
    assert int(headers[b"content-length"]) == len(body)
    return int(lines[0].split()[1]), headers, json.loads(body)


def request(
    server: Server, path: str, body: Any = None, host: str | None = None, token: str | None = None
) -> bytes:
    token = (server.folder / TOKEN_FILE).read_text().strip() if token is None else token
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: {host or f'127.0.0.1:{server.port}'}",
        "Connection: close",
        *([f"Authorization: Bearer {token}"] if token else []),
        *([] if body is None else ["Content-Type: application/json", f"Content-Length: {len(payload)}"]),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def refused(server: Server, sent: bytes, *, far: bool = True) -> tuple[int, str]:
    status, headers, body = exchange(server, sent, far=far)
    assert headers[b"content-type"] == b"application/problem+json"
    assert body["status"] == status
    return status, body["detail"]


def test_the_library_and_its_daemon_answer_alike(served: Server) -> None:
    daemon = daemon_of(served)
    with Library(served.folder, Settings(), TinyEncoder()) as library:
        options = SearchOptions(duplicates=True)
        assert daemon.search("red", options=options) == library.search("red", options=options)
        kinds = Wishes(types=(Modality.TEXT,))
        assert [hit.path.name for hit in daemon.search(["red"], 1, kinds)] == ["note.md"]
        segment = library.search("green")[0].segment_id
        assert daemon.preview(segment, 64) == library.preview(segment, 64)


def test_errors_come_back_as_they_were(served: Server) -> None:
    with pytest.raises(QueryError) as caught:
        daemon_of(served).search('red + "green')
    assert (caught.value.position, caught.value.expression) == (6, 'red + "green')
    with Library(served.folder, Settings(), TinyEncoder()) as library, pytest.raises(QueryError) as own:
        library.search('red + "green')
    assert vars(caught.value) == {**vars(own.value), "pid": None}


def test_orders_reach_the_daemon(served: Server, orders: Orders) -> None:
    daemon = daemon_of(served)
    orders.told.clear()
    daemon.pause(60)
    daemon.resume()
    daemon.rescan([served.folder])
    daemon.retry()
    assert orders.told == [("pause", 60), "resume", ("rescan", (served.folder,)), "retry"]
    assert daemon.status().pid == os.getpid()


def test_only_its_owner_can_read_what_it_leaves(served: Server) -> None:
    for name in (ADDRESS_FILE, SOCKET_FILE, TOKEN_FILE):
        assert stat.S_IMODE((served.folder / name).stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_turned_away_whatever_the_modes_say(served: Server) -> None:
    """Even if somebody has opened the socket to all."""
    script = (
        "import os, socket; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
        "s.connect('daemon.sock'); s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');"
        "print(s.recv(100))"
    )
    path, folder_mode = served.folder / SOCKET_FILE, served.folder.stat().st_mode
    path.chmod(0o777)
    served.folder.chmod(0o755)
    try:
        done = subprocess.run([sys.executable, "-c", script], cwd=served.folder, capture_output=True)
    finally:
        path.chmod(0o600)
        served.folder.chmod(folder_mode)
    assert done.stdout == b"b''\n" or b"ConnectionResetError" in done.stderr or b"BrokenPipe" in done.stderr


def test_tcp_wants_the_token_and_its_own_name(served: Server) -> None:
    assert exchange(served, request(served, "/healthz"))[0] == 200
    for token in ("", "wrong", "é" * 3):
        status, headers, body = exchange(served, request(served, "/healthz", token=token))
        assert (status, headers[b"www-authenticate"]) == (401, b"bearer")
        assert body["detail"] == "the token is missing or wrong"
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1:1", "127.0.0.1"):
        assert refused(served, request(served, "/healthz", host=host))[0] == 421
    assert exchange(served, request(served, "/healthz", host=f"localhost:{served.port}"))[0] == 200


def test_from_afar_a_query_names_files_of_the_library_only(served: Server) -> None:
    def ask(name: Path | str, **more: str) -> tuple[int, str]:
        status, _, body = exchange(served, request(served, "/v1/search", {"query": [str(name)], **more}))
        return status, body.get("detail", "")

    media = served.folder.parent / "media"
    assert ask(media / "red.png")[0] == 200
    outside, nothing = served.folder.parent / "outside.png", served.folder.parent / "nothing.png"
    told = [ask(path)[1].replace(path.name, "") for path in (outside, nothing)]
    assert told[0] == told[1] and "no such file" in told[0]
    assert ask(media / "sub" / ".." / "red.png")[0] == 422
    assert ask("red.png", folder=str(media)) == (422, "only who asks on the socket stands in a folder")
    assert ask("-", stdin=str(outside))[0] == 422
    near = request(served, "/v1/search", {"query": "red", "wishes": {"near": [str(outside)]}})
    assert "neither a place nor a file" in refused(served, near)[1]
    assert daemon_of(served).search([str(outside)])


def test_from_afar_only_roots_are_looked_through_again(served: Server, orders: Orders) -> None:
    orders.told.clear()
    for path in ("/etc", "relative", "/etc/../etc", "/nul\0"):
        assert refused(served, request(served, "/v1/rescan", {"paths": [path]}))[0] == 422
    assert orders.told == []
    media = served.folder.parent / "media"
    assert exchange(served, request(served, "/v1/rescan", {"paths": [str(media)]}))[0] == 200
    assert orders.told == [("rescan", (media,))]


def test_a_preview_is_a_picture_from_afar_and_a_path_on_the_socket_only(served: Server) -> None:
    path = "/v1/segments/1/preview/path"
    assert refused(served, request(served, path))[0] == 404
    status, _, body = exchange(served, request(served, path), far=False)
    assert status == 200 and Path(body["path"]).suffix == ".webp"


@pytest.mark.parametrize("far", [True, False])
def test_what_is_too_long_is_refused_before_it_is_read(served: Server, far: bool) -> None:
    head = request(served, "/v1/search", {}).replace(b"Content-Length: 2", b"Content-Length: 70000")
    assert refused(served, head[:-2], far=far)[0] == 413
    chunked = head.replace(b"Content-Length: 70000", b"Transfer-Encoding: chunked")[:-2]
    assert refused(served, chunked + b"11170\r\n" + bytes(70_000) + b"\r\n", far=far)[0] == 413
    long = request(served, "/" + "a" * 70_000)
    assert refused(served, long, far=far)[0] in (400, 431)


def test_what_is_no_http_is_refused(served: Server) -> None:
    assert refused(served, b"\x16\x03\x01 hello\r\n\r\n", far=False)[0] == 400
    length = request(served, "/v1/search", {}).replace(b"Content-Length: 2", b"Content-Length: x")
    assert refused(served, length)[0] == 400


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 hello\r\n\r\n", b"Content-Length: 70000\r\n\r\n"])
def test_who_is_refused_while_still_speaking_hears_why(served: Server, sent: bytes) -> None:
    head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(os.fspath(served.folder / SOCKET_FILE))
            connection.sendall(sent if sent.startswith(b"\x16") else head + sent)
            for _ in range(10):
                time.sleep(0.01)
                connection.sendall(bytes(7_000))
            heard = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert heard.startswith(b"HTTP/1.1 4")
        assert b'"status":4' in heard


def test_who_is_slow_is_hung_up_on(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    late = request(served, "/v1/search", {}).replace(b"Content-Length: 2", b"Content-Length: 20")
    assert refused(served, late)[0] == 408
    for beginning in (b"", b"GET /healthz HT"):
        with socket.create_connection(("127.0.0.1", served.port), 10) as connection:
            connection.sendall(beginning)
            connection.settimeout(10)
            with suppress(ConnectionResetError):
                assert connection.recv(100) == b""


def test_many_at_once_get_the_same_answer(served: Server) -> None:
    expected = daemon_of(served).search("red")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: daemon_of(served).search("red"), range(40)))
    assert all(answer == expected for answer in answers)


def test_a_library_has_one_daemon(served: Server) -> None:
    told = f"a daemon serves it already, pid {os.getpid()}"
    with Library(served.folder, Settings(), TinyEncoder()) as library, pytest.raises(LibraryBusy, match=told):
        Server(library, Orders()).start()
    assert daemon_of(served).status().pid == os.getpid()


def small(folder: Path) -> Library:
    """A library with one picture, whose encoder is opened when it is needed."""
    media = folder.parent / "media"
    media.mkdir(exist_ok=True)
    picture(media / "red.png", RED)
    library = Library(folder, Settings(), opener=lambda _: TinyEncoder())
    library.index(media)
    return library


def test_what_a_killed_daemon_leaves_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    small(folder).close()
    with serving(folder) as child:
        assert is_found(folder)
        child.kill()
        child.wait()
    assert (folder / SOCKET_FILE).exists() and (folder / ADDRESS_FILE).exists()
    assert not is_found(folder)
    with small(folder) as library:
        server = Server(library, Orders())
        server.start()
        assert len(daemon_of(server).search("red")) == 1
        server.stop()
    assert not (folder / SOCKET_FILE).exists() and not (folder / ADDRESS_FILE).exists()


def test_the_end_leaves_no_threads_and_a_daemon_that_has_gone_is_told(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with small(tmp_path / "library") as library:
        server = Server(library, Orders())
        server.start()
        daemon = daemon_of(server)
        daemon.search("red")
        server.stop()
        with pytest.raises(DaemonGone):
            daemon.search("red")
    for thread in set(threading.enumerate()) - before:
        while thread.ident is None:  # about to begin
            time.sleep(0.01)
        thread.join(10)
        assert not thread.is_alive()


def test_a_socket_with_too_long_a_name_is_elsewhere_and_private(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "library"
    folder.parent.mkdir()
    with small(folder) as library:
        server = Server(library, Orders())
        server.start()
        address = Address.read(folder)
        assert address is not None and address.socket is not None
        place = Path(address.socket)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        assert len(daemon_of(server).search("red")) == 1
        server.stop()
    assert not place.parent.exists()


def test_a_port_that_is_taken_is_told_and_nothing_stays_behind(served: Server, tmp_path: Path) -> None:
    with small(tmp_path / "library") as library:
        with pytest.raises(LibraryError, match=f"port {served.port} cannot be listened on"):
            Server(library, Orders(), port=served.port).start()
        assert not is_found(library.folder)
        server = Server(library, Orders())
        server.start()
        server.stop()


def test_encoders_that_nobody_needs_are_let_go_and_come_back(tmp_path: Path) -> None:
    with small(tmp_path / "library") as library:
        server = Server(library, Orders())
        server.start()
        daemon_of(server).search("red")
        assert server.loaded == ("compact",)
        assert not server.unload_idle(3600.0)
        assert server.unload_idle(0.0) and server.loaded == ()
        assert not server.unload_idle(0.0)
        assert len(daemon_of(server).search("red")) == 1 and server.loaded
        server.stop()


def test_only_a_daemon_that_would_answer_the_same_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "library"
    with small(folder) as library:
        server = Server(library, Orders())
        server.start()
        assert is_found(folder)
        with monkeypatch.context() as other:
            other.setattr(bindsearch, "__version__", "0.0.0")
            assert not is_found(folder)
            assert is_found(folder, anyhow=True)
        with monkeypatch.context() as other:
            other.setattr("bindsearch.remote.client.zone_mark", lambda: "elsewhere")
            assert not is_found(folder)
        moved = tmp_path / "moved"
        folder.rename(moved)
        assert not is_found(moved)
        moved.rename(folder)
        (folder / SETTINGS_FILE).write_text("threads = 1\n")
        assert not is_found(folder)
        server.stop()
