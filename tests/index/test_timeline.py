"""The timeline: what was about when, on the world's clock and on a file's own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import update

from bindsearch.answers import Neighbour
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.index.schema import contents
from bindsearch.index.timeline import WORLD, Timing, anchor_file, anchor_segment, timings_of
from bindsearch.ingest.library import Library
from bindsearch.ingest.sequences import find_neighbours, read_anchor
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.diary import DiaryEncoder, Moments, by_cosine, film, photo, utc, write_diary
from tests.media import BLUE, GREEN, RED

HOUR = 3600.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diary")


@pytest.fixture(scope="module")
def moments(folder: Path) -> Moments:
    return write_diary(folder)


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory, folder: Path, moments: Moments) -> Iterator[Library]:
    """The diary, indexed."""
    assert moments
    with Library(tmp_path_factory.mktemp("library"), Settings(), DiaryEncoder()) as opened:
        opened.index(folder)
        yield opened


def around(
    library: Library,
    hit: str,
    within: float,
    *,
    query: str | None = None,
    k: int | None = None,
    wanted: Filter | None = None,
) -> list[Neighbour]:
    catalog = library._reading().catalog
    search = partial(by_cosine, library)
    key = library.encoder.space.key
    return find_neighbours(search, catalog, read_anchor(catalog, hit), key, query, k, wanted, within)


def shown(found: list[Neighbour]) -> list[tuple[str, float]]:
    return [(f"{one.path.stem}@{round(one.start or 0)}", one.offset) for one in found]


def segment(library: Library, name: str, start: float | None = None) -> str:
    """The segment of the file called ``name`` that begins at ``start``, as a query writes it."""
    hits = by_cosine(library, "red", 1000, None)
    return next(f"@{hit.segment_id}" for hit in hits if hit.path.name == name and hit.start in (None, start))


def test_neighbours_come_in_time_order_with_how_far_off_they_are(diary: Library) -> None:
    walk = segment(diary, "walk.mp4", 3.0)
    assert shown(around(diary, walk, 60)) == [("walk@0", -3.0), ("during@0", 1.0), ("touching@0", 3.0)]
    assert shown(around(diary, walk, HOUR + 300)) == [
        ("dog@0", -3723.0),
        ("door@0", -3423.0),
        ("walk@0", -3.0),
        ("during@0", 1.0),
        ("touching@0", 3.0),
    ]


@pytest.mark.parametrize(("within", "names"), [(600, ["inside@0"]), (600.001, ["inside@0", "outside@0"])])
def test_the_limit_is_exact(diary: Library, folder: Path, within: float, names: list[str]) -> None:
    found = around(diary, str(folder / "edge.jpg"), within)
    assert [name for name, _ in shown(found)] == names
    assert [one.gap for one in found] == [600.0, 600.001][: len(names)]


def test_what_was_at_the_same_time_is_a_neighbour_without_a_gap(diary: Library, folder: Path) -> None:
    found = around(diary, str(folder / "noon1.jpg"), 0)
    assert [(one.path.name, one.offset, one.gap) for one in found] == [("noon2.jpg", 0.0, 0.0)]


def test_a_film_has_its_own_moments_among_its_neighbours_and_what_it_lasts_is_no_distance(
    diary: Library, folder: Path
) -> None:
    found = around(diary, str(folder / "walk.mp4"), 0)
    assert shown(found) == [("walk@0", 0.0), ("walk@3", 3.0), ("during@0", 4.0), ("touching@0", 6.0)]
    assert {one.gap for one in found} == {0.0}
    part = around(diary, f"{folder / 'walk.mp4'}[0-2]", 1.5)
    assert shown(part) == [("walk@0", 0.0), ("walk@3", 3.0)]


def test_a_file_without_a_clock_has_only_itself(diary: Library, folder: Path) -> None:
    lost = segment(diary, "lost.mp4", 3.0)
    assert shown(around(diary, lost, 1e9)) == [("lost@0", -3.0), ("lost@6", 3.0)]
    assert shown(around(diary, str(folder / "lost.mp4"), 0)) == [
        ("lost@0", 0.0),
        ("lost@3", 3.0),
        ("lost@6", 6.0),
    ]
    assert around(diary, segment(diary, "lost.wav", 0.0), 1e9) == []


def test_the_night_on_which_the_clocks_go_back_is_an_hour_longer(diary: Library, folder: Path) -> None:
    found = around(diary, str(folder / "summer.jpg"), HOUR)
    assert shown(found) == [("winter@0", 15.0), ("later@0", 3600.0)]


def test_of_many_the_nearest_are_taken_and_stay_in_time_order(diary: Library) -> None:
    walk = segment(diary, "walk.mp4", 3.0)
    assert shown(around(diary, walk, 2 * HOUR, k=2)) == [("walk@0", -3.0), ("during@0", 1.0)]
    assert shown(around(diary, walk, 2 * HOUR, k=4))[0] == ("door@0", -3423.0)


def test_a_query_ranks_the_neighbours_and_finds_nothing_else(diary: Library) -> None:
    walk = segment(diary, "walk.mp4", 3.0)
    found = around(diary, walk, 2 * HOUR, query="red")
    assert {name for name, _ in shown(found[:2])} == {"door@0", "during@0"}
    assert len(found) == 5
    scores = [one.score for one in found if one.score is not None]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5
    assert shown(around(diary, walk, 60, query="red", k=1)) == [("during@0", 1.0)]


def test_a_query_ranks_the_moments_of_a_file_without_a_clock(diary: Library, folder: Path) -> None:
    found = around(diary, str(folder / "lost.mp4"), 60, query="green")
    assert shown(found)[0] == ("lost@6", 6.0)
    assert {one.path.name for one in found} == {"lost.mp4"}


@pytest.mark.parametrize("query", [None, "red"])
def test_filters_hold(diary: Library, folder: Path, query: str | None) -> None:
    walk = segment(diary, "walk.mp4", 3.0)
    pictures = Filter(modalities=frozenset({Modality.IMAGE}))
    found = around(diary, walk, 60, wanted=pictures, query=query)
    assert {name for name, _ in shown(found)} == {"during@0", "touching@0"}
    one = Filter(folders=(str(folder / "door.jpg"),))
    assert shown(around(diary, walk, HOUR, wanted=one, query=query)) == [("door@0", -3423.0)]
    late = Filter(since=utc("2024-05-31T23:00:05"))
    assert shown(around(diary, walk, HOUR, wanted=late, query=query)) == [("touching@0", 3.0)]
    lost = around(diary, str(folder / "lost.mp4"), HOUR, wanted=one, query=query)
    assert lost == []


@pytest.mark.parametrize(
    ("hit", "said"),
    [
        ("@99999", "no such segment"),
        ("undated.jpg", "does not say when"),
        ("note.md", "does not say when"),
        ("a dog", "neither a file nor a segment"),
        ("@1 + @2", "neither a file nor a segment"),
        ("nowhere.jpg", "no such file"),
        ("", "empty"),
    ],
)
def test_what_has_no_place_in_time_is_refused(
    diary: Library, folder: Path, hit: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(QueryError, match=said):
        around(diary, hit, 60)


def test_a_file_that_the_library_does_not_hold_is_refused(diary: Library, tmp_path: Path) -> None:
    other = photo(tmp_path / "other.jpg", RED, "2024:06:01 10:00:00", "Z")
    with pytest.raises(QueryError, match="no file of this library"):
        around(diary, str(other), 60)


def test_a_file_that_is_gone_still_has_its_place_in_time(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    gone = photo(root / "gone.jpg", RED, "2024:06:01 10:00:00", "Z")
    photo(root / "here.jpg", GREEN, "2024:06:01 10:00:09", "Z")
    library.index(root)
    gone.unlink()
    library.index()
    assert shown(around(library, str(gone), 60)) == [("here@0", 9.0)]
    assert around(library, str(root / "here.jpg"), 60) == []


def test_a_film_that_lasts_for_days_is_a_neighbour_of_its_end(library: Library, tmp_path: Path) -> None:
    """The header's word on how long it lasts is not needed for that."""
    root = tmp_path / "root"
    root.mkdir()
    film(root / "long.mp4", [RED, GREEN], "2024-06-01T00:00:00Z")
    photo(root / "end.jpg", BLUE, "2024:06:03 00:00:05", "Z")
    library.index(root)
    store = library._writing()
    with store as writing, writing.catalog.write() as session:
        connection = session.connection()
        connection.execute(update(contents).where(contents.c.modality == "video").values(duration=2 * 86_400))
        from bindsearch.index.schema import segments

        connection.execute(
            update(segments).where(segments.c.start > 1).values(start=2 * 86_400 - 5.0, end=2 * 86_400.0)
        )
    found = around(library, str(root / "end.jpg"), 10)
    assert shown(found) == [(f"long@{2 * 86_400 - 5}", -10.0)]
    assert found[0].gap == -5.0


