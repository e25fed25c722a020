"""Help and documents keep up with the program: every command is documented and shows an example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def commands() -> dict[str, Any]:
    """Every command by what is typed after ``bindsearch``, those of groups too."""
    import typer

    from bindsearch.cli.main import app

    def below(group: Any, words: str) -> Iterator[tuple[str, Any]]:
        for name in group.list_commands(None):
            child, path = group.get_command(None, name), f"{words} {name}".strip()
            if hasattr(child, "list_commands"):
                yield from below(child, path)
            else:
                yield path, child

    return dict(below(typer.main.get_command(app), ""))


def help_of(*words: str) -> str:
    """The help as a person sees it, from the real program."""
    done = subprocess.run(
        [sys.executable, "-m", "bindsearch", *words, "--help"],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_first_version_has_its_commands() -> None:
    assert {"index", "search", "status", "failures", "roots", "forget", "models"} <= {
        words.partition(" ")[0] for words in commands()
    }


def test_every_command_shows_an_example_in_its_help() -> None:
    without = []
    for words in commands():
        example = help_of(*words.split()).partition("Example")[2]
        if f"bindsearch {words}" not in example:
            without.append(words)
    assert without == []


def test_every_command_has_a_summary_that_the_list_shows() -> None:
    overview = help_of()
    silent = [words for words, command in commands().items() if not command.get_short_help_str(200)]
    assert silent == []
    assert [words for words in commands() if words.split()[0] not in overview] == []


def test_the_list_of_commands_says_what_their_own_help_says() -> None:
    from bindsearch.cli.lazy import COMMANDS

    for name, (_, line) in COMMANDS.items():
        assert f"\n  {line}\n" in help_of(name)


def test_every_command_appears_in_the_documents() -> None:
    prose = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert [words for words in commands() if f"bindsearch {words}" not in prose] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_within_the_project_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_make_targets_that_are_named_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`|^ *make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE))
    assert {first or second for first, second in named} <= targets


def test_the_changelog_is_headed_by_what_is_not_yet_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
