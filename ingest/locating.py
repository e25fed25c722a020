"""Locating: where in a picture a query is, and when in a film or a recording.

A file is decoded apart, in the sandbox, as every file is. Pictures come in no more detail than their smallest
regions need. Films and recordings are read as a stream, in windows closer together than an index's spans: a
film by single frames, a recording by short windows that overlap. One that lasts so long that this would be
too many windows is looked at more coarsely first, and then again around each moment that was found. A film
has two curves, one of its pictures and one of its sound, each judged by itself, because their scores do not
lie on one scale.

Neither the file nor, unless a term names a segment of it, a library is needed to be indexed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders import Encoder, open_encoder
from bindsearch.errors import QueryError
from bindsearch.index.catalog import Catalog
from bindsearch.index.peek import CATALOG_FILE, peek_answering
from bindsearch.ingest.asking import Asker
from bindsearch.loaders import Hint, LoadOptions, Surroundings, readable_kind
from bindsearch.loaders.signatures import Family
from bindsearch.locating import (
    FINE,
    MOMENT_LEVEL,
    MOST,
    PLACE_LEVEL,
    QUICK,
    Curve,
    Places,
    Span,
    Usual,
    find_places,
    find_spans,
)
from bindsearch.media import Clip, Media, Picture, Pixels, Sound
from bindsearch.modality import Modality
from bindsearch.query import Query, TermKind
from bindsearch.sandbox import Sandbox
from bindsearch.settings import Settings

Vector = NDArray[np.float32]

TIMED = (Modality.VIDEO, Modality.AUDIO)
_DETAIL = 8  # times Encoder.picture_side, on a picture's shorter side: a tenth of it is still seen sharply
_UNWANTED_SECONDS = 60.0  # between frames that nobody looks at, which the loader gives before the sound
_BATCH = 32
_BATCH_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How closely time is looked at: seconds from one window to the next, at best, and how many at most.

    ``sound_seconds`` is how long a window of sound is; one that is further from the next is longer, so that
    every second of a recording is heard.
    """

    step: float
    most: dict[Modality, int]
    sound_seconds: float = 2.0


QUICK_PACE = Pace(0.5, {Modality.VIDEO: 600, Modality.AUDIO: 720})
FINE_PACE = Pace(0.25, {Modality.VIDEO: 3000, Modality.AUDIO: 3600})


@dataclass(frozen=True, slots=True)
class LocateOptions:
    """What stands out: ``level`` spreads above the median, ``most`` of them; ``by`` which tracks of a film.

    Without a level it is PLACE_LEVEL in pictures, MOMENT_LEVEL in time.
    """

    level: float | None = None
    most: int = MOST
    fine: bool = False
    by: tuple[Modality, ...] = TIMED


_DEFAULTS = LocateOptions()


@dataclass(frozen=True, slots=True, eq=False)
class InPicture:
    """Where in the picture at ``path`` the query is.

    ``size`` (width, height) is that of the picture upright, in whose pixels the boxes count; ``pixels`` may
    be a smaller copy.
    """

    path: Path
    size: tuple[int, int]
    pixels: Pixels
    places: Places
    level: float


@dataclass(frozen=True, slots=True, eq=False)
class InTime:
    """When in the film or the recording at ``path`` the query is: a curve a track, and all moments, best
    first.

    ``notes`` say which tracks have no curve, and why.
    """

    path: Path
    modality: Modality
    duration: float | None
    curves: tuple[tuple[Curve, Usual], ...]
    spans: tuple[Span, ...]
    notes: tuple[str, ...]
    level: float


