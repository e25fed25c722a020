"""Sequences: the join against every row tried out, and a diary whose answers are known."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.answers import Hit, MomentSequence
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.index.timeline import Timing
from bindsearch.ingest.library import Library
from bindsearch.ingest.sequences import Asking, Event, find_sequences, join
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.diary import DiaryEncoder, Moments, by_cosine, film, photo, recording, write_diary
from tests.media import BLUE, GREEN, RED, WHITE

HOUR = 3600.0
FOR_EVER = 1e9


# ------------------------------------------------------------------------------------------------ the join


def follows(first: Event, second: Event, within: int) -> bool:
    """The rule as the documents state it, in words of its own."""
    (clock, start, end), (other, begin, stop) = first.timing, second.timing
    shared = end - begin
    return (
        clock == other
        and begin > start
        and begin - end <= within
        and 2 * shared <= end - start
        and 2 * shared <= stop - begin
    )


def every_row(parts: Sequence[Sequence[Event]], within: int, once: bool) -> list[list[Event]]:
    """All rows, best first, by trying everything."""
    rows = [list(row) for row in product(*parts) if all(follows(*two, within) for two in pairwise(row))]
    rows.sort(
        key=lambda row: (
            -min(event.strength for event in row),
            -sum(event.strength for event in row),
            [(event.timing, event.segment_id) for event in row],
        )
    )
    if not once:
        return rows
    return _first_of_each(rows)


def _first_of_each(rows: Sequence[list[Event]]) -> list[list[Event]]:
    best: dict[Event, list[Event]] = {}
    for row in rows:
        best.setdefault(row[0], row)
    return list(best.values())


def events(part: int) -> st.SearchStrategy[list[Event]]:
    """Moments crowded enough to meet, overlap and tie."""
    one = st.builds(
        lambda clock, start, length, strength: (Timing(clock, start, start + length), strength),
        st.integers(0, 1),
        st.integers(-12, 12),
        st.sampled_from([0, 0, 1, 2, 3, 5, 9]),
        st.integers(-3, 3),
    )
    return st.lists(one, max_size=9).map(
        lambda found: [Event(timing, strength, 100 * part + n) for n, (timing, strength) in enumerate(found)]
    )


@given(
    st.integers(2, 4).flatmap(lambda count: st.tuples(*map(events, range(count)))),
    st.integers(0, 12),
    st.booleans(),
)
def test_the_join_gives_the_rows_that_trying_everything_gives(
    parts: tuple[list[Event], ...], within: int, once: bool
) -> None:
    expected = every_row(parts, within, once)
    assert join(parts, within, len(expected) + 1, once=once) == expected


@given(st.tuples(events(0), events(1), events(2)), st.integers(0, 12), st.integers(1, 5))
def test_fewer_rows_are_the_best_of_more(parts: tuple[list[Event], ...], within: int, k: int) -> None:
    assert join(parts, within, k) == join(parts, within, 1000)[:k]


@given(st.tuples(events(0), events(1)), st.randoms(use_true_random=False))
def test_the_order_in_which_moments_come_has_no_say(parts: tuple[list[Event], ...], chance: object) -> None:
    shuffled = [list(part) for part in parts]
    for part in shuffled:
        chance.shuffle(part)  # type: ignore[attr-defined]
    assert join(shuffled, 4, 1000) == join(parts, 4, 1000)


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        ((0, 4), (4, 8), True),  # touching
        ((0, 5), (4, 9), True),  # as spans of a sound overlap
        ((0, 4), (2, 6), True),  # half
        ((0, 4), (1, 5), False),  # more than half
        ((0, 4), (0, 4), False),  # at once
        ((0, 4), (2, 3), False),  # within the first
        ((2, 3), (0, 4), False),  # around the first
        ((0, 4), (4, 4), True),  # a photo as the film ends
        ((0, 4), (3, 3), False),  # a photo while the film runs
        ((4, 4), (4, 8), False),  # a photo as the film begins
        ((4, 4), (4, 4), False),  # two photos of one instant
        ((4, 4), (5, 5), True),
        ((5, 5), (4, 4), False),  # the other way about
        ((0, 4), (14, 20), True),  # exactly the limit
        ((0, 4), (15, 20), False),  # just beyond it
    ],
)
def test_what_comes_after_what(first: tuple[int, int], second: tuple[int, int], after: bool) -> None:
    events = [Event(Timing(0, *first), 1, 1), Event(Timing(0, *second), 1, 2)]
    assert bool(join([events[:1], events[1:]], 10, 5)) is after
    assert follows(*events, 10) is after


def test_two_strong_moments_outrank_one_that_is_unmistakable_and_one_that_could_be_anything() -> None:
    first = [Event(Timing(0, 0, 0), 50, 1), Event(Timing(0, 100, 100), 30, 2)]
    second = [Event(Timing(0, 5, 5), 5, 3), Event(Timing(0, 105, 105), 30, 4)]
    assert [[event.segment_id for event in row] for row in join([first, second], 10, 5)] == [[2, 4], [1, 3]]


def test_a_chain_of_four_goes_on_where_its_end_is_worth_it() -> None:
    def at(second: int, strength: int, name: int) -> Event:
        return Event(Timing(0, second, second), strength, name)

    parts = [
        [at(0, 9, 1)],
        [at(1, 9, 2), at(2, 7, 3)],  # the better of these leads nowhere
        [at(6, 8, 4), at(30, 9, 5)],
        [at(10, 7, 6), at(11, 1, 7)],
    ]
    assert [[event.segment_id for event in row] for row in join(parts, 4, 5)] == [[1, 3, 4, 6]]


def calls(ask: Callable[[], object]) -> int:
    """How many calls of functions ``ask`` takes: a measure of work on which the machine has no say."""
    count = 0

    def note(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(note)
    try:
        ask()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("parts", [2, 3])
def test_twice_the_moments_take_little_more_than_twice_the_work(parts: int) -> None:
    """Though each follows, or nearly, each: among n in every part there are n * n pairs."""

    def crowd(size: int) -> list[list[Event]]:
        return [
            [Event(Timing(0, n, n + 40), (n * n + part) % 1009, size * part + n) for n in range(size)]
            for part in range(parts)
        ]

    small, large = crowd(1000), crowd(2000)
    assert len(join(large, 10**9, 10)) == 10
    assert calls(lambda: join(large, 10**9, 10)) < 2.6 * calls(lambda: join(small, 10**9, 10))


# ----------------------------------------------------------------------------------------------- the diary


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, Moments]]:
    """The diary, indexed."""
    folder = tmp_path_factory.mktemp("diary")
    moments = write_diary(folder)
    with Library(tmp_path_factory.mktemp("library"), Settings(), DiaryEncoder()) as opened:
        report = opened.index(folder)
        assert (report.indexed, report.failed) == (17, 0)
        yield opened, moments


def sequences(
    library: Library,
    *queries: str,
    within: float = 600.0,
    k: int = 10_000,
    wanted: Filter | None = None,
    all_moments: bool = False,
) -> list[MomentSequence]:
    search = partial(by_cosine, library)
    catalog = library._reading().catalog
    return find_sequences(search, catalog, queries, k, wanted, within, all_moments=all_moments)


def name(hit: Hit) -> str:
    return f"{hit.path.stem}@{round(hit.start or 0)}"


def names(found: Sequence[MomentSequence]) -> list[tuple[str, ...]]:
    return [tuple(map(name, sequence.moments)) for sequence in found]


def best(library: Library, *queries: str, within: float = 600.0) -> list[tuple[str, ...]]:
    """The sequences of which every moment is what its query names."""
    return names(
        one for one in sequences(library, *queries, within=within, all_moments=True) if one.score > 0.7
    )


def test_every_pair_of_moments_that_follow_each_other_is_given_and_no_other(
    diary: tuple[Library, Moments],
) -> None:
    """What a query would find has no say here: every moment is a candidate for both parts."""
    library, moments = diary
    for within in (0.0, 2.0, 60.0, 600.0, HOUR, FOR_EVER):
        expected = {
            (first, second)
            for (first, (clock, start, end)), (second, (other, begin, _)) in product(
                moments.items(), repeat=2
            )
            if clock == other and begin > start and end <= begin <= end + within
        }
        found = sequences(library, "red", "green", within=within, all_moments=True)
        assert set(names(found)) == expected
        assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("queries", "within", "expected"),
    [
        (("bark", "red"), 300, [("dog@0", "door@0")]),  # over midnight, UTC and +02:00
        (("bark", "red"), 295, []),  # 296 s after the bark has ended
        (("bark", "red"), 296, [("dog@0", "door@0")]),
        (("red", "bark"), 300, []),  # the other way about
        (("green", "blue"), 0, [("walk@0", "walk@3")]),  # spans of a film that touch
        (("green", "red"), 10, [("walk@0", "during@0")]),  # UTC and -05:00, on different days
        (("blue", "red"), 600, []),  # at once
        (("red", "white"), 2, [("during@0", "touching@0")]),
        (("blue", "white"), 1, [("walk@3", "touching@0")]),
        (("red", "green"), 0, [("lost@3", "lost@6")]),  # two photos of one instant are none
        (("blue", "white"), 599, [("walk@3", "touching@0")]),
        (("blue", "white"), 600, [("edge@0", "inside@0"), ("walk@3", "touching@0")]),
        (
            ("blue", "white"),
            600.001,
            [("edge@0", "inside@0"), ("edge@0", "outside@0"), ("walk@3", "touching@0")],
        ),
        (("green", "red"), 20, [("summer@0", "winter@0"), ("walk@0", "during@0")]),  # the clocks went back
        (("bark", "red", "green"), HOUR, [("dog@0", "door@0", "walk@0")]),
        (
            ("bark", "red", "green", "blue", "white"),
            HOUR,
            [("dog@0", "door@0", "walk@0", "walk@3", "touching@0")],
        ),
        (("bark", "green", "red"), HOUR, []),  # the walk began 62 minutes later
        (("white", "red", "green"), 0, [("lost@0", "lost@3", "lost@6")]),  # a file that has no clock
        (("white", "bark"), FOR_EVER, []),  # two files that have none
    ],
)
def test_the_diary_is_read_right(
    diary: tuple[Library, Moments], queries: tuple[str, ...], within: float, expected: list[tuple[str, ...]]
) -> None:
    assert sorted(best(diary[0], *queries, within=within)) == sorted(expected)


def test_files_that_do_not_say_when_they_were_taken_meet_no_other(diary: tuple[Library, Moments]) -> None:
    found = sequences(diary[0], "red", "red", within=FOR_EVER, all_moments=True)
    mixed = [
        sequence
        for sequence in found
        if len({moment.path for moment in sequence.moments}) > 1
        and any(moment.taken_at is None for moment in sequence.moments)
    ]
    assert found
    assert mixed == []
    paths = {moment.path.name for sequence in found for moment in sequence.moments}
    assert not paths & {"undated.jpg", "note.md", "lost.wav"}  # changed that night, which is no clock


def test_gaps_are_seconds_from_an_end_to_the_next_beginning(diary: tuple[Library, Moments]) -> None:
    found = sequences(diary[0], "bark", "red", "green", within=HOUR, k=1)[0]
    assert found.gaps == (296.0, 57 * 60.0)
    assert found.score == min(moment.score for moment in found.moments)


def test_a_moment_begins_one_sequence_unless_all_are_asked_for(diary: tuple[Library, Moments]) -> None:
    once = names(sequences(diary[0], "blue", "white", within=700))
    assert [two[0] for two in once].count("edge@0") == 1
    assert ("edge@0", "inside@0") in once  # of two that are alike the nearer
    every = names(sequences(diary[0], "blue", "white", within=700, all_moments=True))
    assert {("edge@0", "inside@0"), ("edge@0", "outside@0")} <= set(every)


def test_a_filter_holds_for_every_moment(diary: tuple[Library, Moments]) -> None:
    library = diary[0]
    films = Filter(modalities=frozenset({Modality.VIDEO}))
    found = names(sequences(library, "green", "red", within=HOUR, wanted=films, all_moments=True))
    assert set(found) == {("walk@0", "walk@3"), ("lost@0", "lost@3"), ("lost@3", "lost@6")} | {
        ("lost@0", "lost@6")
    }
    nowhere = Filter(modalities=frozenset({Modality.DEPTH}))
    assert sequences(library, "green", "red", wanted=nowhere) == []


def test_parts_are_expressions(diary: tuple[Library, Moments]) -> None:
    library = diary[0]
    found = sequences(library, "bark + 0.1*red", "red - green", within=300)
    assert names(found)[0] == ("dog@0", "door@0")


@pytest.mark.parametrize(
    "ask",
    [
        lambda library: sequences(library, "red"),
        lambda library: sequences(library, "red", "green", k=0),
        lambda library: sequences(library, "red", "green", within=-1),
        lambda library: sequences(library, "red", "green", within=float("nan")),
        lambda library: sequences(library, "red", "green - (blue"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    diary: tuple[Library, Moments], ask: Callable[[Library], object]
) -> None:
    with pytest.raises(QueryError):
        ask(diary[0])


# ----------------------------------------------------------------------------------------- other libraries


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Library]:
    """An empty library with the diary's encoder."""
    with Library(tmp_path / "library", Settings(), DiaryEncoder()) as opened:
        yield opened


