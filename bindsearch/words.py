"""Words as the index of words has them: how names and texts are cut, and what a query looks for.

What is indexed passes through ``words_of_text`` or ``words_of_name`` and then through SQLite's unicode61
tokenizer, which folds case and accents. A query passes through the same two, so both sides always agree. The
index depends on these functions: to change what they return takes a migration that fills it anew.

* Chinese, Japanese kana, Thai, Lao, Khmer and Burmese are written without spaces. Each of their letters is
  a word, and a run of them in a query is a phrase, so that any part of a name or a text is found.
* An emoji is a word of its own. Hangul has spaces and is left as it is.
* In names, words also end where lower case meets upper case and where letters meet digits.
* The index holds words as written. A query finds the other forms of an English word by asking for them, so
  that a phrase in quotes means exactly what it says, and no other language suffers from English rules.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from bindsearch.inflection import forms_of
from bindsearch.query.tree import Group, Part, Query, Term, TermKind

MAX_WORDS = 32  # a query of more is cut; each costs a look into the index

# Thai, Lao, Burmese, Khmer; kana; ideographs of the basic plane and of planes 2 and 3.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd])"
)
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_LOWER = "a-z\u00df-\u00f6\u00f8-\u00ff\u03b1-\u03c9\u0430-\u045f"
_UPPER = "A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0400-\u042f"
_HUMP = re.compile(f"(?<=[{_LOWER}])(?=[{_UPPER}])")
_DIGITS = re.compile(r"(?<=[^\W\d_])(?=[0-9])|(?<=[0-9])(?=[^\W\d_])")
_ACRONYM = re.compile("(?<=[A-Z])(?=[A-Z][a-z])")
_TOKEN = re.compile(r"[^\W_]+")
_WRITTEN = re.compile(r'"([^"]*)"|(\S+)')
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPE = re.compile(r"""\\(["'\\])""")
_SPACE = re.compile(r"\s*")
_POSSESSIVE = re.compile(r"['\u2019]s?(?!\w)", re.IGNORECASE)
_LETTERS = str.maketrans("0123456789", "ghijklmnop")  # names are cut where digits begin
_PREFIXES = re.compile(r"(?:[+-]?[\d.]+(?:e[+-]?\d+)?\*)?(?:text:)?", re.IGNORECASE)

# Words that join others and tell nothing of a moment; asked for only where a query has no others.
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his i in into is it its me my of off on onto or"
        " our out over she so some somebody someone something that the their them there they this to up was"
        " we were what when where which while who with you your",
    )
)


class Kind(StrEnum):
    """How a word is looked for: in any form, literally, or as what others begin with."""

    ANY_FORM = "any form"
    LITERAL = "literal"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a phrase to look for: ``tokens`` follow one another; ``weight`` is above 0, at most 1.

    ``parts`` are what a name would be cut into that is written as this word is, if several.
    """

    tokens: tuple[str, ...]
    kind: Kind = Kind.ANY_FORM
    parts: tuple[str, ...] = ()
    weight: float = field(default=1.0, compare=False)

    @property
    def match(self) -> str:
        """The expression of FTS5 for it. Nothing in it but letters, digits and marks is the user's."""
        phrase = f'"{" ".join(self.tokens)}"'
        if self.kind is Kind.PREFIX:
            return phrase + " *"
        if self.kind is Kind.LITERAL or len(self.tokens) > 1:
            return phrase
        forms = (*forms_of(self.tokens[0]), *([" ".join(self.parts)] if self.parts else []))
        return " OR ".join(f'"{form}"' for form in forms)


