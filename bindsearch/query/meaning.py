"""The meaning of a term: which words are text, which name a file or a part of one, which is a segment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence

from bindsearch.errors import QueryError
from bindsearch.modality import Modality
from bindsearch.query.files import existing, is_file, is_folder, looks_like_a_path
from bindsearch.query.scanner import Word
from bindsearch.query.tree import STDIN, Span, Term, TermKind

_SEGMENT = re.compile(r"@([0-9]{1,18})")
_SEGMENT_SPAN = re.compile(r"@[0-9]+\[.*\]")
_SPAN = re.compile(r"(?P<name>.+)\[(?P<inner>[^\[\]]*)\]", re.DOTALL)
_TIME = re.compile(r"(?:(?:([0-9]+):)?([0-9]+):)?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)")

_SPAN_HINT = "write it as in clip.mp4[1:20-1:25.5] or clip.mp4[80-85.5]"


def term_of(words: Sequence[Word]) -> Term:
    """The term that a row of words stands for, its weight as written.

    Names of files are looked up relative to the current folder. Raises QueryError with the position.
    """
    first = words[0]
    _check_prefixes(words)
    value = " ".join(word.value for word in words)
    if not value.strip():
        hint = "write the words right behind it"
        raise QueryError("there is nothing to look for here", position=first.position, hint=hint)
    weight = 1.0 if first.weight is None else first.weight
    if first.mark == TermKind.TEXT:
        return Term(weight, TermKind.TEXT, value, position=first.position)
    if first.mark is None:
        if any(word.quoted for word in words):
            _refuse_others_among(words)
            return Term(weight, TermKind.TEXT, value, position=first.position)
        if segment := _segment(words):
            return Term(weight, TermKind.SEGMENT, segment, position=first.position)
    return _file(words, value, weight) or _text(words, value, weight)


def _segment(words: Sequence[Word]) -> str | None:
    """The id, where the words are one and name a segment."""
    first = words[0]
    if len(words) > 1:
        return None
    if _SEGMENT_SPAN.fullmatch(first.value):
        hint = "it is a span already; write the file's name to choose another"
        position = first.body + first.value.index("[")
        raise QueryError("a segment cannot be cut", position=position, hint=hint)
    match = _SEGMENT.fullmatch(first.value)
    return str(int(match[1])) if match else None


def _file(words: Sequence[Word], value: str, weight: float) -> Term | None:
    first = words[0]
    inner = words[-1].span
    path = _path(value, first.mark)
    if path is None and inner is None and (match := _SPAN.fullmatch(value)):
        path, inner = _path(match["name"], first.mark), match["inner"]
    if path is None:
        return None
    modality = None if first.mark in (None, TermKind.FILE) else Modality(first.mark)
    span = None if inner is None else _span(inner, words[-1].end - 1 - len(inner))
    return Term(weight, TermKind.FILE, path, modality, span, first.position)


def _path(name: str, mark: str | None) -> str | None:
    return STDIN if mark is not None and name == STDIN else existing(name)


def _text(words: Sequence[Word], value: str, weight: float) -> Term:
    """Words, unless they are meant for a file that is not there."""
    first = words[0]
    match = _SPAN.fullmatch(value)
    name = value if match is None else match["name"]
    if first.mark is None:
        _refuse_others_among(words)
    if first.mark is not None or looks_like_a_path(value) or looks_like_a_path(name):
        missing = "this is a folder, not a file" if is_folder(value) else "no such file"
        written = f"text:{value}" if first.mark is None else f"text: instead of {first.mark}:"
        hint = f"to search for these words write {written}"
        raise QueryError(missing, subject=name, position=first.body, hint=hint)
    return Term(weight, TermKind.TEXT, value, position=first.position)


def _span(inner: str, begin: int) -> Span:
    """The span that is written between brackets, at ``begin`` of the expression."""
    parts = inner.split("-")
    if len(parts) != 2:
        raise QueryError("a span has a beginning and an end", position=begin, hint=_SPAN_HINT)
    start = _seconds(parts[0], begin)
    end = _seconds(parts[1], begin + len(parts[0]) + 1)
    if not start < end:
        position = begin + len(parts[0]) + 1
        raise QueryError("the span ends before it begins", position=position, hint=_SPAN_HINT)
    return Span(start, end)


def _seconds(text: str, position: int) -> float:
    match = _TIME.fullmatch(text)
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (math.inf,) * 3
    total = 3600 * hours + 60 * minutes + seconds
    if not math.isfinite(total):
        raise QueryError("this is not a time within a file", position=position, hint=_SPAN_HINT)
    return total


def _check_prefixes(words: Sequence[Word]) -> None:
    first, *rest = words
    for word in rest:
        if word.weight is not None or word.mark is not None:
            hint = "put + or - before it"
            raise QueryError("a new term begins without an operator", position=word.position, hint=hint)
    if not first.value and rest:
        hint = "write the term right behind it"
        raise QueryError("a space follows the weight or mark", position=first.body, hint=hint)


def _refuse_others_among(words: Sequence[Word]) -> None:
    """A file next to words is a forgotten operator; a plain word that a file is called by is not."""
    if len(words) < 2:
        return
    for word in words:
        if word.quoted:
            continue
        hint = "put + between them, or quotes around the name to search for it as words"
        if _SEGMENT.fullmatch(word.value):
            raise QueryError("this segment stands next to words", position=word.position, hint=hint)
        if is_file(word.value) and (os.sep in word.value or "." in word.value):
            raise QueryError("this file stands next to words", position=word.position, hint=hint)
