"""The sound track of a film or of a container without pictures, decoded with PyAV as it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile
from bindsearch.loaders.base import LoadOptions
from bindsearch.loaders.containers import open_container
from bindsearch.loaders.packets import FAULT_SHARE_ALLOWED, FAULTS_ALLOWED
from bindsearch.loaders.sound_blocks import BLOCK_SAMPLES, JUMP_SECONDS, Block, Hearing, check_shape, cut
from bindsearch.loaders.sound_spans import SpanCutter
from bindsearch.media import Sound

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

# What comes before a sound shapes it: Opus wants 80 ms (RFC 7845, 4.6), MP3's bit reservoir some frames.
LEAD_SECONDS = 1.0

# Frame after frame, without a word on how many.
_WITHOUT_LENGTH = frozenset({
    "aac", "ac3", "eac3", "amr", "amrnb", "amrwb", "dts", "dtshd", "truehd", "mlp", "loas", "mpegts", "mpeg",
    "mpegvideo", "gsm", "shn", "h264", "hevc", "m4v", "obu",
})  # fmt: skip
# Time stamps of 33 bits: a sound that begins a little before the pictures seems to begin 26 hours later.
_WRAPPING = frozenset(("mpegts", "mpeg"))
_WRAP_SECONDS = 2**33 / 90_000
_WRAPPED_SECONDS = 60.0


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The track to listen to, of those that can be decoded: the default one, else the first.

    Comments and descriptions for the blind come last.
    """
    from av.stream import Disposition

    aside = Disposition.comment | Disposition.visual_impaired | Disposition.descriptions
    tracks = [stream for stream in container.streams.audio if stream.codec_context is not None]

    def order(stream: AudioStream) -> tuple[bool, bool, int]:
        return bool(stream.disposition & aside), not stream.disposition & Disposition.default, stream.index

    return min(tracks, key=order, default=None)


def film_sounds(path: Path, options: LoadOptions) -> Iterator[Sound]:
    """The spans of a film's sound track on the film's clock; none where it has no track that can be decoded.

    Raises DamagedFile when the file, or more than a few packets of the track, cannot be read.
    """
    with open_container(path, "film") as container:
        stream = sound_stream(container)
        if stream is None:
            return
        start = container.start_time / 1e6 if container.start_time is not None else None
        cutter = SpanCutter(options)
        track = SoundTrack(container, stream, start)
        yield from cut(track.blocks(cutter.position / options.sound_rate), cutter, options)
        if track.hearing.seconds:
            refuse_faults(track.hearing, path)


def refuse_faults(hearing: Hearing, path: Path) -> None:
    """Raise DamagedFile when too much of what was heard was broken."""
    subject = os.fspath(path)
    if hearing.faults > max(FAULTS_ALLOWED, FAULT_SHARE_ALLOWED * hearing.packets):
        reason = f"{hearing.faults} of {hearing.packets} packets of sound cannot be decoded"
        raise DamagedFile(f"damaged: {reason}", subject=subject)
    if hearing.is_strange:
        reason = f"{hearing.strange:,} of {hearing.samples:,} samples are no numbers"
        raise DamagedFile(f"damaged: {reason}", subject=subject)


@dataclass(slots=True)
class SoundTrack:
    """Decodes one track. ``origin`` is the time stamp (s) that counts as 0; None: that of the first frame."""

    container: InputContainer
    stream: AudioStream
    origin: float | None
    hearing: Hearing = field(default_factory=Hearing)

    def blocks(self, start: float = 0.0) -> Iterator[Block]:
        """The track's sound in blocks of a few seconds, from ``start`` (seconds) or somewhat before.

        Raises av.FFmpegError and ValueError when reading fails.
        """
        self._seek(start - LEAD_SECONDS)
        gathered: _Gathered | None = None
        due = 0.0
        for frame in self._frames():
            time, samples = self._time(frame, due), planes(frame)
            if gathered is not None and not gathered.goes_on(time, frame.sample_rate, samples):
                yield gathered.block(self.hearing)
                gathered = None
            if gathered is None:
                gathered = _Gathered(time, frame.sample_rate, samples)
            else:
                gathered.parts.append(samples)
            gathered.count += samples.shape[1]
            due = gathered.end
        if gathered is not None:
            yield gathered.block(self.hearing)

    def _seek(self, start: float) -> None:
        """Go to ``start`` seconds or before, where the container finds its way without reading on."""
        base = self.stream.time_base
        if start > 0 and self.origin is not None and base and keeps_time(self.container):
            self.container.seek(int((start + self.origin) / base), stream=self.stream)

    def _frames(self) -> Iterator[AudioFrame]:
        import av

        for packet in self.container.demux(self.stream):
            self.hearing.packets += packet.size > 0
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.hearing.faults += 1
                continue
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame

    def _time(self, frame: AudioFrame, due: float) -> float:
        if frame.pts is None or frame.time is None:
            return due
        if self.origin is None:
            self.origin = frame.time
        time = frame.time - self.origin
        wraps = self.container.format.name in _WRAPPING and time > _WRAP_SECONDS - _WRAPPED_SECONDS
        return time - _WRAP_SECONDS if wraps else time


class _Gathered:
    """Frames that follow each other and have one rate and shape: ``parts`` of (channels, samples)."""

    def __init__(self, time: float, rate: int, samples: NDArray[Any]) -> None:
        check_shape(rate, len(samples))
        self.time, self.rate = time, rate
        self.parts = [samples]
        self.count = 0

    @property
    def end(self) -> float:
        return self.time + self.count / self.rate

    def goes_on(self, time: float, rate: int, samples: NDArray[Any]) -> bool:
        """Whether a frame at ``time`` follows, and there is room for it."""
        first = self.parts[0]
        alike = rate == self.rate and len(samples) == len(first) and samples.dtype == first.dtype
        room = self.count * len(first) < BLOCK_SAMPLES
        return alike and room and abs(time - self.end) <= JUMP_SECONDS

    def block(self, hearing: Hearing) -> Block:
        return hearing.block(self.time, self.rate, np.concatenate(self.parts, axis=1))


def planes(frame: AudioFrame) -> NDArray[Any]:
    """The samples of ``frame`` as (channels, samples). Raises ValueError for a format that is not known."""
    samples = frame.to_ndarray()
    return samples if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels).T


def states_length(container: InputContainer) -> bool:
    """Whether the container says how long it lasts; of the others PyAV guesses it from their size."""
    return not set(container.format.name.split(",")) & _WITHOUT_LENGTH


def keeps_time(container: InputContainer) -> bool:
    """Whether the time stamps are right after a leap."""
    return states_length(container) or container.format.name == "mpegts"
