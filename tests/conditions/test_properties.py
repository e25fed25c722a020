"""What holds for every condition and every scribble.

BINDSEARCH_QUERY_EXAMPLES=100000 looks at that many of each in place of 2,000.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from bindsearch.conditions import Condition, Fact, Key, all_of, any_of, fact, facts, negate, parse_condition
from bindsearch.conditions.tree import DEEPEST, All, AnyOf, Not
from bindsearch.errors import QueryError

EXAMPLES = int(os.environ.get("BINDSEARCH_QUERY_EXAMPLES", "2000"))
VALUES = {
    Key.TYPE: ("image", "VIDEO", "imu"),
    Key.IN: ("/a/b", "relative", "~", 'with "quotes"'),
    Key.PATH: ("*.jpg", "a b", "photo(1).jpg", "raw/", "[!a]*", "\udcff", "back\\slash"),
    Key.ROOT: ("Pictures", "/mnt/*"),
    Key.TIME: ("2024", "last summer", "22:00-2:00", "mon-fri", "..2020", "june"),
    Key.NEAR: ("48.1,11.5", "-90 180, 2 km", "@12,300m", "photo.jpg", "my photo.jpg,2km"),
    Key.DURATION: ("10s-2m", ">=1:30", "<5", "7"),
    Key.SIZE: (">10MB", "0-1.5 GiB"),
    Key.CAMERA: ("canon", "*R6"),
    Key.FORMAT: ("jpeg",),
    Key.TAG: ("beach", "früh", "and", "a:b", "type:image", "not (x"),
    Key.HAS: ("place", "Tag"),
}
PIECES = (
    *(
        "and",
        "or",
        "not",
        "(",
        ")",
        " ",
        " ",
        '"',
        "'",
        "\\",
        ":",
        "type:image",
        "tag:",
        "time:",
        "near:",
        "path:",
    ),
    *(
        "a",
        "*",
        "[",
        "]",
        "1,2",
        "2km",
        ">",
        "-",
        "..",
        "\n",
        "\0",
        "é",
        "size:9",
        'tag:"a b"',
        "last summer",
    ),
)


def random_fact(random: Random) -> Fact:
    key = random.choice(list(Key))
    return fact(key, random.choice(VALUES[key]))


def random_tree(random: Random, depth: int) -> Condition:
    if not depth or random.random() < 0.3:
        return random_fact(random)
    parts = [random_tree(random, depth - 1) for _ in range(random.randint(2, 4))]
    whole = random.choice([any_of(parts), all_of(parts) or parts[0]])
    return random.choice([whole, negate(whole)])


def random_scribble(random: Random) -> str:
    if random.random() < 0.5:
        return "".join(random.choice(PIECES) for _ in range(random.randint(0, 14)))
    written = str(random_tree(random, 3))
    for _ in range(random.randint(0, 3)):
        at = random.randint(0, len(written))
        written = written[:at] + random.choice((*PIECES, "")) + written[at + random.randint(0, 2) :]
    return written


def test_a_condition_written_as_an_expression_parses_to_itself() -> None:
    for seed in range(EXAMPLES):
        tree = random_tree(Random(seed), 5)
        assert parse_condition(str(tree)) == tree
        assert hash(parse_condition(str(tree))) == hash(tree)


def test_any_text_is_a_condition_that_can_be_written_or_an_error_with_a_place() -> None:
    kinds = set()
    for seed in range(EXAMPLES):
        text = random_scribble(Random(seed))
        try:
            tree = parse_condition(text)
        except QueryError as error:
            kinds.add(error.message)
            assert error.expression == text
            assert error.hint
            assert 0 <= error.position < len(text) if error.position is not None else not text.strip()
        else:
            kinds.add(type(tree).__name__)
            assert parse_condition(str(tree)) == tree
    assert {"Fact", "Not", "All", "AnyOf", "this quote is never closed"} <= kinds
    assert len(kinds) > 15


def test_any_letters_are_a_value() -> None:
    for seed in range(EXAMPLES):
        random = Random(seed)
        value = "".join(chr(random.randrange(1, 0xD800)) for _ in range(random.randint(1, 8))).strip() or "x"
        tree = fact(Key.TAG, value)
        assert parse_condition(str(tree)) == tree


def test_plain_trees_are_the_only_ones() -> None:
    a, b = fact(Key.TAG, "a"), fact(Key.TAG, "b")
    for wrong in (
        lambda: Not(Not(a)),  # type: ignore[arg-type]
        lambda: All((a,)),
        lambda: AnyOf((a,)),
        lambda: All((All((a, b)), a)),  # type: ignore[arg-type]
        lambda: AnyOf((AnyOf((a, b)), a)),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=r"a (con|dis)junction|negation"):
            wrong()
    assert negate(negate(a)) == a
    assert all_of([]) is None
    assert all_of([None, a]) == a
    assert str(all_of([a, all_of([b, a])])) == "tag:a and tag:b and tag:a"
    assert [one.value for one in facts(any_of([negate(a), b]))] == ["a", "b"]


def test_nesting_may_be_deep_but_not_bottomless() -> None:
    def nested(levels: int) -> str:
        return "(tag:a or (tag:b and " * levels + "tag:c" + "))" * levels

    assert parse_condition(nested(DEEPEST // 2 - 1)).depth == DEEPEST - 1
    with pytest.raises(QueryError, match="nested too deeply"):
        parse_condition(nested(DEEPEST))
    assert parse_condition("(" * 5000 + "tag:a" + ")" * 5000) == fact(Key.TAG, "a")
    assert parse_condition("not " * 5001 + "tag:a") == Not(fact(Key.TAG, "a"))
