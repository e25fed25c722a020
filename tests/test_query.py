"""The query language: what each way of writing means, and that nonsense is refused with its place."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bindsearch.arithmetic import combine
from bindsearch.errors import QueryError
from bindsearch.query import Query, Term, TermKind, parse_query


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own current folder, and home, that holds a few files to name in queries."""
    for name in ("photo.jpg", "my photo.jpg", "a - b.jpg", "notes", "+"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "films").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def text(value: str, weight: float = 1.0) -> Term:
    return Term(weight, TermKind.TEXT, value)


def file(value: str, weight: float = 1.0) -> Term:
    return Term(weight, TermKind.FILE, value)


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("a dog on the beach", [text("a dog on the beach")]),
        ("  a   dog ", [text("a dog")]),
        ('"a  dog"', [text("a  dog")]),
        ("'say \"hi\"'", [text('say "hi"')]),
        (r'"say \"hi\" \\ C:\new"', [text(r'say "hi" \ C:\new')]),
        ("it's well-known", [text("it's well-known")]),
        ('"a dog" "on the beach"', [text("a dog on the beach")]),
        ("photo.jpg", [file("photo.jpg")]),
        ("my photo.jpg + snow", [file("my photo.jpg"), text("snow")]),
        ('"my photo.jpg"', [text("my photo.jpg")]),
        ('file:"my photo.jpg"', [file("my photo.jpg")]),
        ("text:photo.jpg", [text("photo.jpg")]),
        ("text:unknown.jpg", [text("unknown.jpg")]),
        ("the notes of a summer", [text("the notes of a summer")]),
        (
            'photo.jpg + "at night" - 0.5*"people"',
            [file("photo.jpg"), text("at night"), text("people", -0.5)],
        ),
        ("- people + beach", [text("people", -1.0), text("beach")]),
        ("beach - -2*people", [text("beach"), text("people", 2.0)]),
        (".5*file:photo.jpg - 1e1*dog", [file("photo.jpg", 0.5), text("dog", -10.0)]),
        ('"+" - "-"', [text("+"), text("-", -1.0)]),
    ],
)
def test_an_expression_means_its_terms(expression: str, terms: list[Term]) -> None:
    assert parse_query(expression).terms == tuple(terms)


@pytest.mark.parametrize(
    ("arguments", "terms"),
    [
        (["a", "dog", "on", "the", "beach"], [text("a dog on the beach")]),
        (["a dog", "on the beach"], [text("a dog on the beach")]),
        (["a - b.jpg"], [file("a - b.jpg")]),
        (
            ["a - b.jpg", "+", "at night", "-", "0.5*many people"],
            [file("a - b.jpg"), text("at night"), text("many people", -0.5)],
        ),
        (['photo.jpg + "at night"'], [file("photo.jpg"), text("at night")]),
        (["rock - paper", "+", "scissors"], [text("rock - paper"), text("scissors")]),
        (['"a dog"', "+", "text:photo.jpg"], [text("a dog"), text("photo.jpg")]),
        (['2*"', "of", "rain"], [text('" of rain', 2.0)]),
        (["", "dog", ""], [text("dog")]),
    ],
)
def test_shell_arguments_follow_the_same_rules_but_are_never_cut(
    arguments: list[str], terms: list[Term]
) -> None:
    assert parse_query(arguments).terms == tuple(terms)


def test_a_tilde_stands_for_the_home_folder(folder: Path) -> None:
    assert parse_query("~/photo.jpg").terms == (file(str(folder / "photo.jpg")),)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ([], "empty"),
        ("- people", "every term is taken away"),
        ("dog +", "nothing follows the operator, at character 5"),
        ("dog + - cat", "one operator follows another, at character 7"),
        ('dog + "cat', "never closed, at character 7"),
        ('"dog"cat', "closing quote touches what follows, at character 5"),
        ("0*dog", "finite number other than 0, at character 1"),
        ("dog + inf*cat", "finite number other than 0, at character 7"),
        ("1e999*dog", "finite number"),
        ("dog text:cat", "without an operator, at character 5"),
        ("dog -0.5*cat", "put [+] or - before it"),
        ("0.5* dog", "a space follows the weight"),
        ('dog - ""', "nothing to look for here, at character 7"),
        ("photo.jpg dog", "this file stands next to words, at character 1: photo.jpg dog .put [+]"),
        (["dog", "photo.jpg"], "this file stands next to words, at character 5"),
        ("unknown.jpg", "no such file .to search for these words write text:unknown.jpg"),
        ("films/unknown", "no such file"),
        ("file:dog", "no such file"),
        ("./films", "this is a folder"),
    ],
)
def test_what_is_no_query_is_refused_with_its_place(expression: str | list[str], message: str) -> None:
    with pytest.raises(QueryError, match=message) as caught:
        parse_query(expression)
    assert "\n" not in str(caught.value)


_names = st.sampled_from(["photo.jpg", "my photo.jpg", "a - b.jpg", "notes", "+"])
_weights = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
_terms = st.builds(file, _names, _weights) | st.builds(
    text, st.text(min_size=1).filter(lambda value: bool(value.strip())), _weights
)
_queries = st.lists(_terms, min_size=1, max_size=5).filter(lambda terms: any(t.weight > 0 for t in terms))
_relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@_relaxed
@given(_queries)
def test_a_query_written_as_an_expression_parses_to_itself(terms: list[Term]) -> None:
    query = Query(tuple(terms))
    assert parse_query(str(query)) == query
    assert parse_query([str(query)]) == query


_pieces = st.sampled_from(
    ["+", "-", " ", '"', "'", "\\", "2*", "text:", "file:", "photo.jpg", "~/", "/", "\0"]
)
_scribble = st.lists(_pieces | st.text(max_size=4), max_size=12).map("".join)


@_relaxed
@given(_scribble | st.lists(_scribble, max_size=5))
def test_random_text_is_a_query_or_a_query_error(expression: str | list[str]) -> None:
    try:
        query = parse_query(expression)
    except QueryError as error:
        assert "\n" not in error.message
    else:
        assert query.terms
        assert all(np.isfinite(term.weight) and term.weight for term in query.terms)


@pytest.mark.skipif(os.name != "posix", reason="needs names that are bytes")
def test_a_file_name_that_is_not_utf8_is_found(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (folder / name).write_bytes(b"")
    assert parse_query([name, "+", "rain"]).terms == (file(name), text("rain"))


def _unit(*rows: list[float]) -> np.ndarray:
    vectors = np.asarray(rows, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_sum_of_vectors_points_between_them_and_has_unit_length() -> None:
    vector = combine(_unit([1, 0, 0], [0, 1, 0]), [1.0, 1.0])
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, [0.5**0.5, 0.5**0.5, 0], atol=1e-6)


def test_a_term_taken_away_turns_the_sum_from_it() -> None:
    vector = combine(_unit([1, 1, 0], [0, 1, 0]), [1.0, -0.5])
    assert vector[0] > vector[1] > 0


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_only_the_proportion_of_the_weights_counts(scale: float) -> None:
    vectors = _unit([3, 1, 2], [1, -1, 0])
    np.testing.assert_allclose(
        combine(vectors, [2 * scale, -scale]), combine(vectors, [2.0, -1.0]), atol=1e-6
    )


def test_terms_that_cancel_out_are_refused() -> None:
    vectors = _unit([1, 2, 3], [1, 2, 3])
    with pytest.raises(QueryError, match="cancel each other out"):
        combine(vectors, [0.7, -0.7])
