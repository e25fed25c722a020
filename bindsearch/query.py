"""The query language: a sum of words and files, such as ``photo.jpg + "at night" - 0.5*"people"``.

A query is a row of terms. ``+`` and ``-`` are operators only where they stand alone, with space on both
sides, so that file names and hyphened words need no quotes. A term is one of

    bare words        a dog on the beach       one text term, words joined by single spaces
    quoted words      "at night", 'at night'   always text; a backslash keeps a quote or a backslash
    a file            photo.jpg, ~/a/b.mp4     when one of that name is there
    a marked term     text:photo.jpg           takes the kind from its mark: text: or file:

and may carry a weight before everything else: ``0.5*"people"``. A bare term that looks like a path but
names no file is refused rather than searched for as words.

A list of arguments, as a shell hands them over with the quotes already gone, follows the same rules word
by word, but an argument that holds spaces or names a file is never cut: ``a - b.jpg`` given as one argument
is that file. A list of one argument is an expression, unless it names a file.

``str(query)`` is an expression that parses to the same query.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from bindsearch.errors import QueryError

# What makes an absent name a mistyped file rather than a word; reading files goes by their content.
MEDIA_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff"),
        ".webp",
        *(".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"),
        *(".aac", ".aiff", ".amr", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"),
        *(".exr", ".npy", ".npz", ".pfm"),
        *(".csv", ".json", ".log", ".md", ".parquet", ".rst", ".tsv", ".txt"),
    }
)

_WEIGHT = re.compile(r"([+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan))\*", re.ASCII | re.IGNORECASE)
_MARK = re.compile(r"(text|file):")
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\])""")


class TermKind(StrEnum):
    """What a term's value is: words, or the path of a file."""

    TEXT = "text"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: ``weight`` is finite and not zero, negative where the term is taken away."""

    weight: float
    kind: TermKind
    value: str

    def __str__(self) -> str:
        mark = "file:" if self.kind is TermKind.FILE else ""
        factor = abs(self.weight)
        return f"{'' if factor == 1 else f'{factor!r}*'}{mark}{_quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Query:
    """A sum of terms, at least one of them positive."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        first, *rest = self.terms
        signed = [f"- {term}" if term.weight < 0 else f"+ {term}" for term in rest]
        return " ".join(["- " * (first.weight < 0) + str(first), *signed])


@dataclass(frozen=True, slots=True)
class _Word:
    """One word as written; ``whole`` tells an argument that must not be taken apart."""

    position: int
    value: str
    weight: float | None
    mark: TermKind | None
    quoted: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class _Operator:
    position: int
    sign: int


_Token = _Word | _Operator


def parse_query(expression: str | Sequence[str]) -> Query:
    """The query that ``expression``, a string or a list of shell arguments, stands for.

    Names of files are looked up relative to the current folder. Raises QueryError, naming the place,
    for everything that is not a query.
    """
    source = _Source(expression)
    terms = tuple(source.terms())
    if not terms:
        raise QueryError("the query is empty", hint='write what you look for, as in "a dog on the beach"')
    if all(term.weight < 0 for term in terms):
        raise QueryError(
            "every term is taken away, so nothing is left to look for",
            subject=source.shown,
            hint="add a term to start from, as in beach - people",
        )
    return Query(terms)


