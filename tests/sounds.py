"""Small real recordings for tests: tones, sweeps and noise, written by real encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0, level: float = 0.25) -> Samples:
    """A sine of the given peak: (samples,)."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def sweep(seconds: float, rate: int = 16_000, level: float = 0.25) -> Samples:
    """A sine that rises from 200 Hz by 60 Hz a second, so that no moment sounds like another."""
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * (200 * time + 30 * time**2))).astype(np.float32)


def pitch(samples: Samples, rate: int) -> float:
    """The strongest frequency (Hz), read between the lines of the spectrum."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    top = int(power[1:-1].argmax()) + 1
    below, peak, above = np.log(power[top - 1 : top + 2] + 1e-12)
    return float((top + 0.5 * (below - above) / (below - 2 * peak + above)) * rate / len(samples))


def level(samples: Samples) -> float:
    """The peak that a sine of this mean power has."""
    return float(np.sqrt(2 * np.mean(samples.astype(np.float64) ** 2)))


def write(
    path: Path,
    samples: Samples,
    rate: int,
    container: str,
    codec: str,
    *,
    start: float = 0.0,
    bit_rate: int | None = None,
    options: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """``samples`` ((n,) or (channels, n)) as a file of one sound track that begins at ``start`` seconds."""
    with av.open(str(path), "w", format=container, options=dict(options or {})) as output:
        output.metadata.update(metadata or {})
        stream = add_track(output, samples, rate, codec, bit_rate)
        for packet in encode(stream, samples, rate, start):
            output.mux(packet)
    return path


def add_track(
    output: OutputContainer, samples: Samples, rate: int, codec: str, bit_rate: int | None = None
) -> AudioStream:
    """A new sound track with room for as many channels as ``samples`` have."""
    layout = "mono" if samples.ndim == 1 else {2: "stereo", 6: "5.1"}[len(samples)]
    stream = output.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(stream, AudioStream)
    if bit_rate:
        stream.codec_context.bit_rate = bit_rate
    formats = [known.name for known in stream.codec_context.codec.audio_formats or ()]
    stream.codec_context.format = formats[0] if codec != "wavpack" else "fltp"
    return stream


def encode(stream: AudioStream, samples: Samples, rate: int, start: float = 0.0) -> Iterator[av.Packet]:
    """The whole of ``samples`` as packets of ``stream``, the first at ``start`` seconds."""
    context = stream.codec_context
    if not context.is_open:
        context.open()
    layout = context.layout
    resampler = av.AudioResampler(context.format, layout, rate, frame_size=context.frame_size)
    planes = np.atleast_2d(samples)
    for at in range(0, planes.shape[1], rate):
        part = np.ascontiguousarray(planes[:, at : at + rate])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout.name)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(start * rate) + at
        for ready in resampler.resample(frame):
            yield from stream.encode(ready)
    for ready in resampler.resample(None):
        yield from stream.encode(ready)
    yield from stream.encode(None)


def _encode_pictures(stream: VideoStream, pictures: NDArray[np.uint8]) -> Iterator[av.Packet]:
    for pixels in pictures:
        yield from stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
    yield from stream.encode(None)


def _moment(packet: av.Packet) -> float:
    return float(packet.dts * packet.time_base) if packet.dts is not None and packet.time_base else 0.0


def write_film(
    path: Path,
    pictures: NDArray[np.uint8],
    tracks: list[Samples],
    *,
    container: str = "mp4",
    rate: int = 16_000,
    sound_start: float = 0.0,
    frames_a_second: int = 10,
    default: int = 0,
    codec: str = "aac",
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A film of ``pictures`` (frames, height, width, 3) with sound tracks, of which ``default`` is marked."""
    from av.stream import Disposition

    with av.open(str(path), "w", format=container) as output:
        output.metadata.update(metadata or {})
        pictured = {"webm": "libvpx", "flv": "flv"}.get(container, "mpeg4")
        stream = output.add_stream(pictured, rate=frames_a_second)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        sounds = [add_track(output, samples, rate, codec, 48_000) for samples in tracks]
        for number, sound in enumerate(sounds):
            sound.disposition = Disposition.default if number == default else Disposition(0)
        packets = list(_encode_pictures(stream, pictures))
        for sound, samples in zip(sounds, tracks, strict=True):
            packets += encode(sound, samples, rate, sound_start)
        for packet in sorted(packets, key=_moment):
            output.mux(packet)
    return path
