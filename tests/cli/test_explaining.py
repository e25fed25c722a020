"""``bindsearch explain``, queries from standard input, and carets below mistakes, as whole processes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bindsearch.cli.standard_input import with_stdin
from bindsearch.errors import QueryError
from bindsearch.query import parse_query
from tests.cli.runner import ROOT, bindsearch
from tests.media import BLUE, GREEN, RED, picture

EXPRESSION = "red.png - 0.5*(a green thing + 2*'a blue thing')"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name, colour in (("red", RED), ("green", GREEN), ("blue", BLUE)):
        picture(folder / f"{name}.png", colour)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """An indexed library; tests of this module only read it."""
    folder = tmp_path_factory.mktemp("library")
    assert bindsearch(folder, "index", media).returncode == 0
    return folder


def piped(library: Path, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A command with ``data`` on its standard input."""
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(library), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bindsearch", *arguments]
    return subprocess.run(command, input=data, capture_output=True, env=environment, cwd=ROOT, timeout=120)


@contextmanager
def stdin_of(monkeypatch: pytest.MonkeyPatch, data: bytes) -> Iterator[io.BytesIO]:
    """Standard input that holds ``data`` while the block lasts."""
    source = io.BytesIO(data)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdin", io.TextIOWrapper(source))
        yield source


def test_the_tree_and_the_shares_are_shown(library: Path, media: Path) -> None:
    done = bindsearch(library, "explain", EXPRESSION, "-k", "2", cwd=media)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    words = [line.split() for line in lines]
    assert words[1][:3] == ["+", "red.png", "1"] and words[1][-4:] == ["file:", "1", "image", "segment"]
    assert words[2] == ["-", "group", "0.5", "a", "group", "of", "2", "terms"]
    assert words[3][:5] == ["+", '"a', "green", 'thing"', "1"] and words[3][-1] == "words"
    assert words[4][4] == "2"
    assert lines[3].startswith("    + ") and lines[2].startswith("  - ")
    heads = [line for line in words if any(word.startswith("@") for word in line)]
    assert all(line[3] == "standing" and float(line[4].strip(",")) for line in heads)
    sums = [line for line in words if line[:1] == ["sum"]]
    assert [line[0] for line in heads] == [line[1] for line in sums]
    assert len(heads) == 2
    assert heads[0][1] == str(media / "red.png")


def test_json_holds_the_same_with_shares_that_add_up(library: Path, media: Path) -> None:
    hits = bindsearch(library, "search", EXPRESSION, "--json", cwd=media).stdout.splitlines()
    done = bindsearch(library, "explain", EXPRESSION, "--json", cwd=media)
    assert done.stdout.count(b"\n") == 1
    found = json.loads(done.stdout)
    assert found["query"] == 'file:"red.png" - 0.5*("a green thing" + 2*"a blue thing")'
    assert [node["kind"] for node in found["nodes"]] == ["file", "group", "text", "text"]
    assert [node["depth"] for node in found["nodes"]] == [0, 0, 1, 1]
    assert [node["weight"] for node in found["nodes"]] == [1, -0.5, 1, 2]
    assert found["nodes"][0]["segments"] == {"image": 1}
    for item, line in zip(found["items"], hits, strict=True):
        hit = json.loads(line)
        assert item["segment_id"] == hit["segment_id"]
        assert item["score"] == pytest.approx(hit["score"], abs=1e-3)
        assert item["shares"][0] + item["shares"][1] == pytest.approx(item["score"], abs=1e-9)
        assert item["shares"][2] + item["shares"][3] == pytest.approx(item["shares"][1], abs=1e-9)


def test_a_file_or_a_segment_may_be_named(library: Path, media: Path) -> None:
    by_path = bindsearch(library, "explain", "a green thing", str(media / "green.png"), "--json")
    item = json.loads(by_path.stdout)["items"][0]
    assert (item["path"], item["segment_id"]) == (str(media / "green.png"), None)
    hits = bindsearch(library, "search", "a green thing", "--json").stdout.splitlines()
    number = next(json.loads(hit)["segment_id"] for hit in hits if b"green.png" in hit)
    by_id = bindsearch(library, "explain", "a green thing", f"@{number}", "--json")
    again = json.loads(by_id.stdout)["items"][0]
    assert (again["path"], again["segment_id"]) == (f"@{number}", number)
    assert again["score"] == pytest.approx(item["score"], abs=1e-3)


def test_a_query_without_hits_is_explained_all_the_same(library: Path) -> None:
    done = bindsearch(library, "explain", "a green thing", "--type", "audio")
    assert (done.returncode, done.stderr) == (1, b"nothing found\n")
    assert b'"a green thing"' in done.stdout


def test_a_file_may_come_over_standard_input(library: Path, media: Path) -> None:
    data = (media / "green.png").read_bytes()
    for expression in ("-", "file:-", "image:- - 0.1*red"):
        done = piped(library, data, "search", expression, "--paths", "-k", "1")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == os.fsencode(media / "green.png") + b"\n"
    explained = json.loads(piped(library, data, "explain", "file:- - 0.1*red", "--json").stdout)
    assert explained["nodes"][0]["value"] == "-"


def test_standard_input_that_holds_nothing_is_refused(library: Path) -> None:
    done = piped(library, b"", "search", "rain + file:-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"nothing comes over standard input, at character 8" in done.stderr


def test_standard_input_is_kept_up_to_a_limit_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    query = parse_query("rain + file:-")
    for size, fits in ((1000, True), (1001, False)):
        with stdin_of(monkeypatch, b"x" * size):
            if fits:
                with with_stdin(query, 1000) as asked:
                    path = asked.stdin
                    assert path is not None and path.read_bytes() == b"x" * size
                    assert list(path.parent.iterdir()) == [path]
                assert not path.parent.exists()
            else:
                with (
                    pytest.raises(QueryError, match="more than 1,000 bytes") as caught,
                    with_stdin(query, 1000),
                ):
                    pass
                assert caught.value.position == 7


def test_a_query_that_does_not_ask_for_it_leaves_standard_input_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stdin_of(monkeypatch, b"for somebody else") as source:
        with with_stdin(parse_query("rain")) as asked:
            assert asked.stdin is None
        assert source.read() == b"for somebody else"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["search", "dog + (cat - "], ["  dog + (cat -", "             ^"]),
        (["search", "dog", "+", "(", "cat"], ["  dog + ( cat", "        ^"]),
        (["explain", "猫 + @99999"], ["  猫 + @99999", "       ^"]),
        (["search", "red - red"], ["  red - red", "  ^"]),
    ],
)
def test_a_caret_stands_below_the_mistake(library: Path, arguments: list[str], shown: list[str]) -> None:
    done = bindsearch(library, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    message, *lines = done.stderr.decode().splitlines()
    assert message.startswith("bindsearch: ")
    assert lines == shown
