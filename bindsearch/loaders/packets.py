"""Which packets of a film are decoded, and when each frame is shown.

Times are seconds from the film's beginning. Only the packets of a second or two are held back at a time,
until it is clear whether the next key frame comes soon enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AnyPacket
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    Packet = AnyPacket[Any]

# About 19 minutes of 1080p at 25 frames a second, or three hours of 640 x 360.
DECODED_PIXELS = 60_000_000_000

_KEY_FRAMES_NEAR = 1.5  # key frames at most this many steps apart are enough by themselves
_KEY_FRAMES_DENSE = 0.25  # and closer than this many steps are more than enough
_HELD_BYTES = 64_000_000

FAULTS_ALLOWED = 3
FAULT_SHARE_ALLOWED = 0.01
MAX_SECONDS = 10_000_000.0  # some 115 days: no film lasts longer, but a forged header may say so
SECONDS_MISSING_ALLOWED = 1.0
SHARE_MISSING_ALLOWED = 0.02


@dataclass(slots=True)
class Progress:
    """What has been read so far; ``picture_end`` and ``any_end`` are the latest ends of a packet."""

    packets: int = 0
    frames: int = 0
    faults: int = 0
    pixels: int = 0
    picture_end: float = 0.0
    any_end: float = 0.0

    @property
    def is_broken(self) -> bool:
        return self.faults > max(FAULTS_ALLOWED, FAULT_SHARE_ALLOWED * self.packets)

    def end_of(self, track: PictureTrack) -> float:
        return self.picture_end if track.is_own_duration else self.any_end


@dataclass(frozen=True, slots=True)
class PictureTrack:
    """The timing of a picture track.

    ``origin`` is the time stamp, in seconds, that counts as the film's beginning. ``expected`` is how long
    the header says it lasts: the track itself where ``is_own_duration``, else the longest of all tracks.
    """

    origin: float | None
    expected: float | None
    is_own_duration: bool
    frame_seconds: float

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> PictureTrack:
        own = _own_duration(stream)
        whole = container.duration / 1e6 if container.duration and container.duration > 0 else None
        rate = stream.average_rate or stream.guessed_rate
        return cls(
            origin=container.start_time / 1e6 if container.start_time is not None else None,
            expected=own or whole,
            is_own_duration=own is not None,
            frame_seconds=float(1 / rate) if rate and rate > 0 else 0.04,
        )

    def ends_too_early(self, progress: Progress) -> bool:
        if self.expected is None:
            return False
        allowed = max(SECONDS_MISSING_ALLOWED, SHARE_MISSING_ALLOWED * self.expected)
        return self.expected - progress.end_of(self) > allowed


def _own_duration(stream: VideoStream) -> float | None:
    if stream.duration and stream.duration > 0 and stream.time_base:
        return float(stream.duration * stream.time_base)
    found = re.match(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) or None if found else None


@dataclass(slots=True)
class _Group:
    """A key frame and the packets after it that are still held; ``released`` when they are no longer held."""

    start: float
    packets: list[Packet] = field(default_factory=list)
    size: int = 0
    released: bool = False


class PacketChooser:
    """Reads a container and decodes of its picture track what a frame every ``step`` seconds needs."""

    def __init__(self, stream: VideoStream, track: PictureTrack, step: float, progress: Progress) -> None:
        self._stream = stream
        self._step = step
        self._origin = track.origin
        self._frame_seconds = track.frame_seconds
        self._progress = progress
        self._timed: bool | None = None
        self._shown = 0.0
        self._key_decoded_at = float("-inf")
        self._gap_start = float("inf")  # frames between here ...
        self._gap_end = float("-inf")  # ... and here were not decoded, so nothing can build on them
        frames = (track.expected or 0.0) / track.frame_seconds
        self._keys_only = stream.width * stream.height * frames > DECODED_PIXELS

    def frames(self, container: InputContainer) -> Iterator[tuple[float, VideoFrame]]:
        """Frames with their times, which never decrease. Raises av.FFmpegError when reading fails."""
        group: _Group | None = None
        for packet in container.demux():
            if packet.size == 0:  # the end of a track
                continue
            time = self._note(packet)
            if packet.stream.index != self._stream.index:
                continue
            if group is None or packet.is_keyframe:
                yield from self._key_of(group)
                group = _Group(time)
            yield from self._take(group, packet, time)
        if group is not None:
            yield from self._release(group)
        yield from self._decode(None)

    def _take(self, group: _Group, packet: Packet, time: float) -> Iterator[tuple[float, VideoFrame]]:
        if group.released:
            yield from self._decode(packet)
        elif self._keys_only and not packet.is_keyframe:
            self._skip(group)
        else:
            group.packets.append(packet)
            group.size += packet.size
            far = time - group.start > _KEY_FRAMES_NEAR * self._step
            if far or group.size > _HELD_BYTES or not self._timed:
                yield from self._release(group)

    def _key_of(self, group: _Group | None) -> Iterator[tuple[float, VideoFrame]]:
        """The key frame of a group that was short enough to be represented by it."""
        if group is None or not group.packets:
            return
        if group.start - self._key_decoded_at >= _KEY_FRAMES_DENSE * self._step:
            self._key_decoded_at = group.start
            yield from self._decode(group.packets[0])
        self._skip(group)

    def _skip(self, group: _Group) -> None:
        self._gap_start = min(self._gap_start, group.start)
        self._gap_end = float("inf")

    def _release(self, group: _Group) -> Iterator[tuple[float, VideoFrame]]:
        group.released = True
        if self._gap_end == float("inf"):
            self._gap_end = group.start
        for packet in group.packets:
            yield from self._decode(packet)
        group.packets = []

    def _decode(self, packet: Packet | None) -> Iterator[tuple[float, VideoFrame]]:
        import av

        try:
            frames = self._stream.decode(packet)
        except av.FFmpegError:
            self._progress.faults += 1
            return
        for frame in frames:
            self._progress.pixels += frame.width * frame.height
            self._keys_only |= self._progress.pixels > DECODED_PIXELS
            time = self._frame_time(frame)
            baseless = not frame.key_frame and self._gap_start < time < self._gap_end
            if not baseless and not frame.is_corrupt:
                self._progress.frames += 1
                yield time, frame

    def _frame_time(self, frame: VideoFrame) -> float:
        base = frame.time_base or self._stream.time_base  # the last frames come without their own
        if frame.pts is None or not self._timed or base is None:
            time = self._progress.frames * self._frame_seconds
        else:
            time = float(frame.pts * base) - (self._origin or 0.0)
        self._shown = max(self._shown, time)
        return self._shown

    def _note(self, packet: Packet) -> float:
        """The time of ``packet``, taken down in the progress."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        own = packet.stream.index == self._stream.index
        if own:
            self._progress.packets += 1
        if own and self._timed is None:
            self._timed = stamp is not None
            # Frames that no other needs; where they must be counted to be timed, all are decoded.
            self._stream.codec_context.skip_frame = "NONREF" if self._timed else "DEFAULT"
        if stamp is None or packet.time_base is None:
            time = (self._progress.packets - 1) * self._frame_seconds if own else 0.0
            end = time
        else:
            seconds = float(stamp * packet.time_base)
            self._origin = seconds if self._origin is None else self._origin
            time = seconds - self._origin
            end = time + float((packet.duration or 0) * packet.time_base)
        self._progress.any_end = max(self._progress.any_end, end)
        if own:
            self._progress.picture_end = max(self._progress.picture_end, end, time + self._frame_seconds)
        return time
