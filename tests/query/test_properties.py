"""What holds for every query and every scribble.

Hypothesis builds some by parts, which it can make small when one fails. Many more come from a seed each,
which is quick: BINDSEARCH_QUERY_EXAMPLES=100000 looks at that many in place of 2,000.
"""

from __future__ import annotations

import os
import struct
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindsearch.errors import QueryError
from bindsearch.modality import Modality
from bindsearch.query import Group, Part, Query, Term, parse_query
from tests.query.conftest import FILES
from tests.query.terms import file, segment, text

EXAMPLES = int(os.environ.get("BINDSEARCH_QUERY_EXAMPLES", "2000"))

_relaxed = settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)

READINGS = [None, *(one for one in Modality if one is not Modality.TEXT)]
PIECES = [
    *("+", "-", " ", "  ", '"', "'", "\\", "2*", "-.5*", "(", ")", "*", "[", "]", "[1-2]", "[1:00-2:00.5]"),
    *("text:", "file:", "audio:", "image:", "photo.jpg", "clip.mp4", "@12", "@", "~/", "/", "\0", "\n", "a"),
]

_weights = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
_times = st.floats(min_value=0, allow_infinity=False)
_spans = st.tuples(_times, _times).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
_files = st.builds(
    file, st.sampled_from([*FILES, "-"]), _weights, st.sampled_from(READINGS), st.none() | _spans
)
_texts = st.builds(text, st.text(min_size=1, max_size=9).filter(lambda value: bool(value.strip())), _weights)
_terms = _files | _texts | st.builds(segment, st.integers(0, 10**18 - 1), _weights)
_parts = st.recursive(
    _terms,
    lambda parts: st.builds(Group, _weights, st.lists(parts, min_size=2, max_size=3).map(tuple)),
    max_leaves=8,
)
_scribble = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map("".join)


def looks_for_something(part: Part, outer: int = 1) -> bool:
    """Whether any term counts in favour in the end."""
    sign = outer if part.weight > 0 else -outer
    if isinstance(part, Term):
        return sign > 0
    return any(looks_for_something(inner, sign) for inner in part.parts)


def random_number(random: Random) -> float:
    """A finite float that is not zero: a plain one, or any bits."""
    while True:
        plain = random.choice([1.0, -1.0, 0.5, -2.0, random.uniform(-9, 9)])
        number: float = random.choice([plain, struct.unpack("d", random.randbytes(8))[0]])
        if number and abs(number) < float("inf"):
            return number


def random_text(random: Random, most: int) -> str:
    """Characters of all sorts, those of the grammar among them."""
    ranges = [(32, 127), (0, 0xD800), (0xE000, 0x110000)]
    letters = (chr(random.randrange(*random.choice(ranges))) for _ in range(random.randint(1, most)))
    return "".join(random.choice([letter, random.choice(PIECES)]) for letter in letters)


def random_part(random: Random, depth: int) -> Part:
    """A term, or a group of parts down to ``depth``."""
    weight = random_number(random)
    if depth and random.random() < 0.4:
        return Group(weight, tuple(random_part(random, depth - 1) for _ in range(random.randint(2, 4))))
    match random.randrange(3):
        case 0:
            times = sorted({abs(random_number(random)), abs(random_number(random))})
            span = random.choice([None, (times[0], times[-1]) if len(times) > 1 else None])
            return file(random.choice([*FILES, "-"]), weight, random.choice(READINGS), span)
        case 1:
            return segment(random.randrange(10 ** random.randint(1, 18)), weight)
    return text(random_text(random, 9).strip() or "x", weight)


def random_scribble(random: Random) -> str:
    """Pieces of the grammar and other characters in any order, or an expression with a few mistakes."""
    if random.random() < 0.5:
        return "".join(
            random.choice([*PIECES[:12], *PIECES, random_text(random, 2)])
            for _ in range(random.randint(0, 16))
        )
    written = str(Query(tuple(random_part(random, 2) for _ in range(random.randint(1, 3)))))
    for _ in range(random.randint(0, 3)):
        at = random.randint(0, len(written))
        written = written[:at] + random.choice([*PIECES, ""]) + written[at + random.randint(0, 2) :]
    return written


def check_identity(query: Query) -> None:
    assert parse_query(str(query)) == query
    assert parse_query([str(query)]) == query


def check_scribble(expression: str | list[str]) -> None:
    line = expression if isinstance(expression, str) else " ".join(expression)
    try:
        query = parse_query(expression)
    except QueryError as error:
        assert "\n" not in error.message
        if error.position is None:
            assert not line.strip()
        else:
            assert 0 <= error.position < len(line)
    else:
        check_identity(query)


@_relaxed
@given(st.lists(_parts, min_size=1, max_size=3).filter(lambda parts: any(map(looks_for_something, parts))))
def test_a_query_written_as_an_expression_parses_to_itself(parts: list[Part]) -> None:
    check_identity(Query(tuple(parts)))


def test_so_does_every_random_tree() -> None:
    for seed in range(EXAMPLES):
        random = Random(seed)
        parts = [random_part(random, 5) for _ in range(random.randint(1, 3))]
        if not any(map(looks_for_something, parts)):
            parts.append(text("x"))
        check_identity(Query(tuple(parts)))


@_relaxed
@given(_scribble | st.lists(_scribble, max_size=5))
def test_any_text_is_a_query_that_can_be_written_or_an_error_with_a_place(
    expression: str | list[str],
) -> None:
    check_scribble(expression)


def test_so_is_every_random_scribble() -> None:
    for seed in range(EXAMPLES):
        random = Random(seed)
        check_scribble(random_scribble(random))
        check_scribble([random_scribble(random) for _ in range(random.randint(0, 4))])


def test_the_random_scribbles_are_both_queries_and_mistakes() -> None:
    kinds = set()
    for seed in range(300):
        try:
            kinds.add(type(parse_query(random_scribble(Random(seed))).terms[0]))
        except QueryError as error:
            kinds.add(error.message)
    assert {Term, Group, "this parenthesis closes nothing"} <= kinds
    assert len(kinds) > 9
