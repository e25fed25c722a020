"""Ctrl-C is put off to where it does no harm, and never lost."""

from __future__ import annotations

import signal
import threading

import pytest

from bindsearch.ingest.interrupts import Interrupts


def test_the_first_one_waits_until_it_is_asked_for() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        interrupts.check()
        signal.raise_signal(signal.SIGINT)
        waited = True
        interrupts.check()
    assert waited
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_one_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second Ctrl-C was put off as well")


def test_one_that_nobody_asked_for_is_raised_at_the_end_of_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_a_handler_that_a_program_has_set_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            interrupts.check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_other_threads_need_no_handler() -> None:
    ended: list[bool] = []

    def work() -> None:
        with Interrupts() as interrupts:
            interrupts.check()
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]