@pytest.mark.parametrize("created", ["", "2024-03-31T00:59:58Z"])
def test_a_film_gives_the_same_sequences_by_its_own_clock_and_by_the_worlds(
    heard: Library, folder: Path, created: str
) -> None:
    """Pictures and sounds are cut at different places, and are no sequence where they are at once."""
    film(folder / "film.mp4", [GREEN, BLUE, RED, WHITE], created, sound=12.0)
    heard.index(folder)
    found = sequences(heard, "green", "bark", within=0.0, all_moments=True)
    spans = {
        tuple((moment.modality, round(moment.start or 0), round(moment.end or 0)) for moment in one.moments)
        for one in found
    }
    assert (("video", 0, 3), ("audio", 0, 5)) not in spans
    assert (("audio", 0, 5), ("video", 0, 3)) not in spans
    assert (("audio", 0, 5), ("video", 3, 6)) not in spans  # two of three seconds are heard and seen at once
    assert (("audio", 0, 5), ("video", 6, 9)) not in spans  # a second later
    assert (("audio", 0, 5), ("audio", 4, 9)) in spans
    assert (("video", 0, 3), ("video", 3, 6)) in spans
    assert (("video", 0, 3), ("audio", 4, 9)) not in spans  # a second later
    within = sequences(heard, "green", "bark", within=1.0, all_moments=True)
    assert ("green", 1.0) in {("green", one.gaps[0]) for one in within if one.score > 0.7}


