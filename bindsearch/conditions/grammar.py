"""The grammar: characters to a tree, by an LALR parser that lark builds from the few lines below.

Words are cut at space. A parenthesis groups unless it stands inside a value that closes it again: the value
of ``path:photo(1).jpg`` holds both. Quotes belong to a value and stand right behind its colon; in them a
backslash keeps a quote or a backslash. A condition of one fact needs no parser, and does not wait for lark.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bindsearch.conditions.meaning import EXAMPLES, fact
from bindsearch.conditions.tree import Condition, Fact, Key, all_of, any_of, negate
from bindsearch.errors import QueryError
from bindsearch.parsing import parser, place_of

if TYPE_CHECKING:
    from lark import Lark

GRAMMAR = """
start: either
either: both (OR both)*
both: part (AND? part)*
?part: FACT | denied | group
denied: NOT part
group: OPEN either CLOSE

%declare AND OR NOT OPEN CLOSE FACT
"""

_KEY = re.compile(r"([^\s:()\"']+):")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\])""")
_OPERATOR = re.compile(r"(?:and|or|not)(?=[\s()]|$)", re.IGNORECASE)
_OPERATORS = ("AND", "OR", "NOT")
_KEYS = f"the conditions are {', '.join(f'{key}:' for key in Key)}"


@dataclass(frozen=True, slots=True)
class Item:
    """A fact, an operator or a parenthesis, and where it begins; ``fact`` is None of the others."""

    name: str
    position: int
    fact: Fact | None = None


def parse_condition(expression: str) -> Condition:
    """The condition that ``expression`` stands for.

    Raises QueryError, with its position, for anything else.
    """
    try:
        items = list(_items(expression))
        if not items:
            raise QueryError("the condition is empty", hint="write one as in type:image and time:2024")
        first = items[0].fact
        return first if len(items) == 1 and first is not None else _parse(items)
    except QueryError as fault:
        fault.subject = None
        fault.expression = expression
        raise


def _parse(items: Sequence[Item]) -> Condition:
    from lark import UnexpectedToken
    from lark.exceptions import VisitError

    try:
        return _parser().parse(items)  # type: ignore[return-value]
    except UnexpectedToken as fault:
        raise _misplaced(items, place_of(fault, items)) from None
    except (ValueError, VisitError) as fault:
        hint = "take away parentheses, or ask in two steps"
        raise QueryError("this is nested too deeply", position=_deepest(items), hint=hint) from fault


@cache
def _parser() -> Lark:
    return parser(GRAMMAR, _Builder())


class _Builder:
    """Turns each rule of the grammar, once it is complete, into what it stands for."""

    def start(self, children: list[Condition]) -> Condition:
        return children[0]

    def either(self, children: list[Any]) -> Condition:
        return any_of(_conditions(children))

    def both(self, children: list[Any]) -> Condition | None:
        return all_of(_conditions(children))

    def denied(self, children: list[Any]) -> Condition:
        return negate(next(_conditions(children)))

    def group(self, children: list[Any]) -> Condition:
        return next(_conditions(children))


def _conditions(children: Sequence[Any]) -> Iterator[Condition]:
    for child in children:
        if isinstance(child, Condition):
            yield child
        elif child.value.fact is not None:  # a token; those of operators and parentheses bring none
            yield child.value.fact


def _items(text: str) -> Iterator[Item]:
    position, open_groups = 0, 0
    while position < len(text):
        letter = text[position]
        if letter.isspace():
            position += 1
        elif letter in "()":
            open_groups += 1 if letter == "(" else -1
            if open_groups < 0:
                raise QueryError("this parenthesis closes nothing", position=position, hint="take it away")
            yield Item("OPEN" if letter == "(" else "CLOSE", position)
            position += 1
        else:
            item, position = _word(text, position)
            yield item


def _word(text: str, start: int) -> tuple[Item, int]:
    match = _KEY.match(text, start)
    if match is None:
        if operator := _OPERATOR.match(text, start):
            return Item(operator[0].upper(), start), operator.end()
        raise _no_condition(text[start : _end(text, start)], start)
    key = _key(match[1], start)
    begin = match.end()
    quoted = _QUOTED.match(text, begin)
    if quoted is None:
        if text[begin : begin + 1] in ('"', "'"):
            raise QueryError(
                "this quote is never closed", position=begin, hint='close it, or escape it as \\"'
            )
        end = _end(text, begin)
        # A value that is not there is missed behind the colon, a character that can be pointed at.
        return _fact(key, text[begin:end], start, begin - (begin == end)), end
    end = quoted.end()
    if end < len(text) and not text[end].isspace() and text[end] not in "()":
        raise QueryError(
            "the closing quote touches what follows", position=end - 1, hint="put a space behind it"
        )
    value = quoted[1] if quoted[1] is not None else quoted[2]
    return _fact(key, _ESCAPE.sub(r"\1", value), start, begin), end


def _end(text: str, start: int) -> int:
    """Where a word without quotes ends: before space, or a parenthesis that it has not opened."""
    depth = 0
    for at in range(start, len(text)):
        if text[at].isspace():
            return at
        depth += (text[at] == "(") - (text[at] == ")")
        if depth < 0:
            return at
    return len(text)


def _key(name: str, position: int) -> Key:
    try:
        return Key(name.lower())
    except ValueError:
        alike = difflib.get_close_matches(name.lower(), list(Key), n=1)
        hint = f"did you mean {alike[0]}:?" if alike else _KEYS
        raise QueryError(f"there is no condition {name[:40]}:", position=position, hint=hint) from None


def _no_condition(word: str, position: int) -> QueryError:
    if word.lower() in [*Key]:
        hint = f"write {EXAMPLES[Key(word.lower())]}"
        return QueryError("a colon and a value are missing", position=position, hint=hint)
    return QueryError("this is not a condition", position=position, hint=_KEYS)


def _fact(key: Key, value: str, start: int, begin: int) -> Item:
    try:
        return Item("FACT", start, fact(key, value))
    except QueryError as fault:
        fault.position = begin
        raise


def _misplaced(items: Sequence[Item], at: int) -> QueryError:
    """The error for the item at ``at``, the first that no condition could have there; or for the end."""
    item = items[at] if at < len(items) else None
    before = items[at - 1] if at else None
    if before is not None and before.name in _OPERATORS:
        hint = "put a condition behind it, as in type:image"
        return QueryError(f"nothing follows this {before.name.lower()}", position=before.position, hint=hint)
    if item is not None and item.name == "CLOSE" and before is not None and before.name == "OPEN":
        hint = "put a condition between them"
        return QueryError("there is nothing between the parentheses", position=before.position, hint=hint)
    if item is not None:
        hint = "put a condition before it, as in type:image"
        return QueryError(
            f"nothing stands before this {item.name.lower()}", position=item.position, hint=hint
        )
    waiting: list[int] = []
    for one in items:
        if one.name == "OPEN":
            waiting.append(one.position)
        elif one.name == "CLOSE":
            waiting.pop()
    return QueryError("this parenthesis is never closed", position=waiting[-1], hint="put ) at its end")


def _deepest(items: Sequence[Item]) -> int:
    """Where the most groups are open."""
    depth, deepest, position = 0, 0, items[0].position
    for item in items:
        depth += (item.name == "OPEN") - (item.name == "CLOSE")
        if depth > deepest:
            deepest, position = depth, item.position
    return position
