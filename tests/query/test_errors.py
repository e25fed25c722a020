"""What is no query is refused, with a caret below the character that is at fault."""

from __future__ import annotations

import pytest

from bindsearch.cli.pointing import point
from bindsearch.errors import QueryError
from bindsearch.query import parse_query

# An expression, a caret below the place at fault, and what is said about it.
REFUSED = [
    (
        "- people",
        "  ^     ",
        "every term is taken away",
    ),
    (
        "(- a - b) - c",
        "^            ",
        "every term is taken away",
    ),
    (
        "dog +",
        "    ^",
        "nothing follows the operator",
    ),
    (
        "(dog - )",
        "     ^  ",
        "nothing follows the operator",
    ),
    (
        "dog + - cat",
        "      ^    ",
        "one operator follows another",
    ),
    (
        "()",
        "^ ",
        "nothing between the parentheses",
    ),
    (
        "dog + 2*( ) ",
        "        ^   ",
        "nothing between the parentheses",
    ),
    (
        "(dog + (cat - b)",
        "^               ",
        "never closed",
    ),
    (
        "dog + 0.5*(cat",
        "          ^   ",
        "this parenthesis is never closed",
    ),
    (
        "dog + (",
        "      ^",
        "this parenthesis is never closed",
    ),
    (
        "(dog + cat)) - b",
        "           ^    ",
        "this parenthesis closes nothing",
    ),
    (
        "dog + cat)",
        "         ^",
        "this parenthesis closes nothing",
    ),
    (
        "(a dog)s",
        "       ^",
        "the closing parenthesis touches what follows",
    ),
    (
        "(a)*2",
        "   ^ ",
        "the closing parenthesis touches what follows",
    ),
    (
        "(a) b",
        "    ^",
        "side by side without an operator",
    ),
    (
        "a dog (b)",
        "      ^  ",
        "side by side without an operator",
    ),
    (
        "(a)(b)",
        "   ^  ",
        "side by side without an operator",
    ),
    (
        'dog + "cat',
        "      ^   ",
        "this quote is never closed",
    ),
    (
        '"dog"cat',
        "    ^   ",
        "the closing quote touches what follows",
    ),
    (
        '"clip.mp4"[1-2]',
        "         ^     ",
        "the closing quote touches what follows",
    ),
    (
        "0*dog",
        "^    ",
        "finite number other than 0",
    ),
    (
        "dog + inf*cat",
        "      ^      ",
        "finite number other than 0",
    ),
    (
        "dog - 0*(cat + b)",
        "      ^          ",
        "finite number other than 0",
    ),
    (
        "1e999*dog",
        "^        ",
        "finite number other than 0",
    ),
    (
        "dog text:cat",
        "    ^       ",
        "without an operator",
    ),
    (
        "dog -0.5*cat",
        "    ^       ",
        "a new term begins without an operator",
    ),
    (
        "0.5* dog",
        "    ^   ",
        "a space follows the weight or mark",
    ),
    (
        'dog - ""',
        "      ^ ",
        "there is nothing to look for here",
    ),
    (
        "dog + (text:)",
        "       ^     ",
        "there is nothing to look for here",
    ),
    (
        "photo.jpg dog",
        "^            ",
        "this file stands next to words",
    ),
    (
        "a dog @12",
        "      ^  ",
        "this segment stands next to words",
    ),
    (
        "dog + unknown.jpg",
        "      ^          ",
        "no such file",
    ),
    (
        "dog + 2*file:cat",
        "             ^  ",
        "no such file",
    ),
    (
        "audio:unknown",
        "      ^      ",
        "no such file",
    ),
    (
        "(a + unknown.mp4[1-2])",
        "     ^                ",
        "no such file",
    ),
    (
        "films/unknown",
        "^            ",
        "no such file",
    ),
    (
        "a + ./films",
        "    ^      ",
        "this is a folder, not a file",
    ),
    (
        "a + @12[1-2]",
        "       ^    ",
        "a segment cannot be cut",
    ),
    (
        "a + my clip.mp4[1:20]",
        "                ^    ",
        "a span has a beginning and an end",
    ),
    (
        "clip.mp4[]",
        "         ^",
        "a span has a beginning and an end",
    ),
    (
        "clip.mp4[1-2-3] + a",
        "         ^         ",
        "a span has a beginning and an end",
    ),
    (
        "clip.mp4[1-two]",
        "           ^   ",
        "this is not a time within a file",
    ),
    (
        'file:"my clip.mp4"[x-2]',
        "                   ^   ",
        "this is not a time within a file",
    ),
    (
        "clip.mp4[20-10]",
        "            ^  ",
        "the span ends before it begins",
    ),
    (
        "clip.mp4[10-10]",
        "            ^  ",
        "the span ends before it begins",
    ),
]


@pytest.mark.parametrize(("expression", "caret", "message"), REFUSED)
def test_an_error_points_at_its_character(expression: str, caret: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(expression)
    error = caught.value
    assert message in error.message
    assert (error.position, error.expression) == (caret.index("^"), expression)
    assert f", at character {caret.index('^') + 1}" in str(error)
    assert error.hint
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["dog", "photo.jpg"], 4),
        (["a dog", "+", "(", "b", "-", ")"], 12),
        (["a dog", "+", "0.5*(", "b"], 12),
        (["a dog", "+", "unknown.jpg"], 8),
    ],
)
def test_in_arguments_an_error_points_into_their_row(arguments: list[str], place: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(arguments)
    assert (caught.value.position, caught.value.expression) == (place, " ".join(arguments))


@pytest.mark.parametrize("expression", ["", " \n", [], ["", ""]])
def test_an_empty_query_has_no_place_to_point_at(expression: str | list[str]) -> None:
    with pytest.raises(QueryError, match="the query is empty") as caught:
        parse_query(expression)
    assert caught.value.position is None


@pytest.mark.parametrize(
    "expression", ["(" * 10_000, "(a + " * 10_000, ")" * 10_000, "(" * 10_000 + ")" * 9_999]
)
def test_however_deep_the_mistake_it_is_found(expression: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(expression)
    assert caught.value.position is not None
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("expression", "position", "shown"),
    [
        ("dog + - cat", 6, "  dog + - cat\n        ^"),
        ("dog +", 5, "  dog +\n       ^"),
        ("猫 + - cat", 4, "  猫 + - cat\n       ^"),
        ("cafe\u0301 + - b", 8, "  cafe\u0301 + - b\n         ^"),
        ("a\nb\t+ - c", 6, "  a b + - c\n        ^"),
        ("a\0 + - c", 5, "  a\\x00 + - c\n          ^"),
        ("\udcff + - c", 4, "  \\udcff + - c\n           ^"),
        ("a" * 200 + " + -", 203, f"  …{'a' * 57} + -\n{' ' * 63}^"),
        ("+ - " + "a" * 200, 2, f"  + - {'a' * 38}…\n    ^"),
    ],
)
def test_a_caret_stands_below_its_character_on_any_terminal(
    expression: str, position: int, shown: str
) -> None:
    assert point(expression, position) == shown
