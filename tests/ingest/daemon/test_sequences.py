"""Whatever happens to files and to the daemon, its library becomes the one that a fresh scan gives.

One short sequence, another in every run; ``benchmarks/daemon_sequences.py`` plays long ones for as long as
one likes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.ingest.daemon.playing import Play
from tests.ingest.daemon.world import OPERATIONS, Operation

NUMBERS = st.integers(0, 9_999)
CHANGES = st.tuples(st.sampled_from(sorted(OPERATIONS)), NUMBERS, NUMBERS, NUMBERS)


class Sequences(RuleBasedStateMachine):
    """Steps as hypothesis draws them; compared at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="sequences-", ignore_cleanup_errors=True)
        self._play = Play(Path(self._folder.name))
        self._is_fine = True

    @rule(changes=st.lists(CHANGES, min_size=5, max_size=15), pause=st.integers(0, 400))
    def files_change(self, changes: list[Operation], pause: int) -> None:
        """A handful of changes at once, then nothing for a moment."""
        for change in changes:
            self._play.do(change)
        self._play.do(("wait", pause, 0, 0))

    @rule(pause=st.integers(0, 300))
    def daemon_is_killed(self, pause: int) -> None:
        """kill -9 of the daemon, and a new one after a while."""
        for step in (("kill", 0, 0, 0), ("wait", pause, 0, 0), ("start", 0, 0, 0)):
            self._play.do(step)

    @rule()
    def worker_is_killed(self) -> None:
        """kill -9 of the process that indexes."""
        self._play.do(("kill_worker", 0, 0, 0))

    @invariant()
    def daemon_is_alive(self) -> None:
        """It never ends by itself."""
        self._is_fine = self._play.driver.pid is not None
        assert self._is_fine

    def teardown(self) -> None:
        """Compared at the end, however the sequence has ended."""
        try:
            if self._is_fine:
                self._play.do(("check", 0, 0, 0))
                self._play.driver.stop()
        finally:
            self._play.close()
            self._folder.cleanup()


TestSequences = Sequences.TestCase
# Shrinking would take hours; the steps as they were say enough, and the script has a way to shorten them.
TestSequences.settings = settings(
    max_examples=1,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
