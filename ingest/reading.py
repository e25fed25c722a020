"""Reading one file: see of what kind it is, hash it, and only if its bytes are unknown decode it.

The kind comes first because a name has a say in it: text in a file named .jpg is refused even where a .txt
holds the same bytes. It costs a few kilobytes, and spares hashing what is not read anyway.

Worker threads run ``read_job``; what it yields goes to the one thread that encodes and commits. A file that
changes while it is read is a failure with its old stat, so the next run takes it up again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bindsearch.errors import DamagedFile, MediaError, UnclearFile, UnsupportedFile
from bindsearch.index.records import FileStat, content_identity
from bindsearch.index.schema import Stage
from bindsearch.ingest.inodes import same_file
from bindsearch.ingest.plan import Job
from bindsearch.loaders import FileFacts, Hint, LoadedFile, readable_kind
from bindsearch.loaders.signatures import Family
from bindsearch.media import Media


class Claim(NamedTuple):
    """Bytes, and what they are to be read as, in which the file's name and its place have a say."""

    sha256: bytes
    family: Family
    hint: str = ""

    @property
    def identity(self) -> bytes:
        """What the content is known by in the catalog (see index.schema)."""
        return content_identity(self.sha256, self.hint)


@dataclass(frozen=True, slots=True)
class Known:
    """The job's bytes are a content that is complete in the space."""

    job: Job
    content_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One medium of the job's file, in order."""

    job: Job
    media: Media


@dataclass(frozen=True, slots=True)
class Ended:
    """All media of the job's file have been given."""

    job: Job
    claim: Claim
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class Failed:
    """The job's file cannot be taken in, as was found out ``at``; media already given are void."""

    job: Job
    stage: Stage
    reason: str
    claim: Claim | None = None
    changed: bool = False  # it was not the same from beginning to end, or is gone
    at: float = field(default_factory=time.time)


Item = Known | Decoded | Ended | Failed


class ChangedFile(DamagedFile):
    """The file is not what it was when it was found."""


class Claims:
    """Which bytes are being decoded now, so that copies of a file in one run are decoded once.

    A claim is held from before the catalog is asked until after the result is committed; copies that come
    meanwhile wait with the claim and share its outcome.
    """

    def __init__(self) -> None:
        self._waiting: dict[Claim, list[Job]] = {}
        self._lock = threading.Lock()

    def take(self, claim: Claim, job: Job) -> bool:
        """Take the claim, or leave ``job`` waiting with the one who has it."""
        with self._lock:
            if claim in self._waiting:
                self._waiting[claim].append(job)
                return False
            self._waiting[claim] = []
            return True

    def waiting(self, claim: Claim) -> list[Job]:
        """The jobs that wait with a claim so far."""
        with self._lock:
            return list(self._waiting.get(claim, ()))

    def release(self, claim: Claim, served: int) -> list[Job]:
        """Give the claim back; returns jobs that came to wait after the first ``served``."""
        with self._lock:
            return self._waiting.pop(claim, [])[served:]


Load = Callable[[Path, Hint], LoadedFile]
Find = Callable[[Claim], int | None]


def read_job(job: Job, find: Find, claims: Claims, load: Load) -> Iterator[Item]:
    """Everything there is to say of a job; nothing at all if a copy of it is being read already.

    ``find`` gives the id of a content that is complete in the space, ``load`` opens a file.
    """
    try:
        kind = readable_kind(job.full_path, job.hint)
        claim = Claim(_hash(job), kind.family, job.hint.key)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        yield Failed(job, Stage.READ, error.strerror or str(error), changed=gone)
        return
    except MediaError as error:
        yield _failed(job, error)
        return
    if not claims.take(claim, job):
        return
    content_id = find(claim)
    if content_id is not None:
        for waiting in [job, *claims.release(claim, 0)]:
            yield Known(waiting, content_id)
        return
    yield from _decode(job, claim, load)


def _decode(job: Job, claim: Claim, load: Load) -> Iterator[Item]:
    try:
        loaded = load(job.full_path, job.hint)
        for media in loaded.media:
            yield Decoded(job, media)
        _require_unchanged(job)
        yield Ended(job, claim, loaded.facts)
    except MediaError as error:
        yield _failed(job, error, claim)


def _failed(job: Job, error: MediaError, claim: Claim | None = None) -> Failed:
    stage = Stage.READ if isinstance(error.__cause__, OSError) else Stage.DECODE
    if isinstance(error, UnsupportedFile):
        stage = Stage.UNCLEAR if isinstance(error, UnclearFile) else Stage.UNSUPPORTED
    reason = f"{error.message} ({error.hint})" if error.hint else error.message
    changed = isinstance(error, ChangedFile) or _has_changed(job)
    return Failed(job, stage, reason, claim, changed)


def _hash(job: Job) -> bytes:
    _require_unchanged(job)
    with job.full_path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
    _require_unchanged(job)
    return sha256


def _require_unchanged(job: Job) -> None:
    if _has_changed(job):
        raise ChangedFile("changed while it was being read", subject=str(job.full_path), hint="index again")


def _has_changed(job: Job) -> bool:
    stat = stat_of(job.full_path)
    return stat is None or not same_file(job.stat, stat)


def stat_of(path: Path) -> FileStat | None:
    """The stat of the file at ``path``, links followed; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileStat(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
