"""What verifying finds: what is wrong, where, how bad it is, and what puts it right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

REPAIR = "bindsearch repair"
INDEX = "bindsearch index"
YOURS = "restore the file from your own backup, or run 'bindsearch index' to take it as it is now"


class Severity(StrEnum):
    """How bad a finding is.

    ``DAMAGE``: something is not as it was written, or contradicts itself. ``GAP``: something is not there
    yet, and is made by the next indexing run. ``CHANGED``: a file has changed since it was indexed.
    """

    DAMAGE = "damage"
    GAP = "gap"
    CHANGED = "changed"


class Check(StrEnum):
    """The parts of a library that are looked at; every finding belongs to one."""

    STRUCTURE = "structure"
    INDEXES = "indexes"
    SCHEMA = "schema"
    VALUES = "values"
    ORPHANS = "orphans"
    SEGMENTS = "segments"
    COUNTS = "counts"
    SEQUENCES = "sequences"
    TOMBSTONES = "tombstones"
    VECTORS = "vectors"
    WORDS = "words"
    GAPS = "gaps"
    VIEWS = "vector index"
    REFERENCES = "reference queries"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``where`` names it, ``remedy`` is what to do about it."""

    check: Check
    where: str
    problem: str
    severity: Severity = Severity.DAMAGE
    remedy: str = REPAIR