@dataclass(frozen=True, slots=True)
class WordQuery:
    """What a query asks of words: those that are ``wanted``, and those whose files are ``unwanted``."""

    wanted: tuple[Word, ...] = ()
    unwanted: tuple[tuple[Word, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted)


NO_WORDS = WordQuery()


def words_of_text(text: str) -> str:
    """``text`` with spaces where words end that have none, ready for the tokenizer."""
    text = unicodedata.normalize("NFC", text.replace("\0", " "))
    return _EMOJI.sub(_named, _UNSPACED.sub(r" \1 ", text))


def words_of_name(name: bytes) -> str:
    """A file's or a folder's name in words; a word that has parts stands at the end once more, whole.

    Bytes that are not UTF-8 end a word.
    """
    tokens = _TOKEN.findall(words_of_text(name.decode("utf-8", "replace")))
    parts = [_parts(token) for token in tokens]
    whole = [token for token, pieces in zip(tokens, parts, strict=True) if len(pieces) > 1]
    return " ".join([piece for pieces in parts for piece in pieces] + whole)


def words_of_path(path: bytes) -> str:
    """The folders of a path in words, without the name at its end."""
    return words_of_name(os.path.dirname(path))  # noqa: PTH120 - bytes


def words_of_query(query: Query, *, exact: bool) -> WordQuery:
    """The words that ``query`` asks for: those of its text terms that are added.

    A word counts by its term's weight against the greatest. With ``exact``, quotes make a phrase, ``birth*``
    asks for a beginning, every word counts, and terms that are taken away name what files must not hold.
    """
    terms = [(sign * weight, term) for sign, weight, term in _leaves(query) if term.kind is TermKind.TEXT]
    heaviest = max((weight for weight, _ in terms), default=1.0)
    wanted: dict[Word, Word] = {}
    unwanted: list[tuple[Word, ...]] = []
    for weight, term in terms:
        found = tuple(_words(_written(query, term) if exact else term.value, exact, weight / heaviest))
        if weight < 0:
            unwanted += [found] if found and exact else []
            continue
        for word in found:
            wanted.setdefault(word, word)
    chosen = list(wanted)[:MAX_WORDS]
    if not exact:
        chosen = [word for word in chosen if word.tokens[0] not in COMMON or len(word.tokens) > 1] or chosen
    return WordQuery(tuple(chosen), tuple(unwanted))


def words_of_string(text: str, *, exact: bool = False) -> WordQuery:
    """The words of ``text``, of which no sign but quotes and ``*`` (with ``exact``) has a meaning."""
    return words_of_query(Query((Term(1.0, TermKind.TEXT, text),)), exact=exact)


def tokens_of(text: str) -> tuple[str, ...]:
    """The words of ``text`` in lower case, in their order, as the index would have them."""
    return tuple(token.lower() for token in _TOKEN.findall(words_of_text(text)))


def _named(emoji: re.Match[str]) -> str:
    return f" emoji{ord(emoji[0]):x} ".translate(_LETTERS)


def _parts(token: str) -> list[str]:
    return _DIGITS.sub(" ", _ACRONYM.sub(" ", _HUMP.sub(" ", token))).split()


def _leaves(query: Query) -> Iterator[tuple[int, float, Term]]:
    """Every term with the sign and the weight that the groups around it leave it."""
    waiting: list[tuple[int, float, Part]] = [(1, 1.0, part) for part in reversed(query.terms)]
    while waiting:
        sign, weight, part = waiting.pop()
        sign, weight = sign if part.weight > 0 else -sign, weight * abs(part.weight)
        if isinstance(part, Group):
            waiting += [(sign, weight, inner) for inner in reversed(part.parts)]
        else:
            yield sign, weight, part


def _words(text: str, exact: bool, weight: float) -> Iterator[Word]:
    for match in _WRITTEN.finditer(text):
        quoted, bare = match[1], match[2]
        if quoted is not None and not exact:
            yield from _words(quoted, exact, weight)
            continue
        tokens = tokens_of(_POSSESSIVE.sub("", bare) if quoted is None else quoted)
        if not tokens:
            continue
        kind = Kind.ANY_FORM if quoted is None else Kind.LITERAL
        if exact and quoted is None and bare.endswith("*"):
            kind = Kind.PREFIX
        parts = _parts(bare.strip("_")) if kind is Kind.ANY_FORM and len(tokens) == 1 else []
        cut = tuple(part.lower() for part in parts) if len(parts) > 1 and _TOKEN.fullmatch(bare) else ()
        yield Word(tokens, kind, cut, min(max(abs(weight), 1e-3), 1.0))


def _written(query: Query, term: Term) -> str:
    """A term's value, in which what the expression has in quotes is in double quotes again."""
    expression, value = query.expression, term.value
    if expression is None or term.position is None:
        return value
    at = _PREFIXES.match(expression, term.position).end()  # type: ignore[union-attr]  # it matches nothing, too
    rest, written = value, []
    while rest:
        at = _SPACE.match(expression, at).end()  # type: ignore[union-attr]
        quoted = _QUOTED.match(expression, at)
        inner = _ESCAPE.sub(r"\1", quoted[1] or quoted[2] or "") if quoted else ""
        if quoted and inner and '"' not in inner and (rest + " ").startswith(inner + " "):
            piece, at = f'"{inner}"', quoted.end()
            rest = rest[len(inner) + 1 :]
        else:
            piece = rest.split(" ", 1)[0]
            if not expression.startswith(piece, at):
                return value
            at, rest = at + len(piece), rest[len(piece) + 1 :]
        written.append(piece)
    return " ".join(written)
