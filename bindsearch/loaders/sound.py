"""Sounds: a recording of any length cut into Sounds, in memory that does not grow with it.

Uncompressed recordings are read with soundfile, which is fastest at them; all others, and those that it
refuses, with PyAV, which goes on after a few broken packets and says nothing on the error stream. What is
given is the mean of the channels at ``options.sound_rate``, in spans that overlap and cover the whole
(see ``sound_spans``); silent ones are left out.

A compressed recording is refused as a whole when it ends well before it says it does, or when more than one
packet in a hundred (and more than three) cannot be decoded; a consumer has then already been given the
spans before the fault, and must discard them. Of an uncompressed recording whatever is there is taken,
because every sample of it is right by itself, and a recorder that lost power writes no better header.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.errors import DamagedFile, MediaError, UnsupportedFile
from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.containers import explained, open_container
from bindsearch.loaders.files import open_regular
from bindsearch.loaders.packets import MAX_SECONDS, SECONDS_MISSING_ALLOWED, SHARE_MISSING_ALLOWED
from bindsearch.loaders.sound_blocks import BLOCK_SAMPLES, Block, Hearing, check_shape, cut
from bindsearch.loaders.sound_spans import SpanCutter
from bindsearch.loaders.sound_track import (
    LEAD_SECONDS,
    SoundTrack,
    refuse_faults,
    sound_stream,
    states_length,
)
from bindsearch.loaders.tags import Tags
from bindsearch.media import Sound
from bindsearch.modality import Modality

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from soundfile import SoundFile

# Kinds that soundfile reads first: those of whole samples, and some that PyAV does not read at all.
_SOUNDFILE_KINDS = frozenset({
    "WAV", "AIFF", "AIF", "AIFC", "AU", "SND", "CAF", "W64", "RF64",
    "PAF", "PVF", "SDS", "NIST", "SVX", "AVR", "WVE", "VOC", "IRCAM",
})  # fmt: skip
_PROMISE_BROKEN = re.compile(r"^ *(data|SSND|Data Size) *:.*should be", re.MULTILINE)
_GAPLESS = frozenset(("ogg", "mp3", "flac", "wv", "tta", "ape"))  # every second of them holds samples


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known of a recording before it is read; ``start`` is the time stamp of its first sample.

    ``stated`` is how many seconds its header promises, as far as it is held to that.
    """

    codec: str
    reader: str
    channels: int
    rate: int
    duration: float | None = None
    stated: float | None = None
    start: float | None = None
    note: str = ""

    def notes(self) -> tuple[str, ...]:
        """Sentences for whoever asks how the file was understood."""
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels, mixed into one"
        said = f"sound: {self.codec}, {self.rate:,} samples a second, {channels}, read with {self.reader}"
        return (said, self.note) if self.note else (said,)


def load_sound(path: Path, kind: str, options: LoadOptions) -> LoadedFile:
    """The sound at ``path``. Its facts come from the header, its tags and its first samples.

    Raises DamagedFile, and UnsupportedFile when there is nothing but silence in it; so does iterating.
    """
    shape = _soundfile_shape(path) if kind in _SOUNDFILE_KINDS else None
    if shape is None:
        shape, tags = _av_shape(path)
    else:
        tags = _tags(path)
    _refuse_endless(shape, path)
    read = _soundfile_sounds if shape.reader == "soundfile" else _av_sounds
    return LoadedFile(path, _facts(shape, tags, kind), read(path, shape, options), shape.notes())


def _facts(shape: _Shape, tags: Tags, kind: str) -> FileFacts:
    latitude, longitude = tags.place()
    return FileFacts(
        modality=Modality.AUDIO,
        format=kind,
        taken_at=tags.taken_at(),
        latitude=latitude,
        longitude=longitude,
        duration=shape.duration,
        camera=tags.camera(),
        title=tags.title(),
    )


def _tags(path: Path) -> Tags:
    """The tags, as far as PyAV finds any."""
    try:
        with open_container(path, "sound") as container:
            return Tags.of(*(stream.metadata for stream in container.streams.audio), container.metadata)
    except MediaError:
        return Tags({})


# ---------------------------------------------------------------------------------------------- soundfile


def _soundfile_shape(path: Path) -> _Shape | None:
    """What soundfile says of the recording, or None where it cannot read it."""
    try:
        with _soundfile(path) as file:
            check_shape(file.samplerate, file.channels)
            if file.frames <= 0 or not file.seekable() or file.subtype.startswith("MPEG"):
                return None
            broken = file.subtype.startswith("PCM") and _PROMISE_BROKEN.search(file.extra_info)
            note = (
                "its header promises another length than there is; what is there is taken" if broken else ""
            )
            seconds = file.frames / file.samplerate
            codec = f"{file.format} {file.subtype}".lower()
            return _Shape(codec, "soundfile", file.channels, file.samplerate, seconds, note=note)
    except _NotForSoundfile:
        return None


class _NotForSoundfile(Exception):
    """soundfile does not read the file."""


@contextmanager
def _soundfile(path: Path) -> Iterator[SoundFile]:
    import soundfile

    with open_regular(path) as file:
        try:
            # By its number, because soundfile judges some files by their names.
            with soundfile.SoundFile(os.dup(file.fileno())) as opened:
                yield opened
        except soundfile.SoundFileError as fault:
            raise _NotForSoundfile from fault
        except (OSError, ValueError, OverflowError, MemoryError) as fault:
            raise explained(path, "sound", fault) from fault


