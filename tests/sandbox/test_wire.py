"""Messages on the wire: every one comes back as it was, and nothing else is let in."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bindsearch.loaders.base import FileFacts, LoadOptions
from bindsearch.loaders.hints import NO_HINT, Hint, Neighbour
from bindsearch.media import Clip, DepthMap, HeatMap, MotionLog, Passage, Picture, Sound
from bindsearch.modality import Modality
from bindsearch.sandbox.wire import (
    MEDIA,
    SHAPES,
    Broke,
    Ended,
    Garbled,
    Message,
    Opened,
    Ready,
    Refused,
    Request,
    Stop,
    pack,
    unpack,
)  # fmt: skip

ALL = (*MEDIA, Broke, Ended, Opened, Ready, Refused, Request, Stop)
ROOM = 1 << 24

seconds = st.floats(0, 1e6)
words = st.text(st.characters(exclude_categories=["Cs"]))
sides = st.integers(0, 5)
maybe = st.none() | seconds


def pixels(*sides: int) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.uint8, sides)


def floats(*sides: int) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.float32, sides)


pictures = st.tuples(sides, sides).flatmap(lambda s: st.builds(Picture, pixels(*s, 3)))
clips = st.tuples(sides, sides, sides).flatmap(lambda s: st.builds(Clip, pixels(*s, 3), seconds, seconds))
passages = st.builds(Passage, words, st.none() | st.integers(1, 10**9), st.none() | st.integers(1, 10**9))
sounds = sides.flatmap(lambda n: st.builds(Sound, floats(n), st.integers(1, 10**6), seconds, seconds))
depths = st.tuples(sides, sides).flatmap(lambda s: st.builds(DepthMap, floats(*s), maybe, maybe))
heats = st.tuples(sides, sides).flatmap(lambda s: st.builds(HeatMap, floats(*s), st.booleans()))
motions = sides.flatmap(
    lambda n: st.builds(MotionLog, arrays.arrays(np.float64, n), floats(n, 3), floats(n, 3), seconds, seconds)
)
media = st.one_of(pictures, clips, passages, sounds, depths, heats, motions)
facts = st.builds(
    FileFacts, st.sampled_from(Modality), words, maybe, maybe, maybe, st.none() | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**9), maybe, st.none() | words, st.none() | words,
)  # fmt: skip
neighbours = st.builds(Neighbour, words, st.text(), st.integers(0, 2**62), st.integers(0, 2**62))
hints = st.builds(
    Hint,
    modality=st.none() | st.sampled_from(Modality),
    ruled=st.booleans(),
    unit=st.none() | words,
    scale=maybe,
    columns=st.lists(st.tuples(words, words)).map(tuple),
    neighbours=st.lists(neighbours).map(tuple),
)
requests = st.builds(
    Request,
    st.text(),
    st.none() | st.builds(LoadOptions, max_pixels=st.integers(1, 2**40), span_seconds=st.floats(0.1)),
    st.none() | hints,
)
others = st.one_of(
    st.builds(Opened, facts, st.lists(words).map(tuple)),
    st.builds(Ended, st.booleans()),
    st.builds(Refused, words, words, st.none() | words, st.none() | words, st.booleans()),
    st.builds(Broke, words),
    st.builds(Ready, words),
    st.just(Stop()),
)


def reader(data: bytes) -> Callable[[memoryview], None]:
    """Hands out ``data`` piece by piece as a pipe does."""
    at = 0

    def fill(view: memoryview) -> None:
        nonlocal at
        if at + len(view) > len(data):
            raise EOFError
        view[:] = data[at : at + len(view)]
        at += len(view)

    return fill


def sent(message: Message) -> bytes:
    return b"".join(pack(message))


def received(data: bytes, room: int = ROOM) -> Any:
    return unpack(reader(data), ALL, room)


def raw(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + body


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    for field in fields(left):
        mine, yours = getattr(left, field.name), getattr(right, field.name)
        if isinstance(mine, np.ndarray):
            assert (mine.dtype, mine.shape) == (yours.dtype, yours.shape)
            assert yours.flags.c_contiguous
            np.testing.assert_array_equal(mine, yours)
        else:
            assert mine == yours


@given(media | others | requests)
def test_every_message_comes_back_as_it_was(message: Message) -> None:
    assert_same(message, received(sent(message)))


def test_every_array_of_every_medium_has_a_known_shape() -> None:
    declared = {
        (kind, field.name) for kind in MEDIA for field in fields(kind) if "Pixels" in str(field.type)
        or "Floats" in str(field.type) or "NDArray" in str(field.type)
    }  # fmt: skip
    assert declared == set(SHAPES)


def test_arrays_in_another_order_of_memory_arrive_whole() -> None:
    turned = np.arange(24, dtype=np.uint8).reshape(2, 4, 3).transpose(1, 0, 2)
    np.testing.assert_array_equal(received(sent(Picture(turned))).pixels, turned)


def test_numbers_of_numpy_are_numbers() -> None:
    heard = received(sent(Sound(np.zeros(1, np.float32), np.int64(8000), np.float32(0.5), np.float64(1.0))))
    assert (heard.rate, heard.start, heard.end) == (8000, 0.5, 1.0)


def test_half_a_surrogate_pair_is_repaired_in_answers_and_kept_in_file_names() -> None:
    assert received(sent(Passage("a\udcffb"))).text == "a\ufffdb"
    assert received(sent(Request("/a\udcff", None, None))).path == "/a\udcff"


PIXELS = {"shape": [1, 1, 3], "type": "|u1"}


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 2**32 - 1),
        struct.pack("<I", 4) + b"\xff\xfe\0\0",
        struct.pack("<I", 4000) + b"[" * 4000,
        raw([]),
        raw({}),
        raw({"is": "Popen", "args": "ls"}),
        raw({"is": ["Stop"]}),
        raw({"is": "Stop", "more": 1}),
        raw({"is": "Ended"}),
        raw({"is": "Ended", "spent": 1}),
        raw({"is": "Picture", "pixels": None}),
        raw({"is": "Picture", "pixels": {**PIXELS, "type": "|O"}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "type": "<f4"}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [1, 1, 4]}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [3]}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [-1, -1, 3]}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [1.0, 1, 3]}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [10**5, 10**5, 3]}}),
        raw({"is": "Picture", "pixels": {**PIXELS, "shape": [0, 2**62, 3]}}),
        raw({"is": "Passage", "text": 3, "first_line": None, "last_line": None}),
        raw({"is": "Passage", "text": "x", "first_line": 10**30, "last_line": None}),
        raw({"is": "Passage", "text": "x", "first_line": True, "last_line": None}),
        raw({"is": "Opened", "facts": {}, "notes": []}),
        raw({"is": "Opened", "facts": None, "notes": "abc"}),
        b'\x24\0\0\0{"is":"Passage","text":1' + b"0" * 5000,
    ],
    ids=lambda data: repr(data[4:44]),
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Garbled):
        received(data)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_time_that_is_no_number_is_refused(number: str) -> None:
    good = sent(Sound(np.zeros(0, np.float32), 1, 12.25, 13.5))
    bad = good[4:].replace(b"12.25", number.encode())
    with pytest.raises(Garbled):
        received(struct.pack("<I", len(bad)) + bad)


def test_arrays_that_contradict_each_other_are_refused() -> None:
    log = MotionLog(np.zeros(2), np.zeros((3, 3), np.float32), np.zeros((2, 3), np.float32), 0.0, 1.0)
    with pytest.raises(Garbled):
        received(sent(log))


def test_an_array_may_fill_the_room_and_not_a_byte_more() -> None:
    data = sent(Picture(np.zeros((10, 10, 3), np.uint8)))
    assert received(data, 300).pixels.nbytes == 300
    with pytest.raises(Garbled):
        received(data, 299)


def test_a_message_that_is_not_awaited_is_refused() -> None:
    with pytest.raises(Garbled):
        unpack(reader(sent(Stop())), (Ended,), ROOM)


@given(media | others | requests, st.data())
def test_a_flipped_bit_gives_a_message_or_a_refusal_and_nothing_else(message: Message, data: Any) -> None:
    flipped = bytearray(sent(message))
    at = data.draw(st.integers(0, len(flipped) - 1))
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        heard = received(bytes(flipped))
    except (Garbled, EOFError):
        return
    assert isinstance(heard, ALL)


def test_the_union_of_media_is_what_the_wire_knows() -> None:
    assert {kind for kind, _ in SHAPES} | {Passage} == set(MEDIA)
    assert get_args(Message)
    assert Hint() == NO_HINT