def test_timings_are_whole_milliseconds_on_one_clock_for_all_that_is_dated(
    diary: Library, moments: Moments
) -> None:
    hits = by_cosine(diary, "red", 1000, None)
    with diary._reading().catalog.read() as catalog:
        timings = timings_of(catalog, [hit.segment_id for hit in hits] + [10**9])
        for hit in hits:
            if hit.segment_id not in timings:
                assert hit.path.name in ("undated.jpg", "note.md")
                continue
            timing = timings[hit.segment_id]
            assert (timing.clock == WORLD) is (hit.taken_at is not None)
            assert timing == anchor_segment(catalog, hit.segment_id).timing
            name = f"{hit.path.stem}@{round(hit.start or 0)}"
            if hit.path.name != "lost.wav":
                assert (timing.start / 1000, timing.end / 1000) == pytest.approx(moments[name][1:], abs=0.002)
        assert (
            anchor_file(catalog, str(next(h.path for h in hits if h.path.name == "lost.mp4"))).segment_id
            is None
        )


def test_gaps_have_the_sign_of_time() -> None:
    first = Timing(0, 0, 4)
    assert [
        first.gap(Timing(0, *other)) for other in ((4, 6), (7, 9), (-3, -1), (-3, 0), (1, 2), (-5, 9))
    ] == [*(0, 3, -1, 0, 0, 0)]