class Locator:
    """Finds queries in files, in the space of one encoder. Use as a context manager."""

    def __init__(self, encoder: Encoder, settings: Settings, catalog: Catalog | None = None) -> None:
        self._encoder = encoder
        self._settings = settings
        self._catalog = catalog
        self._sandbox = Sandbox(settings.decoder_seconds, settings.decoder_memory)
        self._open = ExitStack()
        self._open.callback(self._sandbox.close)
        if catalog is not None:
            self._open.callback(catalog.close)

    @classmethod
    def open(cls, folder: Path, settings: Settings, query: Query, space: str | None = None) -> Self:
        """One for ``query`` in ``space``, else in that of the library in ``folder``, if there is one.

        Raises EncoderError for a space that cannot be used, LibraryDamaged for a library that has to be asked
        and cannot be read.
        """
        encoder = open_encoder(space or peek_answering(folder) or settings.space, threads=settings.workers)
        asks = any(term.kind is TermKind.SEGMENT for term in query.leaves())
        there = asks and (folder / CATALOG_FILE).is_file()
        return cls(encoder, settings, Catalog.open(folder) if there else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def locate(self, query: Query, path: Path, options: LocateOptions = _DEFAULTS) -> InPicture | InTime:
        """Where in the picture, or when in the film or the recording, at ``path`` ``query`` is.

        Raises QueryError for a query that cannot be asked, a file of another kind and a space that does not
        embed it; MediaError for a file that cannot be read.
        """
        hint = Surroundings().hint(path)
        family = readable_kind(path, hint).family
        if family not in (Family.PICTURE, Family.FILM, Family.SOUND):
            raise self._not_looked_into(path, str(family))
        with Asker(self._encoder, self._settings, self._catalog) as asker:
            vector = asker.ask(query).vector
        if family is Family.PICTURE:
            return self._in_picture(vector, path, hint, options)
        return self._in_time(vector, path, hint, options)

    def _not_looked_into(self, path: Path, kind: str) -> QueryError:
        hint = "pictures, films and recordings are looked into"
        return QueryError(f"there is no place to point at in a {kind}", subject=str(path), hint=hint)

    def _in_picture(self, vector: Vector, path: Path, hint: Hint, options: LocateOptions) -> InPicture:
        side = self._encoder.picture_side
        wanted = LoadOptions.of(self._settings, None if side is None else side * _DETAIL)
        loaded = self._sandbox.load(path, wanted, hint)
        self._check(loaded.facts.modality, path)
        media = next((one for one in loaded.media if isinstance(one, Picture)), None)
        if media is None:
            raise self._not_looked_into(path, f"file of {loaded.facts.modality}")
        height, width = media.pixels.shape[:2]
        size = loaded.facts.width or width, loaded.facts.height or height
        level = PLACE_LEVEL if options.level is None else options.level
        places = find_places(
            media.pixels,
            vector,
            self._encoder,
            size=size,
            level=level,
            most=options.most,
            effort=FINE if options.fine else QUICK,
        )
        return InPicture(path, size, media.pixels, places, level)

    def _check(self, modality: Modality, path: Path) -> None:
        if modality not in (Modality.IMAGE, *TIMED):
            raise self._not_looked_into(path, f"file of {modality}")
        if modality not in self._encoder.space.modalities:
            raise QueryError(f"{self._encoder.space.id} does not embed {modality}", subject=str(path))

    def _in_time(self, vector: Vector, path: Path, hint: Hint, options: LocateOptions) -> InTime:
        task = _Task(vector, path, hint, FINE_PACE if options.fine else QUICK_PACE)
        level = MOMENT_LEVEL if options.level is None else options.level
        facts = self._sandbox.load(path, self._paced(task.pace, None), hint).facts
        wanted = self._tracks(facts.modality, options.by, path)
        coarse = self._paced(task.pace, facts.duration)
        if Modality.VIDEO not in wanted:
            coarse = replace(coarse, span_seconds=_UNWANTED_SECONDS)
        curves: list[tuple[Curve, Usual]] = []
        spans: list[Span] = []
        for curve in self._curves(task, coarse, wanted):
            usual = Usual.of(curve.values[np.isfinite(curve.values)], self._encoder.space.dimensions)
            if _step(coarse, curve.modality) > task.pace.step * 1.01:
                rough = find_spans(curve, usual, level, options.most)
                curve = self._closer(task, curve, rough, _step(coarse, curve.modality))
            curves.append((curve, usual))
            spans += find_spans(curve, usual, level, options.most)
        notes = _notes(facts.modality, wanted, options.by, [curve.modality for curve, _ in curves])
        if not curves:
            raise QueryError("; ".join(notes) or "there is nothing in it to compare", subject=str(path))
        spans = sorted(spans, key=lambda span: -span.standing)[: options.most]
        return InTime(path, facts.modality, facts.duration, tuple(curves), tuple(spans), notes, level)

    def _tracks(self, kind: Modality, by: tuple[Modality, ...], path: Path) -> list[Modality]:
        """Those of ``by`` that a file of ``kind`` may have and the space embeds."""
        if kind is Modality.AUDIO and kind not in by:
            raise QueryError("this is a recording, without pictures in it", subject=str(path))
        wanted = [track for track in by if track in self._encoder.space.modalities]
        if not wanted:
            raise QueryError(f"{self._encoder.space.id} does not embed {by[0]}", subject=str(path))
        return wanted

    def _paced(self, pace: Pace, duration: float | None) -> LoadOptions:
        """How to read a film or a recording of ``duration`` seconds in no more windows than allowed."""
        length = duration or 0.0
        frames = max(pace.step, length / pace.most[Modality.VIDEO])
        sounds = max(pace.step, length / pace.most[Modality.AUDIO])
        window = max(pace.sound_seconds, sounds)
        return replace(
            LoadOptions.of(self._settings, self._encoder.picture_side),
            span_seconds=frames,
            span_frames=1,
            sound_seconds=window,
            sound_overlap=window - sounds,
        )

    def _closer(self, task: _Task, curve: Curve, spans: list[Span], step: float) -> Curve:
        """``curve``, whose windows are ``step`` seconds apart, looked at again around ``spans``."""
        for span in spans:
            part = max(0.0, span.start - step), span.end + step
            near = replace(self._paced(task.pace, part[1] - part[0]), part=part)
            for closer in self._curves(task, near, [curve.modality]):
                curve = curve.with_part(closer)
        return curve

    def _curves(self, task: _Task, options: LoadOptions, wanted: list[Modality]) -> list[Curve]:
        """A curve for each of the ``wanted`` tracks in which there is anything; the file is read once."""
        windows: dict[Modality, list[tuple[float, float]]] = {modality: [] for modality in wanted}
        scores: dict[Modality, list[float]] = {modality: [] for modality in wanted}
        loaded = self._sandbox.load(task.path, options, task.hint)
        for batch in _batches(loaded.media, wanted):
            kind = batch[0].modality
            windows[kind] += [(one.start, one.end) for one in batch]
            scores[kind] += (self._encoder.encode(batch) @ task.vector).tolist()
        return [Curve.of(kind, windows[kind], scores[kind]) for kind in wanted if windows[kind]]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """What is looked for, in which file, and how closely."""

    vector: Vector
    path: Path
    hint: Hint
    pace: Pace


def _batches(media: Iterator[Media], wanted: list[Modality]) -> Iterator[list[Clip | Sound]]:
    """Clips and sounds, as far as they are ``wanted``, in batches of one modality that take little memory."""
    batch: list[Clip | Sound] = []
    size = 0
    for one in media:
        if isinstance(one, Sound) and Modality.AUDIO not in wanted:
            break  # a film gives its pictures first
        if not isinstance(one, Clip | Sound) or one.modality not in wanted:
            continue
        if batch and (batch[0].modality is not one.modality or len(batch) == _BATCH or size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.frames.nbytes if isinstance(one, Clip) else one.samples.nbytes
    if batch:
        yield batch


def _step(options: LoadOptions, modality: Modality) -> float:
    """Seconds from one window to the next."""
    if modality is Modality.VIDEO:
        return options.span_seconds
    return options.sound_seconds - options.sound_overlap


def _notes(
    kind: Modality, wanted: list[Modality], by: tuple[Modality, ...], there: list[Modality]
) -> tuple[str, ...]:
    """Sentences on the tracks of a file that have no curve though they were asked for."""
    notes: list[str] = []
    for modality in by if kind is Modality.VIDEO else ():
        name = "sound" if modality is Modality.AUDIO else "pictures"
        if modality not in wanted:
            notes.append(f"this space does not embed its {name}")
        elif modality not in there:
            notes.append(f"there is no {name} in it")
    return tuple(notes)
