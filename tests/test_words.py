"""Words of queries, names and texts: how they are cut, and which a query asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.inflection import forms_of
from bindsearch.query import parse_query
from bindsearch.words import (
    MAX_WORDS,
    Kind,
    WordQuery,
    words_of_name,
    words_of_path,
    words_of_query,
    words_of_string,
    words_of_text,
)


def asked(expression: str, *, exact: bool = True) -> WordQuery:
    return words_of_query(parse_query(expression), exact=exact)


def shown(query: WordQuery) -> list[str]:
    marks = {Kind.ANY_FORM: "{}", Kind.LITERAL: '"{}"', Kind.PREFIX: "{}*"}
    return [marks[word.kind].format(" ".join(word.tokens)) for word in query.wanted]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IMG_2024-birthday_party.jpg", "IMG 2024 birthday party jpg"),
        ("BirthdayParty", "Birthday Party BirthdayParty"),
        ("HTMLDump2", "HTML Dump 2 HTMLDump2"),
        ("пляжЛето", "пляж Лето пляжЛето"),
        ("日本 a", "日 本 a"),
        ("___", ""),
    ],
)
def test_a_name_is_cut_where_its_words_end(name: str, words: str) -> None:
    assert words_of_name(name.encode()) == words


def test_bytes_that_are_no_text_end_a_word() -> None:
    assert words_of_name(b"caf\xe9\xffbar") == "caf bar"


def test_only_the_folders_of_a_path_are_folders() -> None:
    assert words_of_path(b"Rome 2023/day_one/x.jpg") == "Rome 2023 day one"
    assert words_of_path(b"x.jpg") == words_of_path(b".") == ""


def test_an_emoji_is_a_word_that_digits_do_not_cut() -> None:
    (word,) = words_of_text("🎂").split()
    assert words_of_name("🎂1.jpg".encode()).split()[:2] == [word, "1"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("golden gate", ["golden", "gate"]),
        ('"golden gate" bridge', ['"golden gate"', "bridge"]),
        ('(rain + ("golden gate" bridge))', ["rain", '"golden gate"', "bridge"]),
        ("2*'at night' + birth*", ['"at night"', "birth*"]),
        ('text:"hello you" - cat', ['"hello you"']),
        ("well-known 2024-06-01", ["well known", "2024 06 01"]),
        ("rex's toy", ["rex", "toy"]),
        ("a -- b AND NEAR(c)", ["a", "b", "and", "near c"]),
        ("@12 + dog", ["dog"]),
    ],
)
def test_an_expression_asks_for_its_added_words(expression: str, words: list[str]) -> None:
    assert shown(asked(expression)) == words


def test_quotes_within_an_argument_of_the_shell_make_a_phrase() -> None:
    assert shown(words_of_query(parse_query(['say "golden gate" now', "+", "x"]), exact=True)) == [
        "say",
        '"golden gate"',
        "now",
        "x",
    ]


def test_what_is_taken_away_is_unwanted_also_out_of_a_group() -> None:
    query = asked('dog - (cat + "black hat") - (x - rain)')
    assert shown(query) == ["dog", "rain"]
    unwanted = [[" ".join(word.tokens) for word in term] for term in query.unwanted]
    assert unwanted == [["cat"], ["black hat"], ["x"]]
    assert asked("dog - cat", exact=False).unwanted == ()


def test_a_word_counts_by_the_weights_around_it() -> None:
    query = asked("2*dog + 0.5*(cat + 2*bird)", exact=False)
    assert [word.weight for word in query.wanted] == [1.0, 0.25, 0.5]


def test_common_words_are_asked_for_only_where_there_are_no_others() -> None:
    assert shown(asked("a dog on the beach", exact=False)) == ["dog", "beach"]
    assert shown(asked("to be", exact=False)) == ["to", "be"]
    assert shown(asked("a dog")) == ["a", "dog"]


def test_a_query_of_files_alone_has_no_words() -> None:
    assert not asked("@1 - @2")


def test_a_query_of_very_many_words_is_cut() -> None:
    assert len(words_of_string(" ".join(f"w{n}" for n in range(999))).wanted) == MAX_WORDS


@given(st.text(), st.booleans())
def test_what_is_asked_of_the_index_is_letters_and_digits_in_quotes(text: str, exact: bool) -> None:
    for word in words_of_string(text, exact=exact).wanted:
        inside = word.match.removesuffix(" *").replace('" OR "', " ")
        assert inside[0] == inside[-1] == '"'
        assert all(letter.isalnum() or letter == " " for letter in inside[1:-1])
        assert inside.strip('" ')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "dogs"),
        ("party", "parties"),
        ("beach", "beaches"),
        ("run", "running"),
        ("bake", "baking"),
        ("walk", "walked"),
        ("potato", "potatoes"),
        ("running", "runs"),
        ("see", "seeing"),
    ],
)
def test_a_word_is_asked_for_in_its_other_forms(one: str, other: str) -> None:
    assert other in forms_of(one)
    assert one in forms_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("car", "caring"), ("glass", "glas"), ("été", "étés"), ("2024", "2024s")]
)
def test_other_words_are_no_forms(one: str, other: str) -> None:
    assert other not in forms_of(one)
    assert one not in forms_of(other)


@given(st.text("abcdeginrsy", min_size=1, max_size=12))
def test_a_word_is_the_first_of_its_forms_and_none_comes_twice(word: str) -> None:
    forms = forms_of(word)
    assert forms[0] == word
    assert len(set(forms)) == len(forms)
