"""House rules that no linter knows: short functions, short files, and words for whoever reads them."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    file for top in ("bindsearch", "index", "ingest", "cli") for file in (ROOT / top).rglob("*.py")
)
LONGEST_FUNCTION = 80
LONGEST_FILE = 400
MEDIAN_FUNCTION = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def lengths(file: Path) -> dict[str, int]:
    """The lines of every function of a file, nested ones too."""
    return {
        f"{shown(file)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, Function)
    }


def test_there_are_modules_to_look_at() -> None:
    assert {shown(file).partition("/")[0] for file in MODULES} == {"bindsearch", "index", "ingest", "cli"}


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_no_function_is_longer_than_a_screen(file: Path) -> None:
    assert {name: lines for name, lines in lengths(file).items() if lines > LONGEST_FUNCTION} == {}


def test_half_of_all_functions_are_a_dozen_lines_or_less() -> None:
    assert statistics.median(lines for file in MODULES for lines in lengths(file).values()) < MEDIAN_FUNCTION


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_no_file_is_too_long_to_hold_in_mind(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_every_module_says_what_it_promises(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_bytes()))


@pytest.mark.parametrize("file", MODULES, ids=shown)
def test_every_public_function_and_class_says_what_it_does(file: Path) -> None:
    silent = [
        node.name
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, Function | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
