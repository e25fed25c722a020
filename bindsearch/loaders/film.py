"""Films: the picture track cut into Clips, read with PyAV, in memory that does not grow with the length.

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
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bindsearch.errors import DamagedFile, MediaError, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.exif import camera_name, checked_place, timestamp
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.packets import MAX_SECONDS, PacketChooser, PictureTrack, Progress
from bindsearch.loaders.spans import THUMB_HEIGHT, THUMB_WIDTH, SpanCollector
from bindsearch.media import Clip, Pixels
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter
    from av.video.stream import VideoStream

# Playlists (HLS, DASH, concat) are not here: they name other files and addresses to read.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg,mxf,dv,rm,h264,hevc,m4v,"
    "mjpeg,yuv4mpegpipe,ivf,nut,wtv,obu,av1,mp3,aac,wav,flac,ac3"
)
_TIMEOUT_SECONDS = 60.0
_THUMB_SECONDS = 0.08
_FRAMES_FOR_FACTS = 64


def load_film(path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    """The film at ``path``. Its facts come from the header and its first frame.

    Raises DamagedFile, and UnsupportedFile when it has sound but no moving picture.
    """
    with _opened(path, options) as (container, stream):
        first = _first_frame(container, stream)
        facts = _facts(container, stream, kind, first.rotation if first is not None else 0)
    return LoadedFile(path, facts, _clips(path, options))


def _clips(path: Path, options: LoadOptions) -> Iterator[Clip]:
    with _opened(path, options) as (container, stream):
        track = PictureTrack.of(container, stream)
        collector = SpanCollector(_even_span(track.expected, options.span_seconds), options.span_frames)
        progress = Progress()
        step = options.span_seconds / max(1, options.span_frames)
        chooser = PacketChooser(stream, track, step, progress)
        eye = _Eye(options.picture_side, stream.sample_aspect_ratio)
        for time, frame in chooser.frames(container):
            _refuse_bomb(frame.width, frame.height, path, options)
            thumb = eye.thumb(time, frame)
            if thumb is not None:
                yield from collector.ends_before(time, thumb)
                if collector.wants(time):
                    collector.keep(time, eye.picture(frame), thumb)
        _refuse_faults(progress, track, path)
        yield from collector.last(progress.picture_end)


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


@contextmanager
def _opened(path: Path, options: LoadOptions) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its picture track; every fault becomes a MediaError, and it is always closed."""
    import av

    open_regular(path).close()
    try:
        # "file:" keeps a name such as "http:x" from being taken for an address.
        with av.open(
            f"file:{path.absolute()}",
            options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
            metadata_errors="replace",
            timeout=_TIMEOUT_SECONDS,
        ) as container:
            stream = _picture_stream(container, path)
            _refuse_bomb(stream.width, stream.height, path, options)
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as fault:
        raise _explained(path, fault) from fault


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    from av.stream import Disposition

    covers = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    for stream in container.streams.video:
        if not stream.disposition & covers and stream.codec_context is not None:
            return stream
    if container.streams.audio:
        name = container.streams.audio[0].codec_context.name
        raise UnsupportedFile(f"audio ({name}) is not read", subject=os.fspath(path))
    raise DamagedFile("no picture track in it", subject=os.fspath(path))


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


def _explained(path: Path, fault: BaseException) -> MediaError:
    if isinstance(fault, MemoryError):
        return DamagedFile("needs more memory than there is", subject=os.fspath(path))
    detail = getattr(fault, "strerror", None) or str(fault)
    return DamagedFile(f"not a film that can be read: {detail[:200].lower()}", subject=os.fspath(path))


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


@dataclass(frozen=True, slots=True)
class _Tags:
    """The metadata that cameras and telephones write into a film, under the names they use for it."""

    tags: dict[str, str]

    def first(self, *names: str) -> str:
        return next((self.tags[name].strip() for name in names if self.tags.get(name, "").strip()), "")

    def taken_at(self) -> float | None:
        date = self.first("com.apple.quicktime.creationdate", "creation_time", "date")
        zone = re.search(r"(Z|[+-]\d\d:?\d\d)$", date)
        moment = timestamp(date, zone[1] if zone else "")
        return moment if moment and moment > 0 else None  # clocks that were never set start in 1904

    def place(self) -> tuple[float | None, float | None]:
        """From ISO 6709, "+48.8577+002.2950+035.0/"."""
        text = self.first("com.apple.quicktime.location.ISO6709", "location", "location-eng")
        found = re.match(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)", text)
        return checked_place(float(found[1]), float(found[2])) if found else (None, None)

    def camera(self) -> str | None:
        make = self.first("com.apple.quicktime.make", "make", "com.android.manufacturer")
        return camera_name(make, self.first("com.apple.quicktime.model", "model", "com.android.model"))


def _facts(container: InputContainer, stream: VideoStream, kind: str, rotation: int) -> FileFacts:
    tags = _Tags({**stream.metadata, **container.metadata})
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
    )
