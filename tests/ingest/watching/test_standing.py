"""Doubts about a root: a walk settles those that were there when it began, and no others."""

from __future__ import annotations

from bindsearch.ingest.watching.standing import Standing
from bindsearch.ingest.watching.table import Table


def _walked() -> Standing:
    standing = Standing(Table("/r"))
    standing.doubt("start", 0.0)
    standing.take(0.0, 600.0)
    standing.reconciled(1_000.0, 600.0)
    return standing


def test_a_root_is_settled_when_it_was_walked_after_the_last_doubt() -> None:
    standing = Standing(Table("/r"))
    assert not standing.is_settled
    standing.doubt("start", 1.0)
    assert standing.take(0.5, 600.0) == ([], None)
    assert standing.take(1.0, 600.0) == (["/r"], "start")
    assert not standing.is_settled
    standing.reconciled(1_000.0, 601.0)
    assert standing.is_settled
    assert standing.walked_at == 1_000.0


def test_a_doubt_that_comes_during_a_walk_is_not_settled_by_it() -> None:
    standing = _walked()
    standing.doubt("events lost", 10.0)
    standing.take(10.0, 600.0)
    standing.doubt("sleep", 11.0)
    standing.reconciled(1_010.0, 610.0)
    assert not standing.is_settled
    assert standing.take(11.0, 600.0) == (["/r"], "sleep")


def test_the_walk_of_the_schedule_is_no_doubt_and_comes_once() -> None:
    standing = _walked()
    assert standing.next_due == 600.0
    assert standing.take(600.0, 600.0) == (["/r"], "schedule")
    assert standing.is_settled
    assert standing.take(601.0, 600.0) == ([], None)
    standing.reconciled(1_700.0, 1_300.0)
    assert standing.next_due == 1_300.0


def test_a_walk_of_the_root_takes_in_what_is_restless() -> None:
    standing = _walked()
    standing.table.touch("/r/a", 10.0, 2.0)
    standing.doubt("returned", 10.0)
    assert standing.take(10.0, 600.0) == (["/r"], "returned")
    assert len(standing.table) == 0


def test_a_root_that_is_restless_all_over_is_walked_and_then_settled() -> None:
    standing = _walked()
    standing.table.touch("/r", 10.0, 2.0)
    assert not standing.is_settled
    assert standing.take(12.0, 600.0) == (["/r"], "changes all over")
    assert not standing.is_settled
    standing.reconciled(1_012.0, 612.0)
    assert standing.is_settled


def test_a_walk_that_nobody_handed_out_settles_nothing() -> None:
    standing = Standing(Table("/r"))
    standing.reconciled(1_000.0, 600.0)
    assert not standing.is_settled
