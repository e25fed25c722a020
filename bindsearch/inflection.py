"""The forms of an English word: plural, -ed and -ing, by spelling rules and without a dictionary.

A form that does not exist costs nothing, since no text holds it. Irregular forms (ran, mice) are not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"[a-z]{3,24}")
_HISSES = ("s", "x", "z", "ch", "sh")
_ONE_SYLLABLE = re.compile(r"[^aeiou]*[aeiou][bcdfgklmnprtvz]")  # doubles its last letter: run, stop
_DOUBLED = re.compile(r"[^aeiou]*[aeiou]([bdfgklmnprtvz])\1(?:ed|ing)")


def forms_of(word: str) -> tuple[str, ...]:
    """``word``, in lower case, first, then its other forms in alphabetical order.

    >>> forms_of("dogs")[:2]
    ('dogs', 'dog')
    """
    if not _WORD.fullmatch(word):
        return (word,)
    forms = {form for base in _bases(word) if word in _inflected(base) for form in _inflected(base)}
    return (word, *sorted(forms - {word}))


def _bases(word: str) -> Iterator[str]:
    """What ``word`` could be a form of, itself included."""
    yield word
    if word.endswith("ies") or word.endswith("ied"):
        yield word[:-3] + "y"
    for ending in ("s", "es", "ed", "ing"):
        base = word.removesuffix(ending)
        if base != word and len(base) >= 2 and re.search("[aeiouy]", base):
            yield base
            yield base + "e"
    if _DOUBLED.fullmatch(word):
        yield re.sub(r"(.)\1(?:ed|ing)$", r"\1", word)


def _inflected(base: str) -> set[str]:
    """``base`` as a noun and as a verb."""
    if len(base) < 3:
        return {base, base + "s"}
    if base.endswith("e"):
        return {base, base + "s", base + "d", base[:-1] + "ing"} | (
            {base + "ing"} if base.endswith("ee") else set()
        )
    if base.endswith("y") and base[-2] not in "aeiou":
        return {base, base[:-1] + "ies", base[:-1] + "ied", base + "ing"}
    if base.endswith(_HISSES):
        return {base, base + "es", base + "ed", base + "ing"}
    plural = {base + "s"} | ({base + "es"} if base.endswith("o") else set())
    stem = base + base[-1] if _ONE_SYLLABLE.fullmatch(base) else base
    return {base, stem + "ed", stem + "ing"} | plural
