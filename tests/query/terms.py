"""Short ways to write terms and groups in tests."""

from __future__ import annotations

from bindsearch.modality import Modality
from bindsearch.query import Group, Part, Span, Term, TermKind


def text(value: str, weight: float = 1.0) -> Term:
    return Term(weight, TermKind.TEXT, value)


def file(
    value: str,
    weight: float = 1.0,
    modality: Modality | None = None,
    span: tuple[float, float] | None = None,
) -> Term:
    return Term(weight, TermKind.FILE, value, modality, Span(*span) if span else None)


def segment(number: int, weight: float = 1.0) -> Term:
    return Term(weight, TermKind.SEGMENT, str(number))


def group(*parts: Part, weight: float = 1.0) -> Group:
    return Group(weight, parts)
