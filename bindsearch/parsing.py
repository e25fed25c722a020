"""Parsers of expressions: an LALR grammar over items that a scanner has cut and named already.

Scanners of ours know what no table of terminals can say, such as which words are files; lark gets their items
as they are, by their names, and hands them on to the rules of the grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lark import Lark, UnexpectedToken


class Item(Protocol):
    """What a scanner cuts: ``name`` is the terminal of the grammar that it is."""

    @property
    def name(self) -> str:
        """The terminal's name."""


def parser(grammar: str, builder: Any) -> Lark:
    """A parser of sequences of items; ``builder`` turns each rule, once it is complete, into its value."""
    from lark import Lark, Token
    from lark.lexer import Lexer

    class Items(Lexer):
        """Hands the items on as they are."""

        def __init__(self, _: Any) -> None:
            """Nothing is to be known of the terminals."""

        def lex(self, items: Any) -> Iterator[Token]:  # type: ignore[override]
            for item in items:
                token = Token(item.name, "")
                token.value = item
                yield token

    return Lark(grammar, parser="lalr", lexer=Items, transformer=builder)


def place_of(fault: UnexpectedToken, items: Sequence[Any]) -> int:
    """Which of ``items`` the parser did not expect; their number where it was the end."""
    return len(items) if fault.token.type == "$END" else items.index(fault.token.value)
