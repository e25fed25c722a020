"""``bindsearch models`` as whole processes, against a real server and a small checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.runner import bindsearch
from tests.media import picture
from tests.models.checkpoints import offer, save, sha256
from tests.models.server import Host, serving


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A server with a checkpoint, an empty models folder with an offer of it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "BINDSEARCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BINDSEARCH_MODELS", str(tmp_path / "models"))
    (tmp_path / "served").mkdir()
    checkpoint = save(tmp_path / "served" / "small.pth")
    with serving(checkpoint.parent) as host:
        offer(tmp_path / "models", checkpoint, f"{host.url}/small.pth")
        yield host


def listed(library: Path) -> dict[str, str | None]:
    """What keeps each model from being used."""
    lines = bindsearch(library, "models", "list", "--json").stdout.splitlines()
    return {model["id"]: model["problem"] for model in map(json.loads, lines)}


def test_models_that_are_there_and_that_can_be_had_are_listed(tmp_path: Path, host: Host) -> None:
    absent = "is not installed"
    assert listed(tmp_path) == {"compact": None, "imagebind-huge": absent, "small": absent}
    shown = bindsearch(tmp_path, "models").stdout.decode().splitlines()
    assert [line.split("\t")[0].split()[0] for line in shown] == ["compact", "imagebind-huge", "small"]
    assert "non-commercial" in shown[1]


def test_a_licence_that_nobody_accepted_lets_nothing_be_fetched(tmp_path: Path, host: Host) -> None:
    done = bindsearch(tmp_path, "models", "pull", "small")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Example Licence (non-commercial)" in done.stderr
    assert b"--yes" in done.stderr
    assert host.requests == []


def test_a_model_is_pulled_over_a_broken_link_verified_and_removed(tmp_path: Path, host: Host) -> None:
    host.cuts = [100_000]
    done = bindsearch(tmp_path, "models", "pull", "small", "--yes")
    assert done.returncode == 0, done.stderr
    assert [span for _, span in host.requests] == [None, "bytes=100000-"]
    (host.folder / "small.pth").unlink()
    assert bindsearch(tmp_path, "models", "pull", "small", "--yes").returncode == 0, "it is there already"
    assert len(host.requests) == 2, "once pulled, a model needs no network"
    verified = bindsearch(tmp_path, "models", "verify", "small")
    assert (verified.returncode, b"verified" in verified.stdout) == (0, True)
    path = tmp_path / "models" / "small" / "text.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    damaged = bindsearch(tmp_path, "models", "verify")
    assert (damaged.returncode, b"damaged" in damaged.stdout) == (3, True)
    assert bindsearch(tmp_path, "models", "remove", "small").returncode == 0
    assert listed(tmp_path)["small"] == "is not installed"


def test_a_corrupted_download_never_becomes_a_model(tmp_path: Path, host: Host) -> None:
    host.flip = 1000
    done = bindsearch(tmp_path, "models", "pull", "small", "--yes")
    assert (done.returncode, b"instead of" in done.stderr) == (2, True)
    assert done.stderr.count(b"Traceback") == 0
    assert listed(tmp_path)["small"] == "is not installed"


def test_a_file_on_disk_is_added(tmp_path: Path, host: Host) -> None:
    other = save(tmp_path / "mine.safetensors")
    refused = bindsearch(tmp_path, "models", "add", "small", other, "--yes")
    assert (refused.returncode, sha256(other).encode() in refused.stderr) == (2, True)
    done = bindsearch(tmp_path, "models", "add", "small", other, "--yes", "--sha256", sha256(other))
    assert done.returncode == 0, done.stderr
    assert listed(tmp_path)["small"] is None
    assert host.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull", "gigantic", "--yes"], b"known: imagebind-huge, small"),
        (["use", "gigantic"], b"gigantic: is not a known space"),
        (["use", "small"], b"'bindsearch models pull small' fetches it"),
        (["verify", "small"], b"is not installed"),
        (["remove", "small"], b"is not installed"),
        (["remove", "compact"], b"is part of bindsearch"),
        (["add", "small", "/no/such/file", "--yes"], b"no such file"),
    ],
)
def test_what_cannot_be_done_says_why(
    tmp_path: Path, host: Host, arguments: list[str], message: bytes
) -> None:
    done = bindsearch(tmp_path, "models", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_using_the_space_that_answers_changes_nothing(tmp_path: Path, host: Host) -> None:
    media, library = tmp_path / "media", tmp_path / "library"
    media.mkdir()
    picture(media / "red.png")
    assert bindsearch(library, "index", media).returncode == 0
    done = bindsearch(library, "models", "use", "compact")
    assert (done.returncode, done.stderr) == (0, b"compact answers searches\n")
    status = json.loads(bindsearch(library, "status", "--json").stdout)
    assert status["active"] == {"answering": "compact", "filling": None, "filled": 0, "fillable": 0}
    found = bindsearch(library, "search", "red", "--paths")
    assert found.stdout == os.fsencode(media / "red.png") + b"\n"
