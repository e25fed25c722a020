"""What an indexing run tells while it goes on, and what it reports at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bindsearch.ingest.plan import Plan


class Outcome(StrEnum):
    """What became of one file that had to be read."""

    INDEXED = "indexed"
    RECOGNISED = "recognised"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


class Progress(Protocol):
    """Receives a run's progress; called from one thread."""

    def walked(self, root: Path, files: int) -> None:
        """A root has been walked and holds so many files."""

    def planned(self, files: int, size: int) -> None:
        """So many files of so many bytes together must be read."""

    def finished(self, path: Path, size: int, outcome: Outcome) -> None:
        """A file is done and its outcome committed."""


class NoProgress:
    """Says nothing."""

    def walked(self, root: Path, files: int) -> None:
        """See Progress."""

    def planned(self, files: int, size: int) -> None:
        """See Progress."""

    def finished(self, path: Path, size: int, outcome: Outcome) -> None:
        """See Progress."""


@dataclass(slots=True)
class RunReport:
    """What a run did, in files unless said otherwise.

    ``recognised`` had bytes that were known, ``moved`` were known by their stat alone; neither cost a decode.
    ``failing`` had failed before and are as they were. ``encoder_calls`` counts batches, ``segments`` what
    was in them; ``set_aside`` are segments, by modality, that the space does not embed. ``parts`` are read
    together with the file that they belong to. ``restless`` are files that were left for later, because they
    are being written or seem to be, and other names of files that were written to; ``unfinished`` says that
    the run was told to end before its end.
    """

    seen: int = 0
    unchanged: int = 0
    indexed: int = 0
    recognised: int = 0
    moved: int = 0
    missing: int = 0
    failed: int = 0
    unsupported: int = 0
    failing: int = 0
    parts: int = 0
    offline_roots: list[Path] = field(default_factory=list)
    restless: list[Path] = field(default_factory=list)
    unfinished: bool = False
    set_aside: Counter[str] = field(default_factory=Counter)
    segments: int = 0
    encoder_calls: int = 0
    seconds: float = 0.0

    def add(self, plan: Plan) -> None:
        """Count what a root's plan settles without reading any file."""
        self.seen += plan.files
        self.unchanged += plan.unchanged
        self.moved += len(plan.moved) + len(plan.linked)
        self.missing += len(plan.missing)
        self.failing += plan.failing
        self.failed += len(plan.problems)
        self.parts += plan.parts
        self.restless += plan.restless + plan.elsewhere

    def count(self, outcome: Outcome) -> None:
        """Count one file's outcome."""
        setattr(self, outcome.value, getattr(self, outcome.value) + 1)
