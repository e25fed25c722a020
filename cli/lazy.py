"""A group of commands of which only the one that is called is imported.

Importing every command to print their names would double the time of ``bindsearch --help``, so names and
first lines stand in a table; a test holds it against the commands' own docstrings.
"""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

# Name, where it lives, the first line of its help.
COMMANDS = {
    "index": ("indexing:index", "Take folders into the library, or bring it up to date."),
    "watch": (
        "watching:watch",
        "Keep the library up to date as files change, and answer searches meanwhile.",
    ),
    "service": ("service:app", "Run the daemon in the background, and see what it does."),
    "search": ("searching:search", "Find moments by words, by a file, or by a sum of both."),
    "explain": ("explaining:explain", "Show how a query is understood, and why its hits score as they do."),
    "classify": (
        "classifying:classify",
        "Tell which of some labels files fit, from the labels' words alone.",
    ),
    "tag": ("tagging:tag", "Give files tags: by the words of labels, or by a few examples of each."),
    "tags": ("tagging:app", "List, give, take away and rename tags by hand."),
    "locate": (
        "locating:locate",
        "Mark where in a picture, or when in a film or a recording, a query is.",
    ),
    "inspect": (
        "inspecting:inspect",
        "Show what indexing would make of files: what they are, what is in them.",
    ),
    "status": ("overview:status", "Show what the library holds, and what its daemon does."),
    "failures": ("overview:failures", "List the files that could not be taken in, with the reason."),
    "roots": ("overview:roots", "List the roots: the folders that the library watches."),
    "forget": ("forgetting:forget", "Take paths out of the library. Files on disk are never touched."),
    "verify": (
        "upkeep:verify",
        "Check the catalog, vectors, words and vector indexes against each other.",
    ),
    "repair": ("upkeep:repair", "Put right what 'bindsearch verify' finds, as far as that loses nothing."),
    "compact": ("upkeep:compact", "Give room that the library does not use back to the disk."),
    "backup": ("upkeep:backup", "Write the library to one file, while it is used."),
    "restore": ("upkeep:restore", "Put the library that a backup holds in force."),
    "bind": ("binding:bind", "Teach a space a sense: files of one kind, by what belongs to them."),
    "models": ("models:app", "List, fetch, check and choose models."),
    "eval": ("evaluating:app", "Measure how well a space finds and names files whose content is known."),
}

STYLE: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class LazyGroup(TyperGroup):
    """The commands of COMMANDS, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order in which they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        target = getattr(importlib.import_module(f"bindsearch.cli.{module}"), attribute)
        if isinstance(target, typer.Typer):
            command = typer.main.get_command(target)
        else:
            single = typer.Typer(add_completion=False, **STYLE)
            single.command(cmd_name)(target)
            command = typer.main.get_command(single)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in ``--help``, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])
