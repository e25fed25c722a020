"""What crosses the socket arrives as it was."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch import errors
from bindsearch.answers import Answer, Hit, MomentSequence, Neighbour, State, Via
from bindsearch.errors import BindsearchError, DaemonGone, LibraryBusy, QueryError
from bindsearch.modality import Modality
from bindsearch.remote.http import ask
from bindsearch.remote.wire import (
    answer_of,
    answer_record,
    error_of,
    error_record,
    neighbour_of,
    neighbour_record,
    sequence_of,
    sequence_record,
)
from bindsearch.wishes import Wishes

NAMES = st.binary(max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)
PATHS = NAMES.map(lambda name: Path("/", name.lstrip("/")))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBERS
LINES = st.none() | st.integers(1, 10**6)
PLACE = {
    "path": PATHS,
    "modality": st.sampled_from(Modality),
    "start": MAYBE,
    "end": MAYBE,
    "first_line": LINES,
    "last_line": LINES,
    "text": st.none() | st.text(),
    "taken_at": MAYBE,
    "state": st.sampled_from(State),
    "other_paths": st.lists(PATHS).map(tuple),
    "segment_id": st.integers(1, 2**63 - 1),
}
HITS = st.builds(
    Hit,
    score=NUMBERS,
    sha256=st.just("00ff"),
    standing=MAYBE,
    duplicates=st.lists(PATHS).map(tuple),
    tags=st.lists(st.text()).map(tuple),
    via=st.sampled_from(Via),
    **PLACE,
)
ANSWERS = st.builds(
    Answer,
    hits=st.lists(HITS, max_size=3).map(tuple),
    level=NUMBERS,
    best=MAYBE,
    judged=st.booleans(),
    used=st.frozensets(st.sampled_from(Via)),
    has_vectors=st.booleans(),
)
SEQUENCES = st.builds(
    MomentSequence,
    moments=st.lists(HITS, max_size=3).map(tuple),
    gaps=st.lists(NUMBERS).map(tuple),
    score=NUMBERS,
    standing=MAYBE,
)
NEIGHBOURS = st.builds(Neighbour, offset=NUMBERS, gap=NUMBERS, score=MAYBE, standing=MAYBE, **PLACE)


@given(ANSWERS)
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    arrived = answer_of(json.loads(json.dumps(answer_record(answer))))
    assert arrived == answer
    assert [type(hit.path) for hit in arrived] == [type(hit.path) for hit in answer]


@given(SEQUENCES)
def test_a_sequence_arrives_as_it_was(one: MomentSequence) -> None:
    assert sequence_of(json.loads(json.dumps(sequence_record(one)))) == one


@given(NEIGHBOURS)
def test_a_neighbour_arrives_as_it_was(one: Neighbour) -> None:
    assert neighbour_of(json.loads(json.dumps(neighbour_record(one)))) == one


@given(st.builds(Wishes, types=st.lists(st.sampled_from(Modality)).map(tuple), since=st.none() | NAMES))
def test_wishes_arrive_as_they_were(wishes: Wishes) -> None:
    assert Wishes.of(json.loads(json.dumps(wishes.record()))) == wishes


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_arrives_as_it_was(kind: type[BindsearchError]) -> None:
    made = {
        LibraryBusy: lambda: LibraryBusy("/a", 7),
        QueryError: lambda: QueryError("no", subject="s", hint="h", position=1, expression="ab"),
    }.get(kind, lambda: kind("no", subject="s", hint="h"))()
    arrived = error_of(json.loads(json.dumps(error_record(made))))
    assert type(arrived) is type(made) and str(arrived) == str(made)
    assert {name: value for name, value in vars(arrived).items() if value is not None} == vars(made)


def test_an_error_of_a_class_that_nobody_knows_arrives_as_one_that_everybody_does() -> None:
    class Odd(QueryError):
        pass

    assert type(error_of(error_record(Odd("no")))) is QueryError


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-type: application/json\r\n\r\n{",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"220 mail ready\r\n\r\n",
        b"\xff\xff\xff",
    ],
)
def test_half_an_answer_is_none(answer: bytes) -> None:
    ours, theirs = socket.socketpair()

    def talk() -> None:
        with theirs:
            theirs.recv(1000)
            theirs.sendall(answer)

    thread = threading.Thread(target=talk)
    thread.start()
    with ours, pytest.raises(DaemonGone):
        ask(ours, "GET", "/healthz")
    thread.join()
