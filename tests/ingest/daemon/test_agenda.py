"""The agenda: nothing that is due is ever lost, and nothing that fails holds up the rest."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bindsearch.ingest.daemon.agenda import FIRST_PAUSE, LONGEST_PAUSE, MOST_AT_ONCE, Agenda

ROOT = Path("/photos")
ROOTS = (ROOT,)


def paths(count: int) -> list[Path]:
    return [ROOT / f"{number}.jpg" for number in range(count)]


def test_what_a_run_has_done_is_not_given_again() -> None:
    agenda = Agenda()
    agenda.add(paths(3))
    assert agenda.take(0.0, ROOTS) == (tuple(paths(3)), False)
    assert len(agenda) == 3  # until the run reports
    assert agenda.done() == tuple(paths(3))
    assert len(agenda) == 0
    assert agenda.take(0.0, ROOTS) == ((), False)


def test_nothing_is_given_while_a_run_is_under_way() -> None:
    agenda = Agenda()
    agenda.add(paths(1))
    agenda.take(0.0, ROOTS)
    agenda.add([ROOT / "new"])
    assert agenda.take(0.0, ROOTS) == ((), False)
    agenda.done()
    assert agenda.take(0.0, ROOTS) == ((ROOT / "new",), False)


def test_a_run_that_was_cut_short_comes_again_before_what_came_meanwhile() -> None:
    agenda = Agenda()
    agenda.retry_failed(ROOTS)
    agenda.take(0.0, ROOTS)
    agenda.add([ROOT / "new"])
    agenda.cut_short()
    assert agenda.take(0.0, ROOTS) == ((ROOT, ROOT / "new"), True)


def test_a_run_that_failed_comes_again_after_a_pause_that_grows_up_to_a_limit() -> None:
    agenda, now = Agenda(), 0.0
    agenda.add(paths(1))
    pauses = []
    for _ in range(12):
        assert agenda.take(now, ROOTS)[0]
        pause = agenda.failed(now)
        assert agenda.take(now + pause - 0.01, ROOTS) == ((), False)
        pauses.append(pause)
        now += pause
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    agenda.take(now, ROOTS)
    agenda.done()
    agenda.add(paths(1))
    assert agenda.next_at() == 0.0  # all is well again


def test_a_path_that_always_fails_does_not_hold_up_the_others() -> None:
    agenda, now, done = Agenda(), 0.0, set[Path]()
    bad = paths(8)[0]
    agenda.add(paths(8))
    for _ in range(40):
        given_now, _ = agenda.take(now, ROOTS)
        if bad in given_now:
            now += agenda.failed(now)
        else:
            done |= set(agenda.done())
    assert done == set(paths(8)[1:])


def test_what_lies_in_no_root_any_more_is_dropped() -> None:
    agenda = Agenda()
    agenda.add([ROOT / "a", Path("/gone/b"), Path("/photosets/c")])
    assert agenda.take(0.0, ROOTS) == ((ROOT / "a",), False)


def test_many_paths_are_given_in_several_runs() -> None:
    agenda = Agenda()
    agenda.add(paths(MOST_AT_ONCE + 5))
    assert len(agenda.take(0.0, ROOTS)[0]) == MOST_AT_ONCE
    agenda.done()
    assert len(agenda.take(0.0, ROOTS)[0]) == 5


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["done", "cut", "failed"]), st.integers(0, 30)), max_size=30))
def test_every_path_is_done_after_it_was_last_added(story: list[tuple[str, int]]) -> None:
    agenda, now, owed = Agenda(), 0.0, set[Path]()
    for ending, number in [*story, *[("done", 0)] * 20]:
        agenda.add([ROOT / str(number)])
        owed.add(ROOT / str(number))
        now = max(now, agenda.next_at() or 0.0)
        given_now, _ = agenda.take(now, ROOTS)
        if ending == "done":
            assert set(agenda.done()) == set(given_now)
            owed -= set(given_now)
        elif ending == "cut":
            agenda.cut_short()
        else:
            agenda.failed(now)
    assert owed == set()