def _soundfile_sounds(path: Path, shape: _Shape, options: LoadOptions) -> Iterator[Sound]:
    cutter, hearing = SpanCutter(options), Hearing()
    begin = max(0, int(cutter.position / options.sound_rate - LEAD_SECONDS))
    try:
        with _soundfile(path) as file:
            yield from cut(_soundfile_blocks(file, begin, hearing), cutter, options)
    except _NotForSoundfile as fault:
        raise explained(path, "sound", fault.__cause__ or fault) from fault
    _refuse_unheard(hearing, cutter, shape, path, options)


def _soundfile_blocks(file: SoundFile, begin: int, hearing: Hearing) -> Iterator[Block]:
    """The recording in blocks from the second ``begin`` on."""
    rate, at = file.samplerate, begin * file.samplerate
    if file.seek(min(at, file.frames)) < at:
        return
    count = max(1, BLOCK_SAMPLES // file.channels)
    while len(samples := file.read(count, dtype="float32", always_2d=True)):
        yield hearing.block(at / rate, rate, samples.T)
        at += len(samples)


# --------------------------------------------------------------------------------------------------- PyAV


def _av_shape(path: Path) -> tuple[_Shape, Tags]:
    """What PyAV says of the recording, having decoded its first frames."""
    with open_container(path, "sound") as container:
        stream = sound_stream(container)
        if stream is None:
            raise DamagedFile("no sound track in it that can be decoded", subject=os.fspath(path))
        tags = Tags.of(stream.metadata, container.metadata)
        track = SoundTrack(container, stream, None)
        first = next(track.blocks(), None)
        if first is None:
            refuse_faults(track.hearing, path)
            raise DamagedFile("no samples in it", subject=os.fspath(path))
        duration, stated = _durations(container, stream, path)
        codec = stream.codec_context.codec.canonical_name
        shape = _Shape(
            codec, "PyAV", stream.codec_context.channels, first.rate, duration, stated, track.origin
        )
        guessed = "its length is a guess from its size, because it states none"
        return replace(shape, note=guessed if duration and not states_length(container) else ""), tags


def _durations(
    container: InputContainer, stream: AudioStream, path: Path
) -> tuple[float | None, float | None]:
    """How long the recording lasts, and how long it promises to, in seconds."""
    own = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    whole = container.duration / 1e6 if container.duration and container.duration > 0 else None
    seconds = own if own and own > 0 else whole
    promised = states_length(container) and not stream.codec_context.name.startswith("pcm_")
    if container.format.name == "mp3":
        promised = _has_frame_count(path)
    return seconds, seconds if promised else None


def _has_frame_count(path: Path) -> bool:
    """Whether an MP3 begins with its encoder's count of frames ("Xing", "Info" or "VBRI")."""
    with open_regular(path) as file:
        head = file.read(10)
        if head.startswith(b"ID3"):
            size = head[6:10]  # seven bits of each byte (ID3v2.4, 3.1)
            file.seek(10 + sum((byte & 0x7F) << 7 * (3 - n) for n, byte in enumerate(size)))
        else:
            file.seek(0)
        frame = file.read(2_000)
    return any(name in frame for name in (b"Xing", b"Info", b"VBRI"))


def _av_sounds(path: Path, shape: _Shape, options: LoadOptions) -> Iterator[Sound]:
    with open_container(path, "sound") as container:
        stream = sound_stream(container)
        assert stream is not None
        cutter = SpanCutter(options)
        track = SoundTrack(container, stream, shape.start)
        yield from cut(track.blocks(cutter.position / options.sound_rate), cutter, options)
        hearing = track.hearing
        refuse_faults(hearing, path)
        gapless = container.format.name in _GAPLESS and options.part is None
        heard = hearing.seconds if gapless else hearing.end
        if not cutter.done:
            _refuse_truncated(shape, heard, path)
    _refuse_unheard(hearing, cutter, shape, path, options)


# --------------------------------------------------------------------------------------------------- both


def _refuse_endless(shape: _Shape, path: Path) -> None:
    if shape.duration is not None and not shape.duration <= MAX_SECONDS:
        reason = f"says it lasts {shape.duration:,.0f} s, which no recording does"
        raise DamagedFile(reason, subject=os.fspath(path))


def _refuse_truncated(shape: _Shape, heard: float, path: Path) -> None:
    if shape.stated is None:
        return
    allowed = max(SECONDS_MISSING_ALLOWED, SHARE_MISSING_ALLOWED * shape.stated)
    if shape.stated - heard > allowed:
        reason = f"it says it lasts {shape.stated:,.1f} s, but {heard:,.1f} s can be heard"
        raise DamagedFile(f"truncated: {reason}", subject=os.fspath(path))


def _refuse_unheard(
    hearing: Hearing, cutter: SpanCutter, shape: _Shape, path: Path, options: LoadOptions
) -> None:
    refuse_faults(hearing, path)
    if options.part is not None or cutter.given:
        return
    if not hearing.samples:
        raise DamagedFile("no samples in it", subject=os.fspath(path))
    hint = "somewhere it must be louder than -70 dB of full scale"
    raise UnsupportedFile("nothing but silence in it", subject=os.fspath(path), hint=hint)
