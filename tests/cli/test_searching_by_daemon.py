"""The same searches with a daemon and without one: what is printed, what is said, and how they end."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import skimage.data
from typer.testing import CliRunner

from bindsearch.cli.main import app
from bindsearch.ingest.library import Library
from bindsearch.remote.address import Address
from bindsearch.remote.client import Daemon
from tests.cli.runner import bindsearch
from tests.cli.test_searching_in_time import dated
from tests.ingest.serving.child import serving

SKIMAGE = Path(skimage.data.__file__).parent
ODD_NAME = os.fsdecode(b"caf\xe9 1.png")


class Both(NamedTuple):
    """Two libraries that are equal but for their place: one has a daemon."""

    media: Path
    served: Path
    alone: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    top = tmp_path_factory.mktemp("both")
    media, served, alone = top / "media", top / "served", top / "alone"
    (media / "sub").mkdir(parents=True)
    dated(media / "cat.jpg", "chelsea.png", "2024:05:31 23:58:00", "+02:00")
    dated(media / "sub" / "cup.jpg", "coffee.png", "2024:05:31 22:03:00", "+00:00")
    shutil.copy(SKIMAGE / "grass.png", media / ODD_NAME)
    (media / "note.md").write_text("# Vet\n\nThe cat has to see the vet on Friday.\n")
    with Library.open(served) as library:
        library.index(media)
    tagged = ["--library", str(served), "tags", "add", "pet", str(media / "cat.jpg")]
    assert CliRunner().invoke(app, tagged).exit_code == 0
    (media / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more than that")
    shutil.copytree(served, alone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", os.fspath(media))
        with serving(served):
            yield Both(media, served, alone)


SEARCHES = (
    "cat",
    "a cat|-k|2|--json",
    "a cat|--paths",
    "a cat|-0|--by-cosine",
    "nothing like this at all|--strict",
    "a cat|--level|9",
    "vet|--exact",
    "vet friday|--exact|--json",
    "zebra|--exact",
    "cat|--no-words",
    "cat|--exact|--no-words",
    "cat|--all-moments|--show-duplicates|--json",
    "cat.jpg|--json",
    "sub/cup.jpg|-k|1",
    "./sub/../cat.jpg",
    "~/cat.jpg",
    "0.5*cat.jpg|+|a cup of coffee|-|grass",
    "(cat.jpg + sub/cup.jpg) - text:grass",
    f"{ODD_NAME}|--json",
    f"{ODD_NAME}|--paths",
    "@1",
    "@999",
    "cat.jpg[1-2]",
    "audio:cat.jpg",
    "broken.png",
    "missing.png",
    "sub/",
    '"never closed',
    "a + ",
    " ",
    "cat|--in|sub",
    "cat|--in|.|--type|image",
    "cat|--path|*.md",
    "cat|--root|*nowhere*",
    "cat|--since|2024|--until|2024-05-31",
    "cat|--since|soon",
    "cat|--when|night",
    "cat|--tag|pet",
    "cat|--near|cat.jpg|--within|2km",
    "cat|--near|nowhere.jpg",
    "cat|--within|5m",
    "cat|--where|tag:pet and in:.",
    "cat|--where|tag:",
    "cat|--camera|canon|--longer|1s|--shorter|1h|--offline",
    "cat|--then|coffee",
    "cat|--then|coffee|--within|10min|--json",
    "cat.jpg|--before|sub/cup.jpg|--paths",
    "cat|--then|coffee|--within|1s",
    "cat|--then|coffee|--within|far",
    "--around|sub/cup.jpg|10m",
    "cat|--around|@2|1h|--json",
    "--around|note.md|10m",
    "--around|nobody.jpg|10m",
)


def told(library: Path, arguments: list[str], data: bytes = b"") -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of one search, run in this process so that only one thing differs."""
    done = CliRunner().invoke(app, ["--library", os.fspath(library), "search", *arguments], input=data)
    spooled = re.compile(rb"/[^ ]*/bindsearch-[^/]*/stdin")
    return done.exit_code, done.stdout_bytes, spooled.sub(b"<stdin>", done.stderr_bytes)


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_is_the_same_both_ways(both: Both, search: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(both.media)
    arguments = search.split("|")
    assert told(both.served, arguments) == told(both.alone, arguments)


@pytest.mark.parametrize(
    ("search", "source"),
    [
        *(("-", source) for source in ("cat.jpg", "note.md", None)),
        *((search, "cat.jpg") for search in ("file:- + a cat", "image:-|--json", "cat|--then|-")),
        ("-|--since|soon", None),
    ],
)
def test_standard_input_is_the_same_both_ways(
    both: Both, search: str, source: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(both.media)
    data = b"" if source is None else (both.media / source).read_bytes()
    arguments = search.split("|")
    assert told(both.served, arguments, data) == told(both.alone, arguments, data)


def test_these_searches_did_go_through_the_daemon(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def searches() -> int:
        daemon = Daemon.find(both.served)
        assert daemon is not None
        assert Daemon.find(both.alone) is None
        return daemon.status().searches

    before = searches()
    code, out, _ = told(both.served, ["a cat", "-k", "1", "--paths"])
    assert (code, out) == (0, os.fsencode(both.media / "cat.jpg") + b"\n")
    assert searches() == before + 1


def test_a_search_by_the_daemon_imports_nothing_slow(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    done = bindsearch(both.served, "search", "a cat", "--paths")
    assert done.returncode == 0
    loaded = {line.rpartition(b"|")[2].strip().partition(b".")[0] for line in done.stderr.splitlines()}
    assert b"typer" in loaded
    assert loaded & {b"numpy", b"sqlalchemy", b"rich", b"lark", b"http", b"email", b"onnxruntime"} == set()


@pytest.mark.parametrize("search", ["a cat", "-", "cat|--then|-", "--around|sub/cup.jpg|10m"])
def test_a_daemon_that_hangs_up_is_done_without(
    both: Both, search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(both.media)
    broken = tmp_path / "library"
    shutil.copytree(both.alone, broken)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.fspath(broken / "s"))
    listening.listen()
    found = Address.read(both.served)
    assert found is not None
    replace(found, library=os.path.realpath(broken), socket=os.fspath(broken / "s")).write(broken)

    def hang_up() -> None:
        connection, _ = listening.accept()
        connection.recv(10)
        connection.close()

    data = (both.media / "cat.jpg").read_bytes()
    with listening, ThreadPoolExecutor(1) as pool:
        caller = pool.submit(hang_up)
        assert told(broken, search.split("|"), data) == told(both.alone, search.split("|"), data)
        assert caller.done()
