"""The query language: what each way of writing means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bindsearch.modality import Modality
from bindsearch.query import Part, Query, Term, parse_query
from tests.query.terms import file, group, segment, text

ROOT = Path(__file__).resolve().parents[2]


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
def test_a_flat_expression_means_its_terms(expression: str, terms: list[Term]) -> None:
    assert parse_query(expression).terms == tuple(terms)


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("(a + b) - c", [group(text("a"), text("b")), text("c", -1.0)]),
        ("x - 0.5*(a + 2*b)", [text("x"), group(text("a"), text("b", 2.0), weight=-0.5)]),
        ("x - -2*(- a + b)", [text("x"), group(text("a", -1.0), text("b"), weight=2.0)]),
        ("(a)+(b)", [text("a"), text("b")]),
        ("(a)-(b)+ c", [text("a"), text("b", -1.0), text("c")]),
        ("-(a)+(b)", [text("a", -1.0), text("b")]),
        ("a+(b) + c", [text("a+(b)"), text("c")]),
        ("((((a))))", [text("a")]),
        ("2*(3*(- a)) + b", [text("a", -2.0), text("b")]),
        (
            "(a + (b - (c + d)))",
            [group(text("a"), group(text("b"), group(text("c"), text("d"), weight=-1.0)))],
        ),
        ("( \"a)\" + '(b' )", [group(text("a)"), text("(b"))]),
        ("x + ( a b )", [text("x"), text("a b")]),
    ],
)
def test_parentheses_make_groups_and_one_part_needs_none(expression: str, terms: list[Part]) -> None:
    assert parse_query(expression).terms == tuple(terms)


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("photo(1).jpg + f(x)", [file("photo(1).jpg"), text("f(x)")]),
        ("(photo(1).jpg + rain)", [group(file("photo(1).jpg"), text("rain"))]),
        ("holiday (2).jpg + rain", [file("holiday (2).jpg"), text("rain")]),
        ("(re)build a house", [text("(re)build a house")]),
        ("(re)build", [text("(re)build")]),
        ("1)first", [text("1)first")]),
        ("sad :( face", [text("sad :( face")]),
    ],
)
def test_parentheses_within_a_word_are_letters(expression: str, terms: list[Part]) -> None:
    assert parse_query(expression).terms == tuple(terms)


@pytest.mark.parametrize(
    ("expression", "term"),
    [
        ("clip.mp4[1:20-1:25]", file("clip.mp4", span=(80, 85))),
        ("clip.mp4[0.5-62.25]", file("clip.mp4", span=(0.5, 62.25))),
        ("my clip.mp4[1:02:03.5-1:02:04]", file("my clip.mp4", span=(3723.5, 3724))),
        ('file:"my clip.mp4"[10-20]', file("my clip.mp4", span=(10, 20))),
        ("2*audio:clip.mp4[10-20]", file("clip.mp4", 2.0, Modality.AUDIO, (10, 20))),
        ("audio:clip.mp4", file("clip.mp4", modality=Modality.AUDIO)),
        ("image:my clip.mp4", file("my clip.mp4", modality=Modality.IMAGE)),
        ("depth:'my photo.jpg'", file("my photo.jpg", modality=Modality.DEPTH)),
        ("odd[1-2].mp4", file("odd[1-2].mp4")),
        ("odd[1-2].mp4[3-4]", file("odd[1-2].mp4", span=(3, 4))),
        ("array[0]", text("array[0]")),
        ("dog[1-2]", text("dog[1-2]")),
        ("text:clip.mp4[1-2]", text("clip.mp4[1-2]")),
        ("@12", segment(12)),
        ("0.5*@0012", segment(12, 0.5)),
        ("file:@12", file("@12")),
        ("./@12", file("./@12")),
        ('"@12"', text("@12")),
        ("@home", text("@home")),
        ("file:-", file("-")),
        ("audio:-[1-2]", file("-", modality=Modality.AUDIO, span=(1, 2))),
        ("./photo.jpg", file("./photo.jpg")),
    ],
)
def test_a_term_may_be_a_span_a_reading_a_segment_or_standard_input(expression: str, term: Term) -> None:
    assert parse_query(expression).terms == (term,)
    assert parse_query([expression]).terms == (term,)
    assert parse_query(f"({expression} - x)").terms == (group(term, text("x", -1.0)),)


@pytest.mark.parametrize("expression", ["-", " - ", ["-"], ["", "-"]])
def test_a_sign_alone_is_standard_input(expression: str | list[str]) -> None:
    assert parse_query(expression).terms == (file("-"),)


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
        (["(", "a dog", "+", "cat", ")", "-", "b"], [group(text("a dog"), text("cat")), text("b", -1.0)]),
        (["(dog", "+", "cat)", "-", "2*(a", "+", "b)"], [
            group(text("dog"), text("cat")),
            group(text("a"), text("b"), weight=-2.0),
        ]),
        (["(a dog + cat)", "-", "b"], [text("(a dog + cat)"), text("b", -1.0)]),
        (["my clip.mp4[1-2]", "+", "@7"], [file("my clip.mp4", span=(1, 2)), segment(7)]),
        (['audio:"my clip.mp4"[1-2]', "+", "x"], [file("my clip.mp4", 1, Modality.AUDIO, (1, 2)), text("x")]),
        (["file:-", "+", "rain"], [file("-"), text("rain")]),
        (["-"], [file("-")]),
        (["@12"], [segment(12)]),
    ],
)  # fmt: skip
def test_shell_arguments_follow_the_same_rules_but_are_never_cut(
    arguments: list[str], terms: list[Part]
) -> None:
    assert parse_query(arguments).terms == tuple(terms)


def test_a_tilde_stands_for_the_home_folder(folder: Path) -> None:
    assert parse_query("~/photo.jpg").terms == (file(str(folder / "photo.jpg")),)
    assert parse_query("~/clip.mp4[1-2]").terms == (file(str(folder / "clip.mp4"), span=(1, 2)),)


@pytest.mark.skipif(os.name != "posix", reason="needs names that are bytes")
def test_a_file_name_that_is_not_utf8_is_found(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (folder / name).write_bytes(b"")
    assert parse_query([name, "+", "rain"]).terms == (file(name), text("rain"))


def test_ten_thousand_parentheses_are_no_deeper_than_a_stack_can_be() -> None:
    depth = 10_000
    assert parse_query("(" * depth + "x" + ")" * depth).terms == (text("x"),)
    query = parse_query("(a + " * depth + "x" + ")" * depth)
    assert len(list(query.leaves())) == depth + 1
    assert parse_query(str(query)) == query
    assert hash(parse_query(str(query))) == hash(query)
    assert len(repr(query)) > depth


@pytest.mark.parametrize("weight", [0.0, float("inf"), float("nan")])
def test_a_part_cannot_be_made_with_a_weight_that_is_none(weight: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        text("x", weight)
    with pytest.raises(ValueError, match="finite number"):
        group(text("x"), text("y"), weight=weight)


def test_a_group_of_one_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="two parts"):
        group(text("x"))


def test_a_query_is_written_as_shortly_as_it_can_be_read() -> None:
    query = Query((text("a"), group(file("photo.jpg", 2), segment(3), weight=-0.5)))
    assert str(query) == '"a" - 0.5*(2*file:"photo.jpg" + @3)'


def test_a_query_of_one_term_does_not_wait_for_the_parser() -> None:
    code = (
        "import sys; from bindsearch.query import parse_query; parse_query('a dog on the beach');"
        "assert 'lark' not in sys.modules; parse_query('a + b'); assert 'lark' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
