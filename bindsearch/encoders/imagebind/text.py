"""CLIP's byte-pair tokenizer: text to the 77 ids that the text tower takes.

The merges lie beside this module. Text is repaired and cleaned here; splitting and merging is done by the
``tokenizers`` library, which was found to give the published tokenizer's ids on every text tried. An end id
always closes the text, at the last position if it is too long; what comes after is not read.
"""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import Split

MERGES = Path(__file__).parent / "vocabulary" / "merges.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"
CONTEXT = 77

_WORD_END = "</w>"
_PIECES = (
    rf"(?i){re.escape(START)}|{re.escape(END)}|'s|'t|'re|'ve|'m|'ll|'d|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"
)
_SPLITS_WORDS = "\u0345"  # the published pattern leaves this combining letter out
_PRINTABLE = (*range(33, 127), *range(161, 173), *range(174, 256))  # bytes that stand for themselves


def token_ids(texts: Sequence[str], context: int = CONTEXT) -> NDArray[np.int64]:
    """Ids (len(texts), context): start, the text, end, then zeros."""
    tokenizer = _tokenizer()
    start, end = _marker_id(START), _marker_id(END)
    ids = np.zeros((len(texts), context), np.int64)
    for row, text in zip(ids, texts, strict=True):
        known = [start, *_ids(tokenizer, cleaned(text))][: context - 1]
        row[: len(known) + 1] = [*known, end]
    return ids


def cleaned(text: str) -> str:
    """Damaged encodings and HTML entities repaired, white space single, letters small."""
    from ftfy import fix_text

    repaired = html.unescape(html.unescape(fix_text(text))).strip()
    single = re.sub(r"\s+", " ", repaired).strip().lower()
    return single.replace(_SPLITS_WORDS, " ")


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """A marker written in the text is one id, but only where the pattern begins a piece with it."""
    if START not in text and END not in text:
        return tokenizer.encode(text).ids
    ids: list[int] = []
    read = 0
    for piece, (first, last) in _pieces().pre_tokenize_str(text):
        if piece in (START, END):
            ids += [*tokenizer.encode(text[read:first]).ids, _marker_id(piece)]
            read = last
    return ids + tokenizer.encode(text[read:]).ids


def _marker_id(marker: str) -> int:
    found = _tokenizer().token_to_id(marker)
    assert found is not None
    return found


@cache
def _pieces() -> Split:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    return Split(Regex(_PIECES), behavior="removed", invert=True)


@cache
def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.pre_tokenizers import Sequence as Steps

    lines = gzip.decompress(MERGES.read_bytes()).decode().splitlines()
    merges = [(left, right) for left, right in (line.split(" ") for line in lines)]
    symbols = _byte_symbols()
    names = [*symbols, *(s + _WORD_END for s in symbols), *(a + b for a, b in merges), START, END]
    vocabulary = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix=_WORD_END))
    tokenizer.pre_tokenizer = Steps([_pieces(), ByteLevel(add_prefix_space=False, use_regex=False)])
    return tokenizer


def _byte_symbols() -> list[str]:
    """A printable character for each byte, in the vocabulary's order."""
    others = len(set(range(256)) - set(_PRINTABLE))
    return [*map(chr, _PRINTABLE), *(chr(256 + n) for n in range(others))]
