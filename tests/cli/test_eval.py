"""``bindsearch eval`` as whole processes: the same command as ``python -m bindsearch.evaluation``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.runner import ROOT, bindsearch
from tests.evaluation.folders import rooms


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain pictures of three colours, two of each in either split."""
    return rooms(tmp_path_factory.mktemp("rooms"), splits=("train", "test"))


def module(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """The same question asked of the other program."""
    command = [sys.executable, "-m", "bindsearch.evaluation", *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=120)


@pytest.mark.parametrize(
    "question",
    [
        ("retrieval", "--from", "text", "--to", "image"),
        ("zeroshot", "--modality", "image", "--template", "the colour {}"),
        ("fewshot", "--modality", "image", "--shots", "1", "--draws", "2"),
    ],
)
def test_both_programs_give_the_same_figures(
    tmp_path: Path, manifest: Path, question: tuple[str, ...]
) -> None:
    arguments = (*question, "--manifest", manifest, "--json")
    mine, other = bindsearch(tmp_path, "eval", *arguments), module(*arguments)
    assert (mine.returncode, other.returncode) == (0, 0)
    assert mine.stdout == other.stdout
    assert json.loads(mine.stdout)["command"] == question[0]
    assert mine.stderr.splitlines() == other.stderr.splitlines() != []


def test_quiet_leaves_progress_out(tmp_path: Path, manifest: Path) -> None:
    done = bindsearch(tmp_path, "-q", "eval", "zeroshot", "--manifest", manifest, "--modality", "image")
    assert done.returncode == 0
    assert done.stdout.startswith(b"|")
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("zeroshot", "--manifest", "nowhere.csv", "--modality", "image"), b"nowhere.csv: no such manifest"),
        (("zeroshot", "--manifest", "x", "--modality", "smell"), b"smell: is not a modality"),
        (("fewshot", "--manifest", "x", "--modality", "image", "--space", "vast"), b"vast: is not a known"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], reason: bytes
) -> None:
    done = bindsearch(tmp_path, "eval", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"bindsearch: " + reason)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("retrieval", "--manifest", "x", "--from", "text"),
        ("fewshot", "--manifest", "x", "--modality", "image", "--shots", "0"),
        ("zeroshot", "--manifest", "x", "--modality", "image", "--limit", "many"),
        ("guess",),
        (),
    ],
)
def test_a_question_that_is_not_understood_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = bindsearch(tmp_path, "eval", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"sage: " in done.stderr


def test_help_is_the_evaluations_own_and_loads_nothing_slow(tmp_path: Path) -> None:
    done = bindsearch(tmp_path, "eval", "fewshot", "--help")
    assert done.returncode == 0
    assert b"usage: bindsearch eval fewshot" in done.stdout
    assert b"--train-split" in done.stdout
    program = (
        "import sys\n"
        "from bindsearch.cli.main import app\n"
        "try: app(['eval', 'fewshot', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'onnxruntime', 'PIL', 'torch') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert run.stdout.endswith(b"[]\n")
