"""A three-hour film and a ten-hour recording: seconds and peak memory of loading, and of a whole index run.

Both are made here (some minutes, about 250 MB) of soft noise that swells and of pictures that change. In each
a siren of three seconds is planted at 02:17:31; it stands out for the loaders by its loudness, and for a
search by its sound. ``--index`` also indexes the two in a process of its own and searches with the siren as
the query. ``--folder`` keeps what was made, ``--share`` shortens all times for a trial.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from _timing import ROOT, command
from numpy.typing import NDArray

RATE = 16_000
FILM_HOURS, RECORDING_HOURS = 3.0, 10.0
PLANTED_AT = 2 * 3600 + 17 * 60 + 31
PLANTED_SECONDS = 3
FRAMES_A_SECOND = 2
# Coder, type of its samples, its quickest setting.
FILM_SOUND = ("aac", "fltp", {"aac_coder": "fast"})
RECORDING = ("libopus", "flt", {"compression_level": "0"})
NOISE_LEVEL, PLANTED_LEVEL = 0.02, 0.5

Samples = NDArray[np.float32]


def siren() -> Samples:
    """A tone that wails between 600 and 1400 Hz, twice a second."""
    moments = np.arange(PLANTED_SECONDS * RATE) / RATE
    phase = 2 * np.pi * 1_000 * moments - 400 / 2 * np.cos(2 * np.pi * 2 * moments)
    return (PLANTED_LEVEL * np.sin(phase)).astype(np.float32)


def sound(seconds: int, planted_at: int) -> Iterator[Samples]:
    """Second after second of soft noise, with the siren in its place."""
    noise = np.random.default_rng(1).standard_normal((64, RATE)).astype(np.float32)
    noise[:, 1:] += 0.9 * noise[:, :-1]  # duller than white noise
    planted = siren().reshape(PLANTED_SECONDS, RATE)
    for second in range(seconds):
        swell = 1.2 + np.sin(second / 17)
        samples = NOISE_LEVEL * swell * noise[second * 7 % 64] / 3
        if 0 <= second - planted_at < PLANTED_SECONDS:
            samples = samples + planted[second - planted_at]
        yield samples.astype(np.float32)


def make(path: Path, seconds: int, planted_at: int, pictures: bool) -> None:
    """Write the sound second after second, and two pictures of each second if so wished."""
    import av

    with av.open(str(path), "w") as output:
        video = _video(output) if pictures else None
        codec, sort, quick = FILM_SOUND if pictures else RECORDING
        audio = output.add_stream(codec, rate=RATE, layout="mono", options=quick)
        audio.codec_context.bit_rate = 32_000
        shots = np.random.default_rng(2).integers(0, 256, (200, 9, 16, 3), dtype=np.uint8)
        for second, samples in enumerate(sound(seconds, planted_at)):
            if video is not None:
                shot = shots[second // 6 % len(shots)].repeat(20, axis=0).repeat(20, axis=1)
                for _ in range(FRAMES_A_SECOND):
                    output.mux(video.encode(av.VideoFrame.from_ndarray(shot, format="rgb24")))
            frame = av.AudioFrame.from_ndarray(samples[None], format=sort, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, second * RATE, Fraction(1, RATE)
            output.mux(audio.encode(frame))
        for stream in (video, audio) if video is not None else (audio,):
            output.mux(stream.encode(None))


def _video(output):  # type: ignore[no-untyped-def]
    stream = output.add_stream("libx264", rate=FRAMES_A_SECOND, options={"preset": "ultrafast", "crf": "32"})
    stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
    return stream


def load_one(path: Path) -> None:
    """Run the loader over one file; print its time, its own peak memory and where the siren is."""
    from bindsearch.loaders import LoadOptions, load
    from bindsearch.media import Sound

    def resident() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1_000

    started, clips, sounds, loud = time.perf_counter(), 0, 0, []
    loaded = load(path, LoadOptions(picture_side=260))
    before = resident()
    for medium in loaded.media:
        if not isinstance(medium, Sound):
            clips += 1
            continue
        sounds += 1
        if np.abs(medium.samples).max() > PLANTED_LEVEL / 2:
            loud.append(f"{medium.start:.1f}-{medium.end:.1f}")
    seconds = time.perf_counter() - started
    print(f"  {path.name:<16}{seconds:8.1f} s   peak {resident():6.0f} MB (opened {before:.0f})", flush=True)
    found = ", ".join(loud)
    print(f"    {clips} clips, {sounds} sounds of {loaded.facts.duration:,.0f} s; the siren in {found}")


def index(folder: Path, query: Path) -> None:
    """Index the folder in a process of its own, then search with the siren."""
    with tempfile.TemporaryDirectory() as library:
        environment = os.environ | {"BINDSEARCH_LIBRARY": library}
        started = time.perf_counter()
        done = subprocess.run(command("index", str(folder)), env=environment, cwd=ROOT, check=False)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_000
        seconds = time.perf_counter() - started
        print(
            f"  bindsearch index  {seconds:8.1f} s   peak {peak:6.0f} MB   exit {done.returncode}", flush=True
        )
        subprocess.run(command("search", str(query)), env=environment, cwd=ROOT, check=False)


def main() -> None:
    """Make the two files, load each in a process of its own, and index them if so wished."""
    import soundfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", action="store_true", help="index and search, too")
    parser.add_argument("--folder", type=Path, help="keep the files here, and use those that are there")
    parser.add_argument("--share", type=float, default=1.0, help="of all lengths, as 0.01 for a trial")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.load:
        load_one(chosen.load)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        media = folder / "media"
        media.mkdir(parents=True, exist_ok=True)
        planted_at = round(PLANTED_AT * chosen.share)
        for name, hours in (("film.mp4", FILM_HOURS), ("recording.opus", RECORDING_HOURS)):
            if not (media / name).exists():
                making = folder / name
                make(making, round(hours * 3600 * chosen.share), planted_at, pictures=name == "film.mp4")
                making.rename(media / name)
        print(f"  a siren of {PLANTED_SECONDS} s planted at {planted_at} s")
        for path in sorted(media.iterdir()):
            subprocess.run([sys.executable, __file__, "--load", str(path)], cwd=ROOT, check=True)
        if chosen.index:
            soundfile.write(folder / "siren.wav", siren(), RATE)
            index(media, folder / "siren.wav")


if __name__ == "__main__":
    main()
