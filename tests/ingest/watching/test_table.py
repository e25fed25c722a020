"""The table of restless paths: nothing heard of is forgotten, and it stays small."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.index.paths import descends
from bindsearch.ingest.watching.table import (
    LONGEST_BACK_OFF,
    LONGEST_WAIT,
    PATHS_OF_A_FOLDER,
    PATHS_OF_A_ROOT,
    Table,
)

ROOT = "/r"
NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/".join([ROOT, *names]))
STEPS = st.lists(st.tuples(PATHS, st.floats(0, 5), st.floats(0, 3), st.booleans()), max_size=40)


@settings(deadline=None)
@given(STEPS)
def test_every_path_is_due_in_time_and_never_before_it_is_quiet(
    steps: list[tuple[str, float, float, bool]],
) -> None:
    table, now, waiting = Table(ROOT), 0.0, dict[str, float]()
    for path, wait, pause, takes in steps:
        table.touch(path, now, wait)
        waiting.setdefault(path, now + max(wait, LONGEST_WAIT))
        now += pause
        for taken in table.take(now) if takes else []:
            for known in [one for one in waiting if descends(one, taken)]:
                del waiting[known]
        assert all(latest > now or not takes for latest in waiting.values())
        assert (table.next_due is None) == (len(table) == 0)
    taken = table.take(now + LONGEST_WAIT)
    assert all(any(descends(path, one) for one in taken) for path in waiting)
    assert len(table) == 0
    assert not any(one != other and descends(one, other) for one in taken for other in taken)


def test_a_path_that_changes_again_waits_longer_but_not_for_ever() -> None:
    table = Table(ROOT)
    table.touch("/r/a", 0.0, 2.0)
    table.touch("/r/a", 1.5, 2.0)
    assert table.take(3.0) == []
    assert table.take(3.5) == ["/r/a"]
    for second in range(20):
        table.touch("/r/a", 10.0 + second, 2.0)
    assert table.take(10.0 + LONGEST_WAIT) == ["/r/a"]


def test_many_paths_of_one_folder_become_the_folder() -> None:
    table = Table(ROOT)
    table.touch("/r/other", 0.0, 2.0)
    for number in range(PATHS_OF_A_FOLDER + 1):
        table.touch(f"/r/many/{number}", 0.0, 2.0)
    assert len(table) == 2
    assert sorted(table.take(2.0)) == ["/r/many", "/r/other"]


def test_many_paths_all_over_become_the_root() -> None:
    table = Table(ROOT)
    for number in range(PATHS_OF_A_ROOT + 10):
        table.touch(f"/r/{number % 50}/{number // 50}", 0.0, 2.0)
    assert len(table) == 1
    assert table.take(2.0) == [ROOT]


def test_what_is_put_back_waits_longer_each_time_until_it_is_touched() -> None:
    table, now, waits = Table(ROOT), 0.0, []
    for _ in range(6):
        table.put_back("/r/a", now, 2.0)
        assert table.next_due is not None
        waits.append(table.next_due - now)
        now = table.next_due
        assert table.take(now) == ["/r/a"]
    assert waits == [2.0, 4.0, 8.0, 16.0, LONGEST_BACK_OFF, LONGEST_BACK_OFF]
    table.put_back("/r/a", now, 2.0)
    table.touch("/r/a", now, 2.0)
    assert table.take(now + 2.0) == ["/r/a"]


def test_a_root_at_the_top_of_the_file_system_holds_everything() -> None:
    table = Table("/")
    table.touch("/a/b", 0.0, 1.0)
    table.touch("/", 0.0, 1.0)
    assert table.take(1.0) == ["/"]
