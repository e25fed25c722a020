"""From any sound to what the compact audio tower takes: three spectrograms as a picture, (64, 250, 3), uint8.

The recipe, for one window of five seconds:

1. The samples are brought to 16 kHz.
2. Silence at both ends (below -60 dB of the peak) is cut off; what is left is repeated until it fills 80,000
   samples. A short sound is thus heard several times, rather than once in a long silence.
3. Three power spectrograms with a frame every 20 ms, 250 in all, from Hann windows of 12.5, 32 and 128 ms:
   the first is sharp in time, the last in pitch. The signal is mirrored at both ends for the outer frames.
4. Each goes through 64 triangular filters, evenly spaced from 60 to 7800 Hz on the mel scale
   2595 log10(1 + f / 700) (D. O'Shaughnessy, *Speech Communication*, 1987).
5. Decibels below each spectrogram's own maximum: 0 dB is 255, -80 dB and less is 0. Loudness is thus not
   heard, and silence is a black picture.

Row 0 is the lowest band. A sound of more than five seconds is cut into windows that cover it evenly. A change
here that changes pictures is a new ``PREPROCESSING`` version in ``pictures``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Floats, Pixels

RATE = 16_000
SAMPLES = 5 * RATE
HOP = 320
FRAMES = SAMPLES // HOP
BANDS = 64
LOWEST, HIGHEST = 60.0, 7800.0
RANGE = 80.0
SILENCE = 1e-3
# Samples in each window, and points of its Fourier transform: more points than samples keep the lowest
# filters from falling between two frequencies.
WINDOWS = ((200, 512), (512, 1024), (2048, 2048))


def spectrograms(samples: Floats, rate: int) -> Pixels:
    """The pictures of a sound, one for each window: (windows, 64, 250, 3), at least one window.

    ``samples`` is (samples,) at ``rate`` samples a second, of any length and level.
    """
    return np.stack([spectrogram(window) for window in windows(at_rate(samples, rate))])


def at_rate(samples: Floats, rate: int) -> Floats:
    """``samples`` at 16 kHz; what is no number becomes silence."""
    clean = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    if rate == RATE or not len(clean):
        return clean
    import soxr

    resampled: Floats = soxr.resample(clean, rate, RATE)
    return resampled


def windows(samples: Floats) -> list[Floats]:
    """Pieces of five seconds at most that cover ``samples``; their distances are equal."""
    # A rest of less than a second is left to the overlap that a window more would mostly be.
    count = max(1, -(-(len(samples) - RATE) // SAMPLES))
    if count == 1:
        return [samples[:SAMPLES]]
    starts = np.linspace(0, len(samples) - SAMPLES, count).round().astype(int)
    return [samples[start : start + SAMPLES] for start in starts]


def filled(samples: Floats) -> Floats:
    """``samples`` without the silence at both ends, repeated to five seconds: (80000,)."""
    level = np.abs(samples)
    heard = np.flatnonzero(level > SILENCE * level.max(initial=0.0))
    if not len(heard):
        return np.zeros(SAMPLES, np.float32)
    return np.resize(samples[heard[0] : heard[-1] + 1], SAMPLES).astype(np.float32)


def spectrogram(samples: Floats) -> Pixels:
    """The picture of up to five seconds at 16 kHz: (64, 250, 3)."""
    signal = filled(samples)
    return np.stack([_decibels(_bands(signal, *size)) for size in WINDOWS], axis=-1)


def _bands(signal: Floats, length: int, points: int) -> Floats:
    """The power in each band and frame, (64, 250); frame i is centred on sample 320 i + 160."""
    padded = np.pad(signal, length // 2, mode="reflect")[HOP // 2 :]
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::HOP][:FRAMES]
    spectrum = np.fft.rfft(frames * np.hanning(length).astype(np.float32), points)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    # Band by band, since most of a filter is zeros; and by einsum, since a product of matrices would set all
    # cores to work for a millisecond, which on a busy machine takes a hundred.
    return np.stack([np.einsum("tf,f->t", power[:, part], filter_) for part, filter_ in _filters(points)])


def _decibels(power: Floats) -> Pixels:
    loudest = float(power.max())
    if loudest <= 0:
        return np.zeros(power.shape, np.uint8)
    decibels = 10 * np.log10(np.maximum(power / loudest, 1e-10))
    levels: Pixels = np.round(np.maximum(1 + decibels / RANGE, 0) * 255).astype(np.uint8)
    return levels


@cache
def _filters(points: int) -> tuple[tuple[slice, Floats], ...]:
    """64 triangles of height 1 that reach to the middles of their neighbours: points and weights of each."""
    ends = _mel(np.array([LOWEST, HIGHEST]))
    edges = np.linspace(ends[0], ends[1], BANDS + 2)[:, np.newaxis]
    places = _mel(np.arange(points // 2 + 1, dtype=np.float64) * (RATE / points))
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    covered = [np.flatnonzero(row) for row in triangles]
    parts = [slice(int(points[0]), int(points[-1]) + 1) for points in covered]
    return tuple((part, row[part]) for part, row in zip(parts, triangles, strict=True))


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    mel: NDArray[np.float64] = 2595 * np.log10(1 + hertz / 700)
    return mel
