"""Conditions: what hits must satisfy, as in ``type:image and not (camera:canon or path:raw)``.

A condition is a tree: facts, ``key:value``, joined by ``and``, ``or`` and ``not``; ``and`` binds closer than
``or``, and between two facts that stand side by side it may be left out. docs/filters.md shows every key.
``str(condition)`` is an expression that parses to the same condition. The modules:

    tree      what a condition is, and how it is written
    meaning   values to what they ask for: times, places, ranges, names
    globs     paths and names with ``*``
    grammar   characters to a tree, by an LALR grammar
"""

from bindsearch.conditions.grammar import parse_condition
from bindsearch.conditions.meaning import fact, meaning_of
from bindsearch.conditions.tree import All, AnyOf, Condition, Fact, Key, Not, all_of, any_of, facts, negate

__all__ = [
    "All",
    "AnyOf",
    "Condition",
    "Fact",
    "Key",
    "Not",
    "all_of",
    "any_of",
    "fact",
    "facts",
    "meaning_of",
    "negate",
    "parse_condition",
]
