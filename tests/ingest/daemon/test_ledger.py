"""The ledger: counts and the rate of a daemon."""

import pytest

from bindsearch.ingest.daemon.ledger import Ledger
from bindsearch.ingest.progress import Outcome


def test_the_queue_shrinks_with_every_file_and_is_empty_after_a_whole_run() -> None:
    ledger = Ledger(0.0)
    ledger.planned(3)
    ledger.finished(Outcome.INDEXED, 1.0)
    ledger.finished(Outcome.FAILED, 1.0)
    assert (ledger.queue, ledger.done, ledger.failed) == (1, 2, 1)
    ledger.ended(unfinished=True)
    assert ledger.queue == 1
    ledger.ended(unfinished=False)
    assert ledger.queue == 0


def test_the_rate_is_that_of_the_last_minute() -> None:
    ledger = Ledger(0.0)
    for second in range(30):
        ledger.finished(Outcome.INDEXED, float(second))
    assert ledger.rate(30.0) == pytest.approx(1.0)
    assert ledger.rate(60.0) == pytest.approx(0.5)
    assert ledger.rate(200.0) == 0.0
