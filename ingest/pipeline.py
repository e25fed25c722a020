"""The pipeline: jobs in, committed contents out.

    worker threads   read_job: hash, look up; decode, in a process each that can be killed (see sandbox)
    calling thread   batch per modality, encode, commit

What the space cannot embed is kept as segments without vectors, for a space that can. A file is committed
whole or not at all: its content, segments, vectors and location in one transaction,
together with those of other files (a chunk). kill -9 loses the chunk in flight and nothing else; so does
Ctrl-C, but that commits the files which were finished first.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bindsearch.encoders.protocol import Encoder
from bindsearch.errors import EncoderError
from bindsearch.index.catalog import Catalog
from bindsearch.index.changes import SegmentFacts
from bindsearch.index.records import find_content
from bindsearch.index.schema import Stage
from bindsearch.ingest.chunk import Done, Encoded, write_chunk
from bindsearch.ingest.interrupts import Interrupts
from bindsearch.ingest.pace import Pace
from bindsearch.ingest.plan import Job
from bindsearch.ingest.progress import Progress, RunReport
from bindsearch.ingest.quiet import Quiet
from bindsearch.ingest.reading import Claim, Claims, Decoded, Ended, Failed, Item, Known, read_job
from bindsearch.loaders import Hint, LoadedFile, LoadOptions
from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.sandbox import Sandbox
from bindsearch.settings import Settings

BATCH = 16
QUEUED_MEDIA = 32

# A chunk is committed when it is full or its first file has waited so many seconds.
CHUNK_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class _File:
    """A file on its way: its segments so far, and the vectors of those that the space can embed."""

    job: Job
    segments: list[SegmentFacts] = field(default_factory=list)
    encoded: list[bool] = field(default_factory=list)  # whether the space can embed each
    vectors: list[np.ndarray | None] = field(default_factory=list)
    ended: Ended | None = None
    fault: str | None = None  # why it cannot be encoded; the reader is not done with it yet


_Waiting = tuple[_File, int, Media]  # a medium, with its file and which of the file's vectors it becomes


class Pipeline:
    """One run over jobs; made anew for each."""

    def __init__(
        self,
        catalog: Catalog,
        space_id: int,
        encoder: Encoder,
        options: LoadOptions,
        settings: Settings,
        report: RunReport,
        progress: Progress,
        pace: Pace,
        quiet: Quiet,
    ) -> None:
        self._catalog = catalog
        self._space_id = space_id
        self._encoder = encoder
        self._options = options
        self._settings = settings
        self._workers = settings.workers
        self._report = report
        self._progress = progress
        self._pace = pace
        self._quiet = quiet
        self._claims = Claims()
        self._items: queue.Queue[Item] = queue.Queue(QUEUED_MEDIA)
        self._stopping = threading.Event()
        self._files: dict[Job, _File] = {}
        self._buckets: dict[Modality, list[_Waiting]] = {}
        self._chunk: list[Done] = []
        self._chunk_since = 0.0
        self._open = 0

    def run(self, jobs: Sequence[Job]) -> None:
        """Take in all ``jobs``. What is finished when this raises, for any reason, is committed."""
        self._open = len(jobs)
        feed = _Feed(jobs, self._stopping)
        settings = self._settings
        sandboxes = [Sandbox(settings.decoder_seconds, settings.decoder_memory) for _ in range(self._workers)]
        with Interrupts() as interrupts, ThreadPoolExecutor(self._workers, "read") as pool:
            readers = [pool.submit(self._read, feed, sandbox) for sandbox in sandboxes]
            try:
                while self._open and self._may_go_on(feed):
                    self._step(readers)
                    interrupts.check()
            finally:
                self._stopping.set()
                self._commit()
                for sandbox in sandboxes:
                    sandbox.stop()  # a decoder that hangs must not keep the run from ending

    def _may_go_on(self, feed: _Feed) -> bool:
        """Ask the pace; if it will have no file begun, those that were not handed out are left for later."""
        if not self._pace.go_on():
            self._report.unfinished = True
            return False
        if feed.is_open and not self._pace.begin_more():
            left = feed.close()
            self._report.unfinished = self._report.unfinished or left > 0
            self._open -= left
        return self._open > 0

    def _read(self, feed: _Feed, sandbox: Sandbox) -> None:
        """What a worker thread does: it reads, and a process of its own decodes."""
        with sandbox:

            def load(path: Path, hint: Hint) -> LoadedFile:
                return sandbox.load(path, self._options, hint)

            for job in feed:
                for item in read_job(job, self._find, self._claims, load):
                    if not self._put(item):
                        return

    def _find(self, claim: Claim) -> int | None:
        with self._catalog.read() as connection:
            return find_content(connection, claim.identity, self._space_id, self._encoder.space.modalities)

    def _put(self, item: Item) -> bool:
        while not self._stopping.is_set():
            try:
                self._items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _step(self, readers: list[Future[None]]) -> None:
        """Take one item; while none is there, use the time to encode and commit what has gathered."""
        try:
            item = self._items.get_nowait()
        except queue.Empty:
            self._encode_all()
            if self._chunk_due():
                self._commit()
            if self._open:
                self._wait(readers)
        else:
            self._take(item)
        if len(self._chunk) >= self._settings.chunk_files or self._chunk_due():
            self._commit()

    def _wait(self, readers: list[Future[None]]) -> None:
        """Wait for an item and take it; make sure meanwhile that one can still come."""
        try:
            self._take(self._items.get(timeout=0.2))
        except queue.Empty:
            for reader in readers:
                if reader.done():
                    reader.result()  # a fault of ours in a worker ends the run instead of hanging it
            if all(reader.done() for reader in readers) and self._items.empty():
                assert self._chunk, "readers are done, but not every file has an outcome"
                self._commit()

    def _take(self, item: Item) -> None:
        match item:
            case Decoded(job, media):
                self._take_media(job, media)
            case Ended():
                self._take_end(item)
            case Failed():
                self._void(item.job)
                self._take_failure(item)
            case Known():
                self._add_to_chunk(item)

    def _take_failure(self, failed: Failed) -> None:
        """Note a failure, or leave a file that may be half written, and its copies, for later."""
        job = failed.job
        readable = failed.stage not in (Stage.READ, Stage.DECODE)
        if readable or not self._quiet.puts_off(job.full_path, job.stat, changed=failed.changed):
            self._add_to_chunk(failed)
            return
        jobs = [job, *(self._claims.release(failed.claim, 0) if failed.claim else ())]
        self._report.restless += [one.full_path for one in jobs]
        self._open -= len(jobs)

    def _take_media(self, job: Job, media: Media) -> None:
        file = self._files.setdefault(job, _File(job))
        if file.fault is not None:
            return
        file.segments.append(SegmentFacts.of(media))
        file.encoded.append(media.modality in self._encoder.space.modalities)
        if not file.encoded[-1]:
            self._report.set_aside[media.modality] += 1
            return
        bucket = self._buckets.setdefault(media.modality, [])
        bucket.append((file, len(file.vectors), media))
        file.vectors.append(None)
        if len(bucket) >= BATCH:
            self._encode(media.modality)

    def _take_end(self, end: Ended) -> None:
        file = self._files.setdefault(end.job, _File(end.job))
        fault = file.fault or (None if file.segments else "there is nothing in it")
        if fault is not None:
            self._take(Failed(end.job, Stage.ENCODE, fault, end.claim))
            return
        file.ended = end
        self._finish_if_complete(file)

    def _encode_all(self) -> None:
        for modality in list(self._buckets):
            self._encode(modality)

    def _encode(self, modality: Modality) -> None:
        bucket = self._buckets.pop(modality)
        files = {id(file): file for file, _, _ in bucket}
        try:
            self._encode_together(bucket, list(files.values()))
        except EncoderError as error:
            if len(files) == 1:
                self._give_up(bucket[0][0], error.message)
                return
            for key in files:  # the fault is that of one file, and must not cost the others
                self._buckets[modality] = [entry for entry in bucket if id(entry[0]) == key]
                self._encode(modality)

    def _encode_together(self, bucket: list[_Waiting], files: list[_File]) -> None:
        vectors = self._encoder.encode([media for _, _, media in bucket])
        self._report.encoder_calls += 1
        self._report.segments += len(bucket)
        for (file, ordinal, _), vector in zip(bucket, vectors, strict=True):
            file.vectors[ordinal] = vector
        for file in files:
            self._finish_if_complete(file)

    def _give_up(self, file: _File, fault: str) -> None:
        """Fail ``file`` now if its reader is done with it, else when that is so."""
        file.fault = fault
        if file.ended is not None:
            self._take(Failed(file.job, Stage.ENCODE, fault, file.ended.claim))

    def _finish_if_complete(self, file: _File) -> None:
        if file.ended is not None and all(vector is not None for vector in file.vectors):
            del self._files[file.job]
            made = [vector for vector in file.vectors if vector is not None]
            vectors = np.stack(made) if made else np.empty((0, self._encoder.space.dimensions), np.float32)
            self._add_to_chunk(Encoded(file.ended, file.segments, file.encoded, vectors))

    def _void(self, job: Job) -> None:
        """Drop what has been given of a file that then failed."""
        self._files.pop(job, None)
        for modality, bucket in list(self._buckets.items()):
            kept = [entry for entry in bucket if entry[0].job is not job]
            if kept:
                self._buckets[modality] = kept
            else:
                del self._buckets[modality]

    def _add_to_chunk(self, done: Done) -> None:
        if not self._chunk:
            self._chunk_since = time.monotonic()
        self._chunk.append(done)

    def _chunk_due(self) -> bool:
        return bool(self._chunk) and time.monotonic() - self._chunk_since >= CHUNK_SECONDS

    def _commit(self) -> None:
        """Write the chunk as one transaction, then tell of it and serve copies that came meanwhile."""
        chunk, self._chunk = self._chunk, []
        if not chunk:
            return
        with self._catalog.write() as session:
            written = write_chunk(session, self._space_id, chunk, self._claims)
        for entry in written:
            for job, outcome in zip(entry.jobs, entry.outcomes, strict=True):
                self._open -= 1
                self._report.count(outcome)
                self._progress.finished(job.full_path, job.stat.size, outcome)
            if entry.claim is not None:
                late = self._claims.release(entry.claim, len(entry.jobs) - 1)
                for job in late:
                    self._add_to_chunk(entry.again(job))


class _Feed:
    """Jobs handed out one by one to several threads, until told to stop."""

    def __init__(self, jobs: Sequence[Job], stopping: threading.Event) -> None:
        self._jobs = iter(jobs)
        self._stopping = stopping
        self._lock = threading.Lock()
        self.is_open = True

    def close(self) -> int:
        """Hand out no more; how many were not handed out."""
        with self._lock:
            left = sum(1 for _ in self._jobs)
        self.is_open = False
        return left

    def __iter__(self) -> Iterator[Job]:
        while not self._stopping.is_set():
            with self._lock:
                job = next(self._jobs, None)
            if job is None:
                return
            yield job