class _Source:
    """An expression while it is read: cuts it into tokens, and these into terms."""

    def __init__(self, expression: str | Sequence[str]) -> None:
        if not isinstance(expression, str) and len(expression) == 1 and not _is_file(expression[0]):
            expression = expression[0]
        self.arguments = None if isinstance(expression, str) else tuple(expression)
        self.text = expression if isinstance(expression, str) else " ".join(expression)

    @property
    def shown(self) -> str:
        """The expression on one line, cut to a length that fits into a message."""
        line = " ".join(self.text.split())
        return line if len(line) <= 120 else line[:119] + "…"

    def terms(self) -> Iterator[Term]:
        """The terms in order."""
        tokens = self._characters() if self.arguments is None else self._arguments(self.arguments)
        words: list[_Word] = []
        operator: _Operator | None = None
        for token in tokens:
            if isinstance(token, _Word):
                words.append(token)
                continue
            if words:
                yield self._term(operator, words)
            elif operator:
                self._fail(
                    "one operator follows another", token.position, 'to search for the sign, write "-"'
                )
            operator, words = token, []
        if words:
            yield self._term(operator, words)
        elif operator:
            self._fail("nothing follows the operator", operator.position, "put a term after it")

    def _characters(self) -> Iterator[_Token]:
        position = 0
        while position < len(self.text):
            if self.text[position].isspace():
                position += 1
                continue
            token, position = self._token_at(position)
            yield token

    def _token_at(self, start: int) -> tuple[_Token, int]:
        end = start
        while end < len(self.text) and not self.text[end].isspace():
            end += 1
        if (written := self.text[start:end]) in ("+", "-"):
            return _Operator(start, 1 if written == "+" else -1), end
        weight, mark, body = self._prefix(start, end)
        if body < end and self.text[body] in "\"'":
            return self._quoted_word(start, body, weight, mark)
        return _Word(start, self.text[body:end], weight, mark, quoted=False, whole=False), end

    def _quoted_word(
        self, start: int, body: int, weight: float | None, mark: TermKind | None
    ) -> tuple[_Word, int]:
        match = _QUOTED.match(self.text, body)
        if match is None:
            self._fail("this quote is never closed", body, "close it, or use the other kind of quotes")
        if match.end() < len(self.text) and not self.text[match.end()].isspace():
            self._fail("the closing quote touches what follows", match.end() - 1, "put a space after it")
        return _Word(start, _unquote(match), weight, mark, quoted=True, whole=False), match.end()

    def _arguments(self, arguments: Sequence[str]) -> Iterator[_Token]:
        position = 0
        for argument in arguments:
            end = position + len(argument)
            if argument in ("+", "-"):
                yield _Operator(position, 1 if argument == "+" else -1)
            elif argument.strip():
                yield self._argument(argument, position, end)
            position = end + 1

    def _argument(self, argument: str, start: int, end: int) -> _Word:
        if _is_file(argument):
            return _Word(start, argument, None, None, quoted=False, whole=True)
        weight, mark, body = self._prefix(start, end)
        value = self.text[body:end]
        match = _QUOTED.fullmatch(value)
        return _Word(start, _unquote(match) if match else value, weight, mark, bool(match), whole=True)

    def _prefix(self, start: int, end: int) -> tuple[float | None, TermKind | None, int]:
        """Weight and mark before a word, and where the word itself begins."""
        weight, mark = None, None
        if match := _WEIGHT.match(self.text, start, end):
            weight, start = float(match[1]), match.end()
            if not math.isfinite(weight) or weight == 0:
                self._fail("a weight must be a finite number other than 0", match.start(), "as in 0.5*people")
        if match := _MARK.match(self.text, start, end):
            mark, start = TermKind(match[1]), match.end()
        return weight, mark, start

    def _term(self, operator: _Operator | None, words: Sequence[_Word]) -> Term:
        first, *rest = words
        self._check_prefixes(first, rest)
        value = " ".join(word.value for word in words)
        weight = (operator.sign if operator else 1) * (first.weight or 1.0)
        if not value.strip():
            self._fail("there is nothing to look for here", first.position, "write the words right behind it")
        if any(word.quoted for word in words) and first.mark is None:
            self._refuse_files_among(words)
            return Term(weight, TermKind.TEXT, value)
        kind, value = self._kind(first, words, value)
        return Term(weight, kind, value)

    def _kind(self, first: _Word, words: Sequence[_Word], value: str) -> tuple[TermKind, str]:
        if first.mark is TermKind.TEXT:
            return TermKind.TEXT, value
        if (path := _existing(value)) is not None:
            return TermKind.FILE, path
        self._refuse_files_among(words)
        if first.mark is TermKind.FILE or _looks_like_a_path(value):
            missing = "this is a folder, not a file" if _is_folder(value) else "no such file"
            written = f"text:{value}" if first.mark is None else "text: instead of file:"
            raise QueryError(missing, subject=value, hint=f"to search for these words write {written}")
        return TermKind.TEXT, value

    def _check_prefixes(self, first: _Word, rest: Sequence[_Word]) -> None:
        for word in rest:
            if word.weight is not None or word.mark is not None:
                self._fail("a new term begins without an operator", word.position, "put + or - before it")
        if not first.value and rest:
            self._fail("a space follows the weight or mark", first.position, "write the term right behind it")

    def _refuse_files_among(self, words: Sequence[_Word]) -> None:
        """A file next to words is a forgotten operator; a plain word that a file is called by is not."""
        if len(words) < 2:
            return
        for word in words:
            if not word.quoted and _is_file(word.value) and (os.sep in word.value or "." in word.value):
                hint = "put + between them, or quotes around the name to search for it as words"
                self._fail("this file stands next to words", word.position, hint)

    def _fail(self, message: str, position: int, hint: str) -> NoReturn:
        here = " ".join(self.text[position : position + 24].split())
        raise QueryError(f"{message}, at character {position + 1}: {here}", subject=self.shown, hint=hint)


def _existing(value: str) -> str | None:
    """The path that a term stands for, where there is such a file; a name as it is wins over ``~``."""
    if _is_plain_file(value):
        return value
    if value.startswith("~/"):
        expanded = os.path.expanduser(value)  # noqa: PTH111 - pathlib refuses names that a query may hold
        return expanded if _is_plain_file(expanded) else None
    return None


def _is_file(value: str) -> bool:
    return _existing(value) is not None


def _is_plain_file(value: str) -> bool:
    return os.path.exists(value) and not _is_folder(value)  # noqa: PTH110 - never raises


def _is_folder(value: str) -> bool:
    return os.path.isdir(os.path.expanduser(value) if value.startswith("~/") else value)  # noqa: PTH111, PTH112


def _looks_like_a_path(value: str) -> bool:
    spaced = any(character.isspace() for character in value)
    suffix = os.path.splitext(value)[1].lower() in MEDIA_SUFFIXES  # noqa: PTH122
    if value.startswith(("/", "./", "../", "~/")):
        return True
    return (os.sep in value and (suffix or not spaced)) or (suffix and not spaced)


def _quote(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _unquote(match: re.Match[str]) -> str:
    inner = match[1] if match[1] is not None else match[2]
    return _ESCAPE.sub(r"\1", inner)
