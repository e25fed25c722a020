"""Text: encodings, passages, lines."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.errors import DamagedFile
from bindsearch.loaders import LoadOptions, load
from bindsearch.loaders.text import passages
from bindsearch.media import Passage
from bindsearch.modality import Modality

_TEXTS = st.text(
    st.sampled_from("abcdé. !?\n\n\t#=-`。字") | st.characters(exclude_categories=("Cs", "Cc")), max_size=400
)


def _load(folder: Path, content: bytes, name: str = "note.txt", **options: int) -> list[Passage]:
    path = folder / name
    path.write_bytes(content)
    loaded = load(path, LoadOptions(**options))  # type: ignore[arg-type]
    assert loaded.facts.modality is Modality.TEXT
    return [medium for medium in loaded.media if isinstance(medium, Passage)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_umlauts_survive_every_encoding(tmp_path: Path, encoding: str) -> None:
    assert _load(tmp_path, "Grüße vom Café".encode(encoding))[0].text == "Grüße vom Café"


def test_utf16_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path, b"\xfe\xff" + "é words".encode("utf-16-be"))[0].text == "é words"


def test_one_wrong_byte_does_not_spoil_the_other_letters(tmp_path: Path) -> None:
    text = _load(tmp_path, "Grüße, Käse, Öl ".encode() + b"\xff end")[0].text
    assert text == "Grüße, Käse, Öl \ufffd end"


def test_bytes_that_no_code_page_uses_still_come_through(tmp_path: Path) -> None:
    assert _load(tmp_path, b"caf\xe9 \x81 end")[0].text.startswith("café")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a\0b", "NUL bytes"),
        ("no mark".encode("utf-16-le"), "NUL bytes"),
        (b"\xff\xfea\0b", "UTF-16"),
        (b"\xff\xfe\0\0a\0\0\0", "NUL bytes"),
        (b"\x01\x02\x03 words", "control characters"),
        (b" \n\t \r\n", "no text in it"),
        (b"a" * 101, "too large"),
    ],
)
def test_what_is_not_a_note_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DamagedFile, match=reason):
        _load(tmp_path, content, max_text_bytes=100)


def test_paragraphs_fill_a_passage_and_break_between_them(tmp_path: Path) -> None:
    found = _load(tmp_path, b"one two\nthree\n\nfour five\n\n\nsix seven eight\n", passage_characters=30)
    assert found == [Passage("one two\nthree\n\nfour five", 1, 4), Passage("six seven eight", 7, 7)]


def test_windows_line_ends_count_once(tmp_path: Path) -> None:
    found = _load(tmp_path, b"one\r\n\r\ntwo\r\n\rthree", passage_characters=5)
    assert [(passage.text, passage.first_line) for passage in found] == [("one", 1), ("two", 3), ("three", 5)]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    found = list(passages("First one here. Second one is here. Third.\nFourth is on line two.", 40))
    assert [passage.text for passage in found] == [
        "First one here. Second one is here.",
        "Third.\nFourth is on line two.",
    ]
    assert [(passage.first_line, passage.last_line) for passage in found] == [(1, 1), (1, 2)]


def test_chinese_sentences_need_no_space() -> None:
    assert [passage.text for passage in passages("今天天气很好。我们去海边。", 8)] == [
        "今天天气很好。",
        "我们去海边。",
    ]


def test_headings_begin_passages_and_are_repeated_under_them() -> None:
    text = "# Trip\n\nWe swam a lot today.\n\nThen we went to eat.\n\nHome\n====\n\nRest.\n"
    assert list(passages(text, 40, markdown=True)) == [
        Passage("# Trip\n\nWe swam a lot today.", 1, 3),
        Passage("# Trip\n\nThen we went to eat.", 5, 5),
        Passage("Home\n====\n\nRest.", 7, 10),
    ]


def test_a_hash_is_a_heading_in_markdown_only() -> None:
    text = "before\n# 1 item\nafter"
    assert len(list(passages(text, 600, markdown=False))) == 1
    assert len(list(passages(text, 600, markdown=True))) == 2


def test_a_hash_inside_a_code_fence_is_no_heading() -> None:
    assert len(list(passages("words\n```\n# comment\n```\n", 600, markdown=True))) == 1


@given(_TEXTS, st.integers(1, 80), st.booleans())
def test_nothing_of_the_text_is_lost_and_lines_are_right(text: str, size: int, markdown: bool) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    seen: Counter[str] = Counter()
    last = 0
    for passage in passages(text, size, markdown):
        assert passage.first_line is not None and passage.last_line is not None
        assert last <= passage.last_line and passage.first_line <= passage.last_line <= len(lines)
        covered = "\n".join(lines[passage.first_line - 1 : passage.last_line])
        own = passage.text.rsplit("\n\n", 1)[-1] if passage.text not in covered else passage.text
        assert set(own.split()) <= set(covered.split()) or _squeezed(own) in _squeezed(covered)
        seen += Counter(sign for sign in passage.text if not sign.isspace())
        last = passage.last_line
    assert not Counter(sign for sign in text if not sign.isspace()) - seen


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=20), min_size=1), st.integers(20, 100))
def test_no_word_is_cut(words: list[str], size: int) -> None:
    found = [passage.text.split() for passage in passages(" ".join(words), size)]
    assert [word for part in found for word in part] == words


@given(_TEXTS, st.integers(1, 80))
def test_no_passage_is_much_longer_than_asked(text: str, size: int) -> None:
    for passage in passages(text, size, markdown=True):
        headings = sum(len(line) + 2 for line in passage.text.split("\n") if line.lstrip().startswith("#"))
        assert len(passage.text) <= 2 * size + headings + len("===\n\n") * passage.text.count("\n")


def _squeezed(text: str) -> str:
    return "".join(text.split())
