"""Pointing: an expression on one line, and a caret below the place that an error is about."""

from __future__ import annotations

import unicodedata

from bindsearch.cli.common import printable

BEFORE, BEHIND = 60, 40  # characters that are shown of a long expression, around the place
_CUT = "…"
_INDENT = "  "


def point(expression: str, position: int) -> str:
    """Two lines: ``expression``, and a caret below its character at ``position`` (from 0, or the end)."""
    first = position - BEFORE if position > BEFORE + 1 else 0
    last = position + BEHIND if len(expression) > position + BEHIND + 1 else len(expression)
    before = _CUT * bool(first) + _shown(expression[first:position])
    behind = _shown(expression[position:last]) + _CUT * (last < len(expression))
    return f"{_INDENT}{before}{behind}".rstrip() + f"\n{_INDENT}{' ' * _columns(before)}^"


def _shown(text: str) -> str:
    return "".join(" " if character.isspace() else printable(character) for character in text)


def _columns(text: str) -> int:
    """How wide a terminal draws ``text``: signs of East Asia are two columns, marks upon letters none."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
