"""The scanner: an expression, or the arguments of a shell, cut into words, signs and parentheses.

What a character is depends on what stands beside it, so that names of files need no quotes: a sign is an
operator between spaces or parentheses only, and a parenthesis groups at the edge of a word only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bindsearch.errors import QueryError
from bindsearch.modality import Modality
from bindsearch.query.files import is_file
from bindsearch.query.tree import TermKind

_WEIGHT = re.compile(r"([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan))\*", re.ASCII | re.IGNORECASE)
_MARK = re.compile(f"({'|'.join([TermKind.FILE, *Modality])}):")  # text: is among the modalities
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\])""")
_BRACKET = re.compile(r"\[[^\[\]\s]*\]")
_RUN = re.compile(r"\S+")
_PAREN = re.compile(r"[()]")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written, from ``position`` to ``end``; it begins at ``body``, behind weight and mark.

    ``span`` is what stands in brackets right behind closing quotes. ``mark`` is file or a modality.
    """

    name: ClassVar[str] = "WORD"
    position: int
    body: int
    end: int
    value: str
    weight: float | None
    mark: str | None
    quoted: bool = False
    span: str | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """An operator."""

    name: ClassVar[str] = "SIGN"
    position: int
    sign: int


@dataclass(frozen=True, slots=True)
class Open:
    """A parenthesis that opens a group, with its weight; it stands at ``paren``."""

    name: ClassVar[str] = "OPEN"
    position: int
    weight: float
    paren: int


@dataclass(frozen=True, slots=True)
class Close:
    """A parenthesis that closes a group."""

    name: ClassVar[str] = "CLOSE"
    position: int


Item = Word | Sign | Open | Close


class Scanner:
    """Cuts ``text`` into items; arguments are given with it, joined by spaces, or None for an expression.

    Raises QueryError with the position for what cannot be one.
    """

    def __init__(self, text: str, arguments: Sequence[str] | None = None) -> None:
        self._text = text
        self._arguments = arguments
        self._depth = 0
        self._inner = dict(_matches(text))

    def items(self) -> Iterator[Item]:
        """The items in order."""
        if self._arguments is None:
            yield from self._run(0, len(self._text))
            return
        position = 0
        for argument in self._arguments:
            end = position + len(argument)
            if is_file(argument) and argument not in ("+", "-"):
                yield Word(position, position, end, argument, None, None)
            elif any(map(str.isspace, argument)):
                if argument.strip():
                    yield self._whole(position, end)
            else:
                yield from self._run(position, end)
            position = end + 1

    def _run(self, position: int, end: int) -> Iterator[Item]:
        while position < end:
            if self._text[position].isspace():
                position += 1
                continue
            item, position = self._item(position, end)
            yield item

    def _item(self, start: int, end: int) -> tuple[Item, int]:
        if self._is_sign(start, end):
            return Sign(start, 1 if self._text[start] == "+" else -1), start + 1
        if self._text[start] == ")" and self._closes(start, end):
            self._depth -= 1
            return Close(start), start + 1
        weight = _WEIGHT.match(self._text, start, end)
        paren = weight.end() if weight else start
        if self._text.startswith("(", paren, end) and self._opens(paren, end):
            self._depth += 1
            return Open(start, self._number(weight) if weight else 1.0, paren), paren + 1
        word = self._word(start, end)
        return word, word.end

    def _is_sign(self, at: int, end: int) -> bool:
        return self._text[at] in "+-" and (
            at + 1 >= end or self._text[at + 1].isspace() or self._text[at + 1] in "()"
        )

    def _is_edge(self, at: int, end: int) -> bool:
        """Whether a word could be over before ``at``."""
        return at >= end or self._text[at].isspace() or self._text[at] in "()" or self._is_sign(at, end)

    def _opens(self, at: int, end: int) -> bool:
        """Whether the parenthesis that a word begins with groups: not if the word goes on behind its pair."""
        pair = self._inner.get(at)
        return pair is None or self._is_edge(pair + 1, end) or self._text[pair + 1] == "*"

    def _closes(self, at: int, end: int) -> bool:
        """Whether the parenthesis without a pair in its word closes a group, or is a letter."""
        edge = self._is_edge(at + 1, end)
        if self._depth and not edge:
            hint = "put a space behind it, or quotes around a name that holds parentheses"
            raise QueryError("the closing parenthesis touches what follows", position=at + 1, hint=hint)
        if edge and not self._depth:
            hint = "to search for the sign, put quotes around it"
            raise QueryError("this parenthesis closes nothing", position=at, hint=hint)
        return self._depth > 0

    def _word(self, start: int, end: int) -> Word:
        weight, mark, body = self._prefix(start, end)
        if body < end and self._text[body] in "\"'":
            quoted = self._quoted(start, body, end, weight, mark)
            if quoted is not None:
                return quoted
        at, depth = body, 0
        while at < end and not self._text[at].isspace():
            if self._text[at] == "(":
                depth += 1
            elif self._text[at] == ")":
                if not depth and self._closes(at, end):
                    break
                depth = max(depth - 1, 0)
            at += 1
        return Word(start, body, at, self._text[body:at], weight, mark)

    def _quoted(self, start: int, body: int, end: int, weight: float | None, mark: str | None) -> Word | None:
        """The quoted word there; None in an argument, where quotes that enclose nothing are letters."""
        match = _QUOTED.match(self._text, body, end)
        if match is None:
            if self._arguments is not None:
                return None
            hint = "close it, or use the other kind of quotes"
            raise QueryError("this quote is never closed", position=body, hint=hint)
        word = self._unquoted(match, start, end, weight, mark)
        if self._is_edge(word.end, end):
            return word
        if self._arguments is not None:
            return None
        hint = "put a space behind it"
        raise QueryError("the closing quote touches what follows", position=word.end - 1, hint=hint)

    def _unquoted(
        self, match: re.Match[str], start: int, end: int, weight: float | None, mark: str | None
    ) -> Word:
        value = _ESCAPE.sub(r"\1", match[1] if match[1] is not None else match[2])
        span = _BRACKET.match(self._text, match.end(), end) if mark not in (None, TermKind.TEXT) else None
        over = span.end() if span else match.end()
        inner = span[0][1:-1] if span else None
        return Word(start, match.start(), over, value, weight, mark, quoted=True, span=inner)

    def _whole(self, start: int, end: int) -> Word:
        """An argument that must not be cut."""
        weight, mark, body = self._prefix(start, end)
        match = _QUOTED.match(self._text, body, end)
        if match is not None:
            word = self._unquoted(match, start, end, weight, mark)
            if word.end == end:
                return word
        return Word(start, body, end, self._text[body:end], weight, mark)

    def _prefix(self, start: int, end: int) -> tuple[float | None, str | None, int]:
        """Weight and mark before a word, and where the word itself begins."""
        weight, mark = None, None
        if match := _WEIGHT.match(self._text, start, end):
            weight, start = self._number(match), match.end()
        if match := _MARK.match(self._text, start, end):
            mark, start = match[1], match.end()
        return weight, mark, start

    def _number(self, match: re.Match[str]) -> float:
        weight = float(match[1])
        if not math.isfinite(weight) or weight == 0:
            hint = "as in 0.5*people"
            message = "a weight must be a finite number other than 0"
            raise QueryError(message, position=match.start(), hint=hint)
        return weight


def _matches(text: str) -> Iterator[tuple[int, int]]:
    """Pairs of parentheses within one word; none in a word with quotes, whose own rules part it."""
    for run in _RUN.finditer(text):
        if "(" not in run[0] or '"' in run[0] or "'" in run[0]:
            continue
        waiting: list[int] = []
        for paren in _PAREN.finditer(text, run.start(), run.end()):
            if paren[0] == "(":
                waiting.append(paren.start())
            elif waiting:
                yield waiting.pop(), paren.start()
