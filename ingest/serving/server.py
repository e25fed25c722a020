"""The server of a daemon: sockets, a thread for them, a few threads for searches; its start and its end.

One daemon serves a library: who holds ``daemon.lock``. The lock falls with its process, and what a killed
daemon has left behind is taken over.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import bindsearch
from bindsearch.errors import LibraryBusy, LibraryError
from bindsearch.index.disk import disk_errors
from bindsearch.ingest.library import Library
from bindsearch.ingest.serving.control import Control
from bindsearch.ingest.serving.desk import Desk
from bindsearch.remote.address import (
    ADDRESS_FILE,
    LOCK_FILE,
    SOCKET_FILE,
    Address,
    read_token,
    settings_mark,
    zone_mark,
)

log = logging.getLogger("bindsearch.serving")

THREADS = 4
LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0
KEEP_SECONDS = 75  # a connection that nobody uses; one that closes just as it is used again fails a request

_BACKLOG = 128
_TURNS = 20


class Server:
    """Serves ``library``; call ``start`` once, and ``stop`` in the end, from any thread.

    ``port`` is that of TCP on the loopback address, 0 for none. ``times`` and ``searches`` tell how long
    searches took, and how many there were.
    """

    def __init__(self, library: Library, control: Control, folder: Path | None = None, port: int = 0) -> None:
        from bindsearch.ingest.daemon.metrics import SearchTimes

        self.folder = folder or library.folder
        self.port = port
        self.times = SearchTimes()
        self._control = control
        self._desk = Desk(library)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="search")
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._grace = 0.0
        self._lock: Any = None
        self._sockets: list[socket.socket] = []
        self._socket_path: Path | None = None

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the encoders in memory."""
        return self._desk.loaded

    @property
    def searches(self) -> int:
        """How many searches were asked for."""
        return self._desk.searches

    def unload_idle(self, seconds: float) -> bool:
        """Let go of encoders if nobody has searched for so long; whether there were any."""
        return self._desk.unload_idle(seconds)

    def start(self) -> None:
        """Listen; searches are answered when this returns, and what they need is loaded meanwhile.

        Raises LibraryBusy where another daemon serves the library, LibraryError where nobody could listen.
        """
        self._take_lock()
        try:
            with disk_errors(self.folder):
                token = read_token(self.folder) if self.port else None
                self._listen()
                self._start_thread(token)
                self._address().write(self.folder)
        except BaseException:
            self.stop(0.0)
            raise
        self._pool.submit(self._desk.warm)

    def stop(self, seconds: float = 2.0) -> None:
        """Answer what is being answered, for so long at most, and listen no more."""
        if self._loop is not None and self._ending is not None and self._thread is not None:
            self._grace = seconds
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(seconds + 1.0)
            self._thread = None
        for one in self._sockets:
            one.close()
        self._sockets.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._lock is not None:
            self._remove_traces()
            self._lock.release()
            self._lock = None

    def _take_lock(self) -> None:
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / LOCK_FILE, thread_local=False)
        with disk_errors(self.folder):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                address = Address.read(self.folder)
                busy = LibraryBusy(self.folder, None if address is None else address.pid)
                busy.message = f"a daemon serves it already, pid {busy.pid}" if busy.pid else busy.message
                busy.hint = "stop that one first"
                raise busy from None
        self._lock = lock

    def _remove_traces(self) -> None:
        with suppress(OSError):
            (self.folder / ADDRESS_FILE).unlink(missing_ok=True)
        if self._socket_path is not None:
            with suppress(OSError):
                self._socket_path.unlink(missing_ok=True)
            if self._socket_path.parent != self.folder:
                with suppress(OSError):
                    self._socket_path.parent.rmdir()

    def _address(self) -> Address:
        return Address(
            pid=os.getpid(),
            version=bindsearch.__version__,
            library=os.path.realpath(self.folder),
            zone=zone_mark(),
            home=os.path.expanduser("~"),  # noqa: PTH111
            settings=settings_mark(self.folder),
            socket=None if self._socket_path is None else os.fspath(self._socket_path),
            port=self.port,
        )

    def _listen(self) -> None:
        self._socket_path = self._bind_socket()
        if self.port:
            self._sockets.append(_bind_tcp(self.port))

    def _bind_socket(self) -> Path:
        """Where the socket is: in the library's folder, or in a private one where that cannot be."""
        beside = self.folder.absolute() / SOCKET_FILE
        with suppress(OSError):
            self._sockets.append(_bind_unix(beside))
            return beside
        elsewhere = Path(mkdtemp(prefix="bindsearch-", dir=_runtime_folder())) / SOCKET_FILE
        self._sockets.append(_bind_unix(elsewhere))
        return elsewhere

    def _start_thread(self, token: str | None) -> None:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(token, started), name="server", daemon=True)
        self._thread.start()
        started.result(START_SECONDS)

    def _run(self, token: str | None, started: Future[None]) -> None:
        try:
            asyncio.run(self._serve(token, started))
        except Exception as fault:
            if started.done():
                log.exception("the server has ended")
                return
            started.set_exception(fault)

    async def _serve(self, token: str | None, started: Future[None]) -> None:
        from uvicorn import Config
        from uvicorn.server import ServerState

        from bindsearch.ingest.serving.app import make_app
        from bindsearch.ingest.serving.gate import MOST_HEAD, Gate
        from bindsearch.ingest.serving.protocol import Connection

        app = make_app(self._desk, self._control, self._in_thread, self.times)
        config = Config(
            Gate(app, token, self.port),
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=MOST_HEAD,
            date_header=False,
            timeout_keep_alive=KEEP_SECONDS,
        )
        config.load()
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        state = ServerState()
        servers = [
            await self._loop.create_server(lambda: Connection(config, state, {}), sock=one, backlog=_BACKLOG)
            for one in self._sockets
        ]
        started.set_result(None)
        await self._ending.wait()
        for one in self._sockets:
            self._loop.remove_reader(one)  # closing is not for as long as somebody is just coming in
        await _turns()
        for server in servers:
            server.close()
        await _finish(state, self._grace)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


async def _finish(state: Any, seconds: float) -> None:
    """Let requests end that are being answered, for so long; then hang up."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(set(state.tasks), timeout=seconds)
    for connection in list(state.connections):
        connection.transport.abort()
    for task in list(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    await _turns()


async def _turns() -> None:
    """Let the loop do what it has begun: it takes some turns to let a connection in, and to close one."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _bind_unix(path: Path) -> socket.socket:
    """A socket that only our own user can connect to; what a killed daemon left in its place goes."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    bound = socket.socket(socket.AF_UNIX)
    try:
        with suppress(OSError):
            os.fchmod(bound.fileno(), 0o600)  # on Linux it is then made so; elsewhere a moment later
        bound.bind(os.fspath(path))
        path.chmod(0o600)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _bind_tcp(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
        bound.listen(_BACKLOG)
    except OSError as fault:
        bound.close()
        reason = (fault.strerror or str(fault)).lower()
        hint = "choose another with port in settings.toml"
        raise LibraryError(f"port {port} cannot be listened on: {reason}", hint=hint) from fault
    return bound


def _runtime_folder() -> str | None:
    """The folder for sockets that this user's session has; None for the one for temporary files."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return folder if folder and Path(folder).is_dir() else None
