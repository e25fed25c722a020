"""Films: the picture track cut into Clips, then the sound track into Sounds, both on the film's clock.

The file is read twice with PyAV, once for each, in memory that does not grow with the length. A file without
moving pictures is a sound. With ``options.part`` reading begins at the key frame before the part: its Sounds
are those that the whole film has, its Clips nearly so, since the first of them may begin elsewhere.

What is decoded follows from what is needed: ``span_frames`` frames for each ``span_seconds``. Where key
frames come about that often (telephones and cameras write one a second) only they are decoded. Where they
lie further apart the film is decoded in order, without the frames that no other frame depends on, up to a
budget of pixels; past it a film gives only its key frames, and its spans reach from one to the next. The
choice depends on the file alone, never on the machine, so that a film always has the same spans.

A film is refused as a whole when its pictures end well before it says they do, or when more than one
packet in a hundred (and more than three) cannot be decoded; a consumer has then already been given the
spans before the fault, and must discard them.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.errors import DamagedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.containers import open_container
from bindsearch.loaders.packets import MAX_SECONDS, PacketChooser, PictureTrack, Progress
from bindsearch.loaders.sound import load_sound
from bindsearch.loaders.sound_track import film_sounds, keeps_time, sound_stream
from bindsearch.loaders.spans import THUMB_HEIGHT, THUMB_WIDTH, SpanCollector
from bindsearch.loaders.tags import Tags
from bindsearch.media import Clip, Pixels, Sound
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

_THUMB_SECONDS = 0.08
_FRAMES_FOR_FACTS = 64


def load_film(path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    """The film at ``path``, or the sound, where nothing moves in it but a cover picture may be.

    Its facts come from the header and its first frame. Raises DamagedFile.
    """
    with open_container(path, "film") as container:
        stream = _picture_stream(container)
        if stream is not None:
            _refuse_bomb(stream.width, stream.height, path, options)
            first = _first_frame(container, stream)
            facts = _facts(container, stream, kind, first.rotation if first is not None else 0)
            notes = _notes(container, stream)
        elif not container.streams.audio:
            raise DamagedFile("no picture track in it", subject=os.fspath(path))
    if stream is None:
        return load_sound(path, kind, options)
    return LoadedFile(path, facts, _media(path, options), notes)


def _media(path: Path, options: LoadOptions) -> Iterator[Clip | Sound]:
    yield from _clips(path, options)
    yield from film_sounds(path, options)


def _notes(container: InputContainer, stream: VideoStream) -> tuple[str, ...]:
    pictures = f"pictures: {stream.codec_context.codec.canonical_name}, read with PyAV"
    track = sound_stream(container)
    if track is None:
        return pictures, "no sound track that can be decoded"
    context = track.codec_context
    sound = f"{context.codec.canonical_name}, {context.rate:,} samples a second, {context.channels} channels"
    return pictures, f"sound: {sound}, track {track.index} of the file"


def _clips(path: Path, options: LoadOptions) -> Iterator[Clip]:
    start, end = options.part or (0.0, float("inf"))
    with closing(_clips_from(path, start, options)) as clips:
        for clip in clips:
            if clip.start >= end:
                return
            if clip.end > start:
                yield clip


def _clips_from(path: Path, start: float, options: LoadOptions) -> Generator[Clip, None, None]:
    with open_container(path, "film") as container:
        stream = _picture_stream(container)
        assert stream is not None
        stream.thread_type = "AUTO"
        track = PictureTrack.of(container, stream)
        collector = SpanCollector(_even_span(track.expected, options.span_seconds), options.span_frames)
        progress = Progress()
        step = options.span_seconds / max(1, options.span_frames)
        chooser = PacketChooser(stream, track, step, progress)
        eye = _Eye(options.picture_side, stream.sample_aspect_ratio)
        _seek(container, stream, track, start)
        for time, frame in chooser.frames(container):
            _refuse_bomb(frame.width, frame.height, path, options)
            thumb = eye.thumb(time, frame)
            if thumb is not None:
                yield from collector.ends_before(time, thumb)
                if collector.wants(time):
                    collector.keep(time, eye.picture(frame), thumb)
        _refuse_faults(progress, track, path)
        yield from collector.last(progress.picture_end)


def _seek(container: InputContainer, stream: VideoStream, track: PictureTrack, start: float) -> None:
    """Go to the key frame before ``start`` (seconds), where time stamps tell which one that is."""
    base = stream.time_base
    if start > 0 and track.origin is not None and base and keeps_time(container):
        container.seek(int((start + track.origin) / base), stream=stream)


def _even_span(duration: float | None, longest: float) -> float:
    """The longest span, made a little shorter so that an uncut film has no splinter at its end."""
    if not duration or duration <= longest:
        return longest
    return duration / -(-duration // longest)


class _Eye:
    """Turns decoded frames into thumbnails and pictures of one size, upright and with square points."""

    def __init__(self, side: int | None, point_shape: Fraction | None) -> None:
        from av.video.reformatter import VideoReformatter

        self._side = side
        self._point_shape = point_shape
        self._size: tuple[int, int] | None = None  # width and height before turning
        self._thumb_due = float("-inf")
        self._small, self._large = VideoReformatter(), VideoReformatter()  # each keeps its scaler's tables

    def thumb(self, time: float, frame: VideoFrame) -> Pixels | None:
        """A thumbnail for the measure of change, or None when the last one is only just past."""
        if time < self._thumb_due:
            return None
        self._thumb_due = time + _THUMB_SECONDS - 1e-6
        return _rgb(self._small, frame, THUMB_WIDTH, THUMB_HEIGHT)

    def picture(self, frame: VideoFrame) -> Pixels:
        if self._size is None:
            self._size = _scaled(*_square_size(frame.width, frame.height, self._point_shape), self._side)
            self._turns = _quarter_turns(frame.rotation)
        return np.ascontiguousarray(np.rot90(_rgb(self._large, frame, *self._size), self._turns))


def _rgb(scaler: VideoReformatter, frame: VideoFrame, width: int, height: int) -> Pixels:
    small = scaler.reformat(frame, width=width, height=height, format="rgb24", interpolation="AREA")
    return np.asarray(small.to_ndarray(), dtype=np.uint8)


def _square_size(width: int, height: int, point_shape: Fraction | None) -> tuple[int, int]:
    """The size with square points; shapes that no camera has are taken for damage."""
    if not point_shape or not Fraction(1, 4) <= point_shape <= 4:
        return width, height
    return max(1, round(width * point_shape)), height


def _scaled(width: int, height: int, side: int | None) -> tuple[int, int]:
    shorter = min(width, height)
    if side is None or shorter <= side:
        return width, height
    return max(side, round(width * side / shorter)), max(side, round(height * side / shorter))


def _quarter_turns(rotation: int) -> int:
    """Counter-clockwise quarter turns; PyAV gives the display matrix as counter-clockwise degrees."""
    return round(rotation / 90) % 4


def _picture_stream(container: InputContainer) -> VideoStream | None:
    from av.stream import Disposition

    covers = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & covers and stream.codec_context is not None:
            return stream
    return None


def _refuse_bomb(width: int, height: int, path: Path, options: LoadOptions) -> None:
    if width * height > options.max_pixels:
        reason = f"too many pixels: {width} x {height}, the limit is {options.max_pixels:,}"
        raise DamagedFile(reason, subject=os.fspath(path))


def _refuse_faults(progress: Progress, track: PictureTrack, path: Path) -> None:
    subject = os.fspath(path)
    if progress.is_broken:
        reason = f"{progress.faults} of {progress.packets} packets cannot be decoded"
        raise DamagedFile(f"damaged: {reason}", subject=subject)
    longest = max(track.expected or 0.0, progress.end_of(track))
    if longest > MAX_SECONDS:
        raise DamagedFile(f"says it lasts {longest:,.0f} s, which no film does", subject=subject)
    if track.ends_too_early(progress):
        reason = f"it says it lasts {track.expected:,.1f} s, but ends after {progress.end_of(track):,.1f} s"
        raise DamagedFile(f"truncated: {reason}", subject=subject)
    if progress.frames == 0:
        raise DamagedFile("no picture of this film can be decoded", subject=subject)


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """The first frame that decodes, from the beginning of the film, for the facts that only frames carry."""
    import av

    for count, packet in enumerate(container.demux(stream)):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
        if frames or count >= _FRAMES_FOR_FACTS:
            return next((frame for frame in frames if isinstance(frame, av.VideoFrame)), None)
    return None


def _facts(container: InputContainer, stream: VideoStream, kind: str, rotation: int) -> FileFacts:
    tags = Tags.of(stream.metadata, container.metadata)
    latitude, longitude = tags.place()
    width, height = _square_size(stream.width, stream.height, stream.sample_aspect_ratio)
    if _quarter_turns(rotation) % 2:
        width, height = height, width
    return FileFacts(
        modality=Modality.VIDEO,
        format=kind,
        taken_at=tags.taken_at(),
        latitude=latitude,
        longitude=longitude,
        width=width,
        height=height,
        duration=PictureTrack.of(container, stream).expected,
        camera=tags.camera(),
        title=Tags.of(container.metadata).title(),  # a track's own is its language or its maker
    )
