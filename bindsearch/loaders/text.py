"""Notes and other plain text: passages cut where the writer made a break.

A passage holds whole paragraphs up to about ``passage_characters``. A longer paragraph is cut at the end of
a sentence, else between words; only a run of that many characters without a space is cut inside. Every
passage under a heading begins with that heading, because a paragraph alone often does not name what it is
about; its line numbers are those of its own lines. Nothing of the text is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bindsearch.errors import DamagedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.files import open_regular, refusal
from bindsearch.loaders.signatures import MARKDOWN, has_control_characters
from bindsearch.media import Passage
from bindsearch.modality import Modality

_LINE_END = re.compile(r"\r\n|\r|\n")
_HASH_HEADING = re.compile(r" {0,3}#{1,6}\s+\S")
_UNDERLINE = re.compile(r"\s*([=\-~^])\1{2,}\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
# The full stops of Chinese and Japanese need no space after them.
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？][」』”’]*")
_SPACE = re.compile(r"\s")
_WORD = re.compile(r"\S")

_HEADING_SHARE = 3  # a heading longer than this part of a passage is not repeated


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph or a heading, or a piece of a long paragraph, with its lines."""

    text: str
    first_line: int
    last_line: int
    heading: bool = False


def load_text(path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    """The text at ``path`` in passages; hash signs begin headings where ``kind`` is MARKDOWN.

    UTF-8, UTF-16 with a byte order mark, or Windows-1252. Raises DamagedFile when the file is too large,
    is not text, or holds nothing but space.
    """
    text = _decoded(_read(path, options.max_text_bytes), path)
    if not text.strip():
        raise DamagedFile("no text in it", subject=os.fspath(path))
    facts = FileFacts(modality=Modality.TEXT, format=kind)
    return LoadedFile(path, facts, passages(text, options.passage_characters, kind == MARKDOWN.format))


def passages(text: str, size: int, markdown: bool = False) -> Iterator[Passage]:
    """``text`` cut into passages of about ``size`` characters."""
    size = max(size, 1)
    heading = ""
    pending: list[_Block] = []
    for block in _pieces(_blocks(text, markdown), size):
        has_body = any(not earlier.heading for earlier in pending)
        if has_body and (block.heading or _length(pending) + len(block.text) > size):
            yield _passage(pending, heading, size)
            pending = []
        if block.heading:
            heading = block.text.strip()
        pending.append(block)
    if pending:
        yield _passage(pending, heading, size)


def _length(blocks: list[_Block]) -> int:
    return sum(len(block.text) + 2 for block in blocks)


def _passage(blocks: list[_Block], heading: str, size: int) -> Passage:
    body = "\n\n".join(block.text for block in blocks)
    repeated = heading and not blocks[0].heading and len(heading) * _HEADING_SHARE <= size
    return Passage(
        text=f"{heading}\n\n{body}" if repeated else body,
        first_line=blocks[0].first_line,
        last_line=blocks[-1].last_line,
    )


def _blocks(text: str, markdown: bool) -> Iterator[_Block]:
    """Paragraphs, parted by empty lines, and headings, each a block of its own."""
    lines = _LINE_END.split(text)
    paragraph: list[str] = []
    fenced = False
    for number, line in enumerate(lines, start=1):
        fenced ^= markdown and bool(_FENCE.match(line))
        heading = not fenced and (
            bool(markdown and _HASH_HEADING.match(line))
            or (len(paragraph) == 1 and bool(_UNDERLINE.match(line)))
        )
        if heading and paragraph and not _UNDERLINE.match(line):
            yield _block(paragraph, number - 1)
            paragraph = []
        if line.strip():
            paragraph.append(line.rstrip())
        if paragraph and (heading or not line.strip()):
            yield _block(paragraph, number if heading else number - 1, heading)
            paragraph = []
    if paragraph:
        yield _block(paragraph, len(lines))


def _block(lines: list[str], last_line: int, heading: bool = False) -> _Block:
    return _Block("\n".join(lines), last_line - len(lines) + 1, last_line, heading)


def _pieces(blocks: Iterator[_Block], size: int) -> Iterator[_Block]:
    """``blocks``, with those longer than ``size`` cut into pieces."""
    for block in blocks:
        if len(block.text) <= size:
            yield block
            continue
        text, end, line = block.text, 0, block.first_line
        while start_match := _WORD.search(text, end):
            start = start_match.start()
            line += text.count("\n", end, start)
            end = _cut(text, start, size)
            piece = text[start:end].rstrip()
            last = line + piece.count("\n")
            yield _Block(piece, line, last, block.heading)
            line += text.count("\n", start, end)


def _cut(text: str, start: int, size: int) -> int:
    """Where the piece that begins at ``start`` ends: after a sentence, else a word, else anywhere."""
    if len(text) - start <= size:
        return len(text)
    window = text[start : start + size + 1]
    sentences = [found.end() for found in _SENTENCE_END.finditer(window) if size // 2 < found.end() <= size]
    if sentences:
        return start + sentences[-1]
    spaces = [found.start() for found in _SPACE.finditer(window) if found.start() > 0]
    return start + (spaces[-1] if spaces else size)


def _read(path: Path, limit: int) -> bytes:
    with open_regular(path) as file:
        try:
            raw = file.read(limit + 1)
        except OSError as fault:
            raise refusal(path, fault) from fault
    if len(raw) > limit:
        raise DamagedFile(f"too large for a text: the limit is {limit:,} bytes", subject=os.fspath(path))
    return raw


def _decoded(raw: bytes, path: Path) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = raw.decode("utf-16")
        except UnicodeDecodeError as fault:
            raise DamagedFile("begins as UTF-16 text, but is broken", subject=os.fspath(path)) from fault
    elif b"\0" in raw:
        text = "\0"
    else:
        text = _from_bytes(raw)
    if "\0" in text:
        raise DamagedFile("holds NUL bytes, so it is not text", subject=os.fspath(path))
    if has_control_characters(text):
        raise DamagedFile("holds control characters, so it is not text", subject=os.fspath(path))
    return text


def _from_bytes(raw: bytes) -> str:
    """UTF-8; with a few wrong bytes in it still UTF-8; else Windows-1252, as old editors wrote it."""
    text = raw.decode("utf-8-sig", errors="replace")
    wrong = text.count("\ufffd")
    foreign = sum(1 for sign in text if sign > "\x7f") - wrong if wrong else 0
    if wrong <= foreign:
        return text
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:  # five bytes are unused there
        return raw.decode("latin-1")
