"""Options declared once as a dataclass and shared by commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from bindsearch.cli.options import expanded


@dataclass(frozen=True)
class Size:
    """Two options."""

    width: Annotated[int, typer.Option("--width", "-w", min=1, help="How wide.")] = 3
    names: Annotated[list[str] | None, typer.Option("--name", help="A name.")] = None


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @expanded
    def draw(word: str, size: Size, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
        """Draw a word."""
        typer.echo(f"{word} {size} {loud}")

    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_every_field_is_an_option_and_arrives_as_one_value() -> None:
    code, said = run("x", "-w", "5", "--name", "a", "--name", "b", "--loud")
    assert (code, said) == (0, f"x {Size(5, ['a', 'b'])} True\n")


def test_options_that_are_not_given_have_the_defaults_of_the_fields() -> None:
    assert run("x") == (0, f"x {Size()} False\n")


def test_checks_and_help_are_those_of_the_fields() -> None:
    assert run("x", "--width", "0")[0] == 2
    said = run("--help")[1]
    assert "--width" in said and "How wide." in said and "Draw a word." in said and "size" not in said
