"""Whole runs of ``python -m bindsearch.evaluation`` on a small folder, with the shipped encoder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bindsearch.evaluation.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
PHOTOS = {
    "cat": (skimage.data.chelsea, "a cat looks at the camera | a close-up of a ginger cat"),
    "cup of coffee": (skimage.data.coffee, "a cup of coffee on a table | espresso with a spoon"),
    "camera": (skimage.data.camera, "a man with a camera on a tripod | a photographer outdoors"),
}
COLUMNS = ("file", "modality", "pair_id", "split", "label", "captions")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three photos with captions and labels, all in the split ``test``."""
    folder = tmp_path_factory.mktemp("photos")
    rows = []
    for label, (load, captions) in PHOTOS.items():
        pixels = np.asarray(load())
        Image.fromarray(pixels).convert("RGB").save(folder / f"{label}.jpg")
        rows.append((f"{label}.jpg", "image", label, "test", label, captions))
    return write(folder / "manifest.csv", rows)


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def retrieval(manifest: Path, source: str = "text", target: str = "image", *more: str) -> list[str]:
    return ["retrieval", "--manifest", str(manifest), "--from", source, "--to", target, *more]


def zeroshot(manifest: Path, modality: str = "image", *more: str) -> list[str]:
    return ["zeroshot", "--manifest", str(manifest), "--modality", modality, *more]


def test_retrieval_measures_both_directions(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(retrieval(manifest, "text", "image", "--json")) == 0
    there, back = json.loads(capsys.readouterr().out)["directions"]
    assert (there["source"], there["queries"], there["items"]) == ("text", 6, 3)
    assert (back["source"], back["queries"], back["items"]) == ("image", 3, 6)
    assert there["recall_at_5"] == back["recall_at_10"] == 1.0
    assert there["recall_at_1"] >= 0.5
    assert 1 <= there["median_rank"] <= 3


def test_the_way_back_is_the_way_there_turned_round(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(retrieval(manifest, "text", "image", "--json"))
    main(retrieval(manifest, "image", "text", "--json"))
    first, second = (json.loads(line)["directions"] for line in capsys.readouterr().out.splitlines())
    assert first == second[::-1]


def test_zeroshot_classifies_among_the_labels(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(zeroshot(manifest, "image", "--json")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["items"], figures["classes"], figures["modality"]) == (3, 3, "image")
    assert figures["top_1"] == pytest.approx(1.0)
    assert figures["space"].startswith("compact-")


def test_without_json_there_is_a_table(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(retrieval(manifest)) == 0
    first, second = capsys.readouterr(), main(zeroshot(manifest))
    names = [line.split("|")[1].strip() for line in first.out.splitlines()[2:]]
    assert names == ["text to image", "by chance", "image to text", "by chance"]
    assert second == 0
    assert capsys.readouterr().out.splitlines()[2].split("|")[1:4] == [" image     ", "     3 ", "       3 "]
    assert first.err.splitlines() == ["texts: 6 of 6 embedded", "image of test: 3 of 3 embedded"]


def test_a_row_without_captions_is_only_never_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for name, captions in (("cat", "a cat"), ("coffee", ""), ("rocket", "a rocket")):
        load = {"cat": skimage.data.chelsea, "coffee": skimage.data.coffee, "rocket": skimage.data.rocket}[
            name
        ]
        Image.fromarray(load()).save(tmp_path / f"{name}.png")
        rows.append((f"{name}.png", "image", name, "test", "", captions))
    assert main(retrieval(write(tmp_path / "manifest.csv", rows), "text", "image", "--json")) == 0
    there, back = json.loads(capsys.readouterr().out)["directions"]
    assert (there["queries"], there["items"]) == (2, 3)
    assert (back["queries"], back["items"]) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (retrieval(Path("nowhere/manifest.csv")), "no such manifest"),
        (zeroshot(Path("nowhere/manifest.csv")), "no such manifest"),
        (zeroshot(Path("x"), "smell"), "smell: is not a modality (one of image,"),
        (retrieval(Path("x"), "text", "text"), "needs two modalities"),
        (zeroshot(Path("x"), "image", "--space", "imagebind-huge"), "imagebind-huge: is not installed"),
        (
            zeroshot(Path("x"), "image", "--space", "vast"),
            "vast: is not a known space (known: compact, imagebind-huge)",
        ),
    ],
)
def test_a_wrong_question_is_one_line_and_exit_code_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert_one_line(capsys, reason)


@pytest.mark.parametrize(
    ("row", "command", "reason"),
    [
        (
            ("a.jpg", "image", "a", "train", "cat", "a cat"),
            "zeroshot",
            "has no image in split 'test' (it has image in train)",
        ),
        (("a.jpg", "image", "a", "test", "", "a cat"), "zeroshot", "needs two labels or more"),
        (("a.jpg", "image", "a", "test", "cat", ""), "retrieval", "has no captions"),
        (("a.jpg", "image", "a", "test", "cat", "a cat"), "retrieval", "a.jpg: "),
    ],
)
def test_a_manifest_that_cannot_serve_is_one_line_and_exit_code_2(
    tmp_path: Path, row: tuple[str, ...], command: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "manifest.csv", [row])
    assert main(retrieval(path) if command == "retrieval" else zeroshot(path)) == 2
    assert_one_line(capsys, reason)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"name,kind\na,b\n",
        b"file,modality,split\na.jpg,image\n",
        b"file,modality,split\na\0.jpg,image,test\n",
        b"file,modality,split,label\n,image,test,a\n,image,test,b\n",
    ],
)
def test_a_file_that_is_no_manifest_is_one_line(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    assert main(zeroshot(path)) == 2
    assert_one_line(capsys, f"error: {tmp_path}")


def assert_one_line(capsys: pytest.CaptureFixture[str], reason: str) -> None:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err
    *progress, error = captured.err.splitlines()
    assert error.startswith("error: ")
    assert all(line.endswith(" embedded") for line in progress)


@pytest.mark.parametrize("command", [[], ["retrieval"], ["zeroshot"], ["fewshot"]])
def test_help_has_an_example_and_loads_nothing_heavy(command: list[str]) -> None:
    program = (
        "import sys\n"
        "from bindsearch.evaluation.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'onnxruntime', 'PIL', 'torch') if name in sys.modules])\n"
    )
    arguments = [sys.executable, "-c", program, *command, "--help"]
    run = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert "python -m bindsearch.evaluation" in run.stdout
    assert "Example" in run.stdout
    assert run.stdout.endswith("[]\n")
