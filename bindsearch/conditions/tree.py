"""What a condition is: a tree of facts, and its writing as an expression.

Trees are kept plain, so that one meaning has few forms: a conjunction is never directly inside a conjunction,
nor a disjunction inside a disjunction, nor a negation inside a negation; ``all_of``, ``any_of`` and
``negate`` see to that. No tree is deeper than DEEPEST, so that whoever walks one may recurse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

DEEPEST = 60

_BARE = re.compile(r"[\w.,/*?@+~<>=:-]+", re.ASCII)


class Key(StrEnum):
    """What a fact is about."""

    TYPE = "type"
    IN = "in"
    PATH = "path"
    ROOT = "root"
    TIME = "time"
    NEAR = "near"
    DURATION = "duration"
    SIZE = "size"
    CAMERA = "camera"
    FORMAT = "format"
    TAG = "tag"
    HAS = "has"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, ``key:value``; made by ``fact``, which has read the value and found that it can be."""

    key: Key
    value: str
    depth: int = field(default=1, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.key}:{self.value if _BARE.fullmatch(self.value) else _quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Not:
    """Everything that ``part`` does not hold for."""

    part: Fact | All | AnyOf
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.part, Not):
            raise ValueError("a negation of a negation is what it negates")
        object.__setattr__(self, "depth", _deeper([self.part]))

    def __str__(self) -> str:
        return f"not {_enclosed(self.part)}"


@dataclass(frozen=True, slots=True)
class All:
    """What every one of ``parts``, two or more, holds for."""

    parts: tuple[Fact | Not | AnyOf, ...]
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or any(isinstance(part, All) for part in self.parts):
            raise ValueError("a conjunction has two parts or more, none of them a conjunction")
        object.__setattr__(self, "depth", _deeper(self.parts))

    def __str__(self) -> str:
        return " and ".join(map(_enclosed, self.parts))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What at least one of ``parts``, two or more, holds for."""

    parts: tuple[Fact | Not | All, ...]
    depth: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or any(isinstance(part, AnyOf) for part in self.parts):
            raise ValueError("a disjunction has two parts or more, none of them a disjunction")
        object.__setattr__(self, "depth", _deeper(self.parts))

    def __str__(self) -> str:
        return " or ".join(map(_enclosed, self.parts))


Condition = Fact | Not | All | AnyOf


def all_of(conditions: Iterable[Condition | None]) -> Condition | None:
    """Their conjunction; None, which asks for nothing, is passed over, and is what is left of none."""
    flat: list[Fact | Not | AnyOf] = []
    for one in conditions:
        if isinstance(one, All):
            flat.extend(one.parts)
        elif one is not None:
            flat.append(one)
    return All(tuple(flat)) if len(flat) > 1 else flat[0] if flat else None


def any_of(conditions: Iterable[Condition]) -> Condition:
    """The disjunction of one condition or more."""
    flat: list[Fact | Not | All] = []
    for one in conditions:
        if isinstance(one, AnyOf):
            flat.extend(one.parts)
        else:
            flat.append(one)
    return AnyOf(tuple(flat)) if len(flat) > 1 else flat[0]


def negate(condition: Condition) -> Condition:
    """What ``condition`` does not hold for."""
    return condition.part if isinstance(condition, Not) else Not(condition)


def facts(condition: Condition | None) -> Iterator[Fact]:
    """The facts of a tree, from left to right."""
    match condition:
        case Fact():
            yield condition
        case Not():
            yield from facts(condition.part)
        case All() | AnyOf():
            for part in condition.parts:
                yield from facts(part)


def replace_facts(condition: Condition, change: Callable[[Fact], Fact]) -> Condition:
    """The same tree with each fact as ``change`` gives it."""
    match condition:
        case Fact():
            return change(condition)
        case Not():
            return negate(replace_facts(condition.part, change))
        case All():
            return All(tuple(replace_facts(part, change) for part in condition.parts))  # type: ignore[misc]
    return AnyOf(tuple(replace_facts(part, change) for part in condition.parts))  # type: ignore[misc]


def _deeper(parts: Iterable[Condition]) -> int:
    depth = 1 + max(part.depth for part in parts)
    if depth > DEEPEST:
        raise ValueError(f"conditions are nested more than {DEEPEST} levels deep")
    return depth


def _enclosed(part: Condition) -> str:
    return f"({part})" if isinstance(part, (All, AnyOf)) else str(part)


def _quote(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
