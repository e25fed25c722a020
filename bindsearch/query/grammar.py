"""The grammar: items to a tree, by an LALR parser that lark builds from the few lines below.

A query of one term needs no parser, and so does not wait for lark; the others do, for some 60 ms once in
a process. The parser is a machine with a stack of its own, so nesting may be as deep as memory allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from bindsearch.errors import QueryError
from bindsearch.parsing import parser, place_of
from bindsearch.query.files import is_file
from bindsearch.query.meaning import term_of
from bindsearch.query.scanner import Close, Item, Open, Scanner, Sign, Word
from bindsearch.query.tree import STDIN, Group, Part, Query, Term, TermKind

if TYPE_CHECKING:
    from lark import Lark

GRAMMAR = """
start: sum
sum: SIGN? part (SIGN part)*
?part: term | group
group: OPEN sum CLOSE
term: WORD+

%declare SIGN OPEN CLOSE WORD
"""

_EXAMPLE = 'write what you look for, as in "a dog on the beach"'


def parse_query(expression: str | Sequence[str]) -> Query:
    """The query that ``expression``, a string or a list of shell arguments, stands for.

    Names of files are looked up relative to the current folder. Raises QueryError, with its position, for
    everything that is not a query.
    """
    if not isinstance(expression, str) and len(expression) == 1 and not is_file(expression[0]):
        expression = expression[0]
    arguments = None if isinstance(expression, str) else tuple(expression)
    text = expression if isinstance(expression, str) else " ".join(expression)
    if text.strip() == STDIN:
        stdin = Term(1.0, TermKind.FILE, STDIN, position=text.index(STDIN))
        return Query((stdin,), text)
    try:
        parts = _parse(list(Scanner(text, arguments).items()))
        if all(sign < 0 for sign in _signs(parts)):
            message = "every term is taken away, so nothing is left to look for"
            hint = "add a term to start from, as in beach - people"
            raise QueryError(message, position=parts[0].position, hint=hint)
    except QueryError as fault:
        fault.expression = text
        raise
    return Query(parts, text)


def _parse(items: Sequence[Item]) -> tuple[Part, ...]:
    if not items:
        raise QueryError("the query is empty", hint=_EXAMPLE)
    words = [item for item in items if isinstance(item, Word)]
    if len(words) == len(items):
        return (term_of(words),)

    from lark import UnexpectedToken

    try:
        parts: tuple[Part, ...] = _parser().parse(items)  # type: ignore[assignment]
    except UnexpectedToken as fault:
        raise _misplaced(items, place_of(fault, items)) from None
    return parts


@cache
def _parser() -> Lark:
    return parser(GRAMMAR, _Builder())


class _Builder:
    """Turns each rule of the grammar, once it is complete, into what it stands for."""

    def start(self, children: list[tuple[Part, ...]]) -> tuple[Part, ...]:
        return children[0]

    def sum(self, children: Iterable[Any]) -> tuple[Part, ...]:
        parts: list[Part] = []
        sign = 1
        for child in children:
            if isinstance(child, (Term, Group)):
                parts.append(child if sign > 0 else replace(child, weight=-child.weight))
            else:
                sign = child.value.sign
        return tuple(parts)

    def group(self, children: Any) -> Part:
        opening: Open = children[0].value
        parts: tuple[Part, ...] = children[1]
        if len(parts) > 1:
            return Group(opening.weight, parts, opening.position)
        # One part made unit length again: only its sign is left of its own weight.
        sign = 1.0 if parts[0].weight > 0 else -1.0
        return replace(parts[0], weight=opening.weight * sign)

    def term(self, children: Any) -> Term:
        return term_of([child.value for child in children])


def _signs(parts: Sequence[Part]) -> Iterator[int]:
    """Of every term, whether it is added or taken away in the end."""
    waiting = [(1, part) for part in parts]
    while waiting:
        outer, part = waiting.pop()
        sign = outer if part.weight > 0 else -outer
        if isinstance(part, Group):
            waiting.extend((sign, inner) for inner in part.parts)
        else:
            yield sign


def _misplaced(items: Sequence[Item], at: int) -> QueryError:
    """The error for the item at ``at``, the first that no query could have there; or for the end."""
    item = items[at] if at < len(items) else None
    before = items[at - 1] if at else None
    if isinstance(item, Sign):
        hint = 'to search for the sign, write "-" in quotes'
        return QueryError("one operator follows another", position=item.position, hint=hint)
    if isinstance(before, Sign):
        return QueryError(
            "nothing follows the operator", position=before.position, hint="put a term behind it"
        )
    if isinstance(item, Close) and isinstance(before, Open):
        hint = "write a sum between them"
        return QueryError("there is nothing between the parentheses", position=before.paren, hint=hint)
    if isinstance(item, (Word, Open)):
        hint = "put + or - between them, or quotes around a name that holds parentheses"
        message = "a parenthesis and a term stand side by side without an operator"
        return QueryError(message, position=item.position, hint=hint)
    return _never_closed(items)


def _never_closed(items: Sequence[Item]) -> QueryError:
    waiting: list[Open] = []
    for item in items:
        if isinstance(item, Open):
            waiting.append(item)
        elif isinstance(item, Close):
            waiting.pop()
    hint = "put ) behind the group's last term"
    return QueryError("this parenthesis is never closed", position=waiting[-1].paren, hint=hint)
