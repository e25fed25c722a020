"""``classify``, ``tag`` and ``tags`` as whole processes, with the real compact model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import skimage.data

from tests.cli.runner import bindsearch
from tests.media import film, picture

SKIMAGE = Path(skimage.data.__file__).parent


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        shutil.copy(SKIMAGE / name, folder / name)
    (folder / "leaflet.pdf").write_bytes(b"%PDF-1.7\n" + bytes(64))
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, media: Path) -> Path:
    folder = tmp_path_factory.mktemp("library")
    assert bindsearch(folder, "index", media).returncode == 0
    return folder


def test_a_picture_is_classified_without_a_library(tmp_path: Path, media: Path) -> None:
    done = bindsearch(tmp_path / "none", "classify", media, "--labels", "cat,a cup of coffee,a bicycle")
    lines = {line.rpartition("/")[2]: line.split("\t")[0] for line in done.stdout.decode().splitlines()}
    assert done.returncode == 0
    assert lines["chelsea.png"].endswith(" cat")
    assert lines["coffee.png"].endswith(" a cup of coffee")
    assert lines["rocket.jpg"].endswith(" none of these")
    assert done.stderr == b"1 file of kinds that are not read\n"
    assert not (tmp_path / "none").exists()


def test_json_tells_all_and_a_bad_file_costs_one_line(tmp_path: Path, media: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("# animals\ncat\ndog\n")
    files = (media / "leaflet.pdf", media / "chelsea.png", tmp_path / "nowhere.png")
    done = bindsearch(tmp_path, "classify", *files, "--labels-file", labels, "--json", "--top", "1")
    bad, good, missing = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 2
    assert bad["path"] == str(files[0])
    assert missing["path"] == str(files[2])
    assert [one["label"] for one in good["labels"]] == good["fitting"] == ["cat"]
    assert good["measured"] is True
    assert 0 < good["none"] < 0.5


def test_moments_of_a_film_and_text_that_is_only_estimated(tmp_path: Path) -> None:
    shown = film(tmp_path / "a.mp4", [(250, 5, 5), (5, 5, 250)], seconds=3)
    note = tmp_path / "note.txt"
    note.write_text("A cat sleeps on the sofa.\n")
    arguments = ("--labels", "a cat", "--template", "a photo of {}", "--min", "0", "--moments")
    done = bindsearch(tmp_path / "none", "classify", shown, note, *arguments)
    assert done.returncode == 0
    assert b"\t0:00-0:0" in done.stdout
    assert done.stderr == b"probabilities for text in compact are estimated, not measured\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("classify", "x.png"), b"no label to choose from"),
        (("classify", "x.png", "--labels-file", "/nowhere"), b"/nowhere: no such file"),
        (("classify", "x.png", "--labels", "a", "--template", "b"), b"b: has no place for the label"),
        (("tag",), b"give --labels"),
        (("tag", "--labels", "a", "--examples", "a=b"), b"give --labels"),
        (("tag", "--examples", "a"), b"a: is no example"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], reason: bytes
) -> None:
    done = bindsearch(tmp_path / "none", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert reason in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_no_library_is_made_by_tagging(tmp_path: Path) -> None:
    for arguments in (("tag", "--labels", "a"), ("tags", "add", "a", "b"), ("tags", "list")):
        done = bindsearch(tmp_path / "none", *arguments)
        assert done.returncode == 2
        assert b"no library here" in done.stderr
    assert not (tmp_path / "none").exists()


def test_tags_by_words_by_hand_and_by_examples(library: Path, media: Path, tmp_path: Path) -> None:
    done = bindsearch(library, "tag", "--labels", "cat,a bicycle", "--dry-run")
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)
    assert done.stdout.endswith(f"\tcat\t{media / 'chelsea.png'}\n".encode())
    assert done.stderr == b"of 3 files: 1 cat, 0 a bicycle\nnothing was changed\n"
    assert bindsearch(library, "tags", "list").returncode == 1
    assert bindsearch(library, "tag", "--labels", "cat,a bicycle").stdout == b""
    assert bindsearch(library, "tags", "add", "Mine", media / "coffee.png").stderr == b"tagged 1 file\n"
    shown = picture(tmp_path / "shown.png")
    shutil.copy(SKIMAGE / "chelsea.png", shown)
    done = bindsearch(library, "tag", "--examples", f"pet={shown}", "--json")
    assert json.loads(done.stdout)["tag"] == "pet"
    assert b"little else of image is there" in done.stderr
    assert bindsearch(library, "tags", "list").stdout == b"1\tMine\n1\tcat\n1\tpet\n"
    listed = bindsearch(library, "tags", "list", media, "--json").stdout.splitlines()
    assert {json.loads(line)["source"] for line in listed} == {"hand", "words", "examples"}
    found = bindsearch(library, "search", "anything", "--tag", "mine", "--paths")
    assert found.stdout == f"{media / 'coffee.png'}\n".encode()
    assert bindsearch(library, "tags", "rename", "mine", "ours").stderr == b"renamed on 1 file\n"
    assert bindsearch(library, "tags", "remove", "ours").stderr == b"taken from 1 file\n"
    assert bindsearch(library, "tags", "remove", "ours").returncode == 1
