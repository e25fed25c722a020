"""Writing a chunk: the outcomes of many files, in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bindsearch.encoders.protocol import Vectors
from bindsearch.index.changes import (
    Fault,
    NewContent,
    Placement,
    SegmentFacts,
    place,
    record_faults,
    store_contents,
)
from bindsearch.index.schema import Stage
from bindsearch.ingest.plan import Job
from bindsearch.ingest.progress import Outcome
from bindsearch.ingest.reading import Claim, Claims, Ended, Failed, Known


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A file of which everything is known.

    ``vectors`` (m, d) belong, in order, to those of the ``segments`` (n) that ``encoded`` (n) says true of.
    """

    end: Ended
    segments: Sequence[SegmentFacts]
    encoded: Sequence[bool]
    vectors: Vectors


Done = Encoded | Known | Failed


@dataclass(frozen=True, slots=True)
class Written:
    """One outcome as it was written: ``jobs[0]`` was read, the others are copies that waited with it."""

    jobs: list[Job]
    outcome: Outcome
    claim: Claim | None = None
    content_id: int | None = None
    failure: Failed | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcome of each job."""
        copies = Outcome.RECOGNISED if self.failure is None else self.outcome
        return [self.outcome, *(copies for _ in self.jobs[1:])]

    def again(self, job: Job) -> Known | Failed:
        """The same outcome for a copy that came too late for the transaction."""
        if self.failure is not None:
            return Failed(job, self.failure.stage, self.failure.reason, at=self.failure.at)
        assert self.content_id is not None  # what did not fail is in the catalog
        return Known(job, self.content_id)


def write_chunk(session: Session, space_id: int, chunk: Sequence[Done], claims: Claims) -> list[Written]:
    """Write contents, places and failures; copies that wait with a claim by now are written along."""
    written = _write_contents(
        session, space_id, [done for done in chunk if isinstance(done, Encoded)], claims
    )
    for done in chunk:
        match done:
            case Known(job, content_id):
                written.append(Written([job], Outcome.RECOGNISED, content_id=content_id))
            case Failed(job, stage, _, claim):
                jobs = [job, *(claims.waiting(claim) if claim else ())]
                outcome = Outcome.UNSUPPORTED if stage is Stage.UNSUPPORTED else Outcome.FAILED
                written.append(Written(jobs, outcome, claim, failure=done))
    place(
        session,
        [
            Placement(job.root_id, job.path, job.stat, entry.content_id, job.hint.key)
            for entry in written
            if entry.content_id is not None
            for job in entry.jobs
        ],
    )
    record_faults(
        session,
        [
            Fault(job.root_id, job.path, failure.stage, failure.reason, job.stat, job.hint.key, failure.at)
            for entry in written
            if (failure := entry.failure) is not None
            for job in entry.jobs
        ],
    )
    return written


def _write_contents(
    session: Session, space_id: int, files: Sequence[Encoded], claims: Claims
) -> list[Written]:
    batch = [
        NewContent(
            f.end.claim.identity,
            f.end.claim.sha256,
            f.end.claim.hint,
            f.end.job.stat.size,
            f.end.facts,
            f.segments,
            f.encoded,
            f.vectors,
        )
        for f in files
    ]
    return [
        Written(
            [file.end.job, *claims.waiting(file.end.claim)],
            Outcome.INDEXED,
            file.end.claim,
            content_id=content_id,
        )
        for file, content_id in zip(files, store_contents(session, space_id, batch), strict=True)
    ]