def test_words_beside_a_file_are_of_its_time_and_notes_of_none(heard: Library, folder: Path) -> None:
    photo(folder / "porch.jpg", BLUE, "2024:06:01 10:00:00", "Z")
    (folder / "porch.txt").write_text("bark\n")
    photo(folder / "gate.jpg", RED, "2024:06:01 10:05:00", "Z")
    (folder / "journal.md").write_text("bark\n")
    heard.index(folder)
    assert best(heard, "bark", "red") == [("porch@0", "gate@0")]


def test_a_copy_is_the_same_moment(heard: Library, folder: Path) -> None:
    first = photo(folder / "a.jpg", GREEN, "2024:06:01 10:00:00", "Z")
    (folder / "b.jpg").write_bytes(first.read_bytes())
    photo(folder / "c.jpg", RED, "2024:06:01 10:05:00", "Z")
    heard.index(folder)
    found = sequences(heard, "green", "red")
    assert names(found) == [("a@0", "c@0")]
    assert found[0].moments[0].other_paths == (folder / "b.jpg",)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York", "Pacific/Apia"])
def test_photos_without_a_zone_are_of_local_time_and_meet_others_by_it(
    heard: Library, folder: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        photo(folder / "local1.jpg", GREEN, "2024:06:01 23:58:00")
        photo(folder / "local2.jpg", RED, "2024:06:02 00:03:00")
        film(folder / "utc.mp4", [BLUE], "2024-06-01T22:04:00Z")  # a minute later in Berlin
        photo(folder / "zoned1.jpg", WHITE, "2024:06:02 00:05:00", "+02:00")
        heard.index(folder)
        assert best(heard, "green", "red", within=300) == [("local1@0", "local2@0")]
        assert best(heard, "blue", "white", within=57) == [("utc@0", "zoned1@0")]
        meets = best(heard, "red", "blue", within=60)
        assert meets == ([("local2@0", "utc@0")] if zone == "Europe/Berlin" else [])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert os.environ.get("TZ") != "Pacific/Apia"


def test_clocks_beyond_any_calendar_do_not_break_the_join(heard: Library, folder: Path) -> None:
    photo(folder / "old.jpg", GREEN, "1000:01:01 00:00:00", "Z")
    photo(folder / "far.jpg", RED, "9999:12:31 23:59:59", "Z")
    recording(folder / "dog.wav", 4, "1969-12-31T23:59:59Z")  # a clock that was never set
    heard.index(folder)
    assert best(heard, "green", "red", within=float("inf")) == [("old@0", "far@0")]
    assert best(heard, "green", "red", within=HOUR) == []
    assert best(heard, "bark", "red", within=float("inf")) == []


def test_moments_that_have_a_time_are_found_behind_any_number_of_notes(heard: Library, folder: Path) -> None:
    for number in range(30):
        (folder / f"note{number}.md").write_text(f"green red {number}\n")
    photo(folder / "a.jpg", GREEN, "2024:06:01 10:00:00", "Z")
    photo(folder / "b.jpg", RED, "2024:06:01 10:05:00", "Z")
    heard.index(folder)
    catalog = heard._reading().catalog
    found = find_sequences(partial(by_cosine, heard), catalog, ["green + red", "green + red"], candidates=8)
    assert names(found) == [("a@0", "b@0")]


@pytest.mark.parametrize("known", [True, False])
def test_moments_are_weighed_by_their_standing_where_all_have_one(
    diary: tuple[Library, Moments], known: bool
) -> None:
    """By cosine the pair with the door is best; the standings are the other way about."""

    def search(query: Asking, k: int, wanted: Filter | None) -> list[Hit]:
        hits = by_cosine(library, query, k, wanted)
        return [replace(hit, standing=3 - hit.score if known or hit.score > 0.5 else None) for hit in hits]

    library = diary[0]
    found = find_sequences(search, library._reading().catalog, ["bark", "red"], 1000, within=1e9)
    assert (names(found)[0] == ("dog@0", "door@0")) is not known
    ranks = [sequence.rank for sequence in found]
    assert ranks == sorted(ranks, reverse=True)
    if known:
        assert ranks == [min(moment.standing or 0 for moment in one.moments) for one in found]
