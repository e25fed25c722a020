"""What expressions mean, and where their mistakes are pointed at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bindsearch.conditions import Key, fact, meaning_of, parse_condition
from bindsearch.conditions.globs import PathGlob
from bindsearch.conditions.meaning import Range, parse_size
from bindsearch.errors import QueryError
from bindsearch.places import Around, Place


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("type:image", "type:image"),
        ("TYPE:image", "type:image"),
        ("tag:a tag:b", "tag:a and tag:b"),
        ("tag:a AND tag:b Or tag:c", "(tag:a and tag:b) or tag:c"),
        ("tag:a or tag:b tag:c", "tag:a or (tag:b and tag:c)"),
        ("tag:a (tag:b or tag:c)", "tag:a and (tag:b or tag:c)"),
        ("not tag:a tag:b", "not tag:a and tag:b"),
        ("not not tag:a", "tag:a"),
        ("not(tag:a)and(tag:b)", "not tag:a and tag:b"),
        ("((tag:a))", "tag:a"),
        ("tag:'a b'", 'tag:"a b"'),
        (r'tag:"a \"b\" \\"', r'tag:"a \"b\" \\"'),
        ("path:photo(1).jpg", 'path:"photo(1).jpg"'),
        ("(path:photo(1).jpg)", 'path:"photo(1).jpg"'),
        ("camera:", None),
    ],
)
def test_an_expression_is_read(text: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(QueryError):
            parse_condition(text)
    else:
        assert str(parse_condition(text)) == meant


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("beach", 0, "this is not a condition"),
        ("type:image beach", 11, "this is not a condition"),
        ("tag", 0, "a colon and a value are missing"),
        ("tag:a and typ:image", 10, "there is no condition typ:"),
        ("type:imag", 5, "there is no such kind"),
        ("tag:a and time:soon", 15, "this is not a time"),
        ('time:"2024..2023"', 5, "this ends before it begins"),
        ("time:..", 5, "this is not a time"),
        ("near:91,0", 5, "there is no such place on earth"),
        ("near:48", 5, "this is not a place"),
        ("near:@x", 5, "this is not a place"),
        ("duration:2m-10s", 9, "this ends before it begins"),
        ("duration:long", 9, "this is not a span of time"),
        ("size:big", 5, "this is not a size"),
        ("has:wings", 4, "nothing is known by this name"),
        ("tag:", 3, "a value is missing"),
        ('tag:" "', 4, "a value is missing"),
        ('tag:"a', 4, "this quote is never closed"),
        ('tag:"a"b', 6, "the closing quote touches what follows"),
        ("(tag:a", 0, "this parenthesis is never closed"),
        ("tag:a)", 5, "this parenthesis closes nothing"),
        ("tag:a ()", 6, "there is nothing between the parentheses"),
        ("and tag:a", 0, "nothing stands before this and"),
        ("tag:a or", 6, "nothing follows this or"),
        ("tag:a and or tag:b", 6, "nothing follows this and"),
        ("(not)", 1, "nothing follows this not"),
        ('"a"', 0, "this is not a condition"),
        (":a", 0, "this is not a condition"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, position: int, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_condition(text)
    assert caught.value.message == message
    assert caught.value.hint
    assert (caught.value.position, caught.value.expression) == (position, text)
    assert f"at character {position + 1}" in str(caught.value)


def test_an_empty_condition_is_refused() -> None:
    with pytest.raises(QueryError, match="the condition is empty"):
        parse_condition("  ")


def test_paths_are_those_of_the_moment_of_reading(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert fact(Key.IN, "x/../y").value == os.fspath(tmp_path / "y")
    assert fact(Key.IN, "~/y").value == "/home/me/y"
    assert fact(Key.PATH, "~/raw/").value == "/home/me/raw/"
    assert fact(Key.PATH, "raw/*").value == "raw/*"


@pytest.mark.parametrize(
    ("text", "place", "radius"),
    [
        ("48.137,11.575", Place(48.137, 11.575), 1000),
        ("48.137, 11.575, 2 km", Place(48.137, 11.575), 2000),
        ("-16.5 179.9 within 500m", Place(-16.5, 179.9), 500),
        ("+1,-2,3mi", Place(1, -2), 4828.032),
        ("@12", "@12", 1000),
        ("@12,1.5km", "@12", 1500),
        ("photo.jpg", "photo.jpg", 1000),
        ("a, b 2.jpg,300ft", "a, b 2.jpg", 91.44),
    ],
)
def test_a_place_may_have_a_name_and_a_distance(text: str, place: Place | str, radius: float) -> None:
    around = meaning_of(fact(Key.NEAR, text))
    assert isinstance(around, Around)
    assert around.place == place
    assert around.radius == pytest.approx(radius)


def test_ranges_are_read() -> None:
    assert meaning_of(fact(Key.DURATION, "10s-2m")) == Range(10, 120)
    assert meaning_of(fact(Key.DURATION, "> 1:30")) == Range(90, float("inf"), open=True)
    assert meaning_of(fact(Key.SIZE, "<=2MB")) == Range(float("-inf"), 2e6)
    assert [parse_size(text) for text in ("7", "7 B", "1.5kB", "2MiB", "1g")] == [7, 7, 1500, 2**21, 1e9]


@pytest.mark.parametrize(
    ("glob", "matches", "differs"),
    [
        ("*.jpg", ["R/a.JPG", "R/x/b.jpg", "R/c.jpg/d"], ["R/a.jpeg", "R/ajpg"]),
        ("raw", ["R/raw", "R/raw/a", "raw/a", "R/x/RAW/b"], ["R/raw.jpg", "R/draw"]),
        ("raw/", ["R/raw/a", "raw/a/b"], ["R/raw"]),
        ("x/raw", ["R/x/raw/a"], ["R/x/y/raw", "R/raw"]),
        ("x/**/raw", ["R/x/raw", "R/x/y/z/raw"], ["R/y/raw"]),
        ("x/**", ["R/x/a", "R/x/y/a"], ["R/x"]),
        ("**/a", ["R/a", "R/x/a", "R/a/b"], ["R/ab"]),
        ("/R/x", ["/R/x", "/R/x/a"], ["/S/R/x", "/R/xy"]),
        ("/", ["/R/x"], []),
        ("a?c", ["R/abc"], ["R/a/c", "R/ac"]),
        ("[a-c]*z", ["R/bz", "R/Bxxz"], ["R/dz", "R/b/z"]),
        ("[!a-c]", ["Root/d"], ["Root/a", "Root/dd"]),
        ("a[", ["R/a["], ["R/a"]),
        ("[z-a]", [], ["R/z", "R/a"]),
        ("*a*b*c*", ["R/xaxbxcx"], ["R/cba", "R/ab/c"]),
        ("+(.|", ["R/+(.|"], ["R/x"]),
        ("[--a]", ["R/-"], []),
    ],
)
def test_a_glob_holds_for_a_file_and_what_lies_in_a_folder(
    glob: str, matches: list[str], differs: list[str]
) -> None:
    assert [path for path in matches + differs if PathGlob(glob).matches(path)] == matches


def test_no_glob_takes_long() -> None:
    assert not PathGlob("*a" * 30 + "b").matches("R/" + "a" * 250)
