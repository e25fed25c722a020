"""From recordings to what the audio tower takes: (clips, 1, 128, 204), a Kaldi-style mel filter bank.

``file_clips`` does what the published loader does, number for number: three clips of two seconds, the first
channel only. ``span_clips`` is bindsearch's own recipe: as many clips as cover the whole span, side by side
as far as they go, each with its own mean.

Sources: the resampling of torchaudio's ``functional.resample`` and the filter bank of its
``compliance.kaldi.fbank``, both at the settings of the published loader.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.imagebind.times import CLIP_SECONDS, clip_times
from bindsearch.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]

RATE = 16000
BINS = 128
FRAMES = 204
CLIPS_PER_FILE = 3
MEAN, STD = -4.268, 9.138  # of the log energies of AudioSet

WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, the next power of two
LOWEST = 20.0  # Hz
PRE_EMPHASIS = 0.97
LEAST_ENERGY = 1.1920929e-07  # float32's epsilon

LOBES = 6  # of the windowed sinc, on either side
ROLL_OFF = 0.99
RATES = (1000, 768000)
MOST_PHASES = 1000  # odder rates are rounded by less than a millionth, for the kernel grows with them


def file_clips(samples: Floats, rate: int, bins: int = BINS, frames: int = FRAMES) -> Floats:
    """A whole recording (channels, n) to (3, 1, bins, frames). EncoderError if it is shorter than 25 ms.

    The mean of all channels is taken off each clip in place. Where clips overlap, a later one sees samples
    that an earlier one has shifted: a slip of the published loader that its vectors depend on.
    """
    wave = resampled(samples, rate).clone()  # (channels, n)
    _check(wave)
    clips = []
    for start, end in clip_times(wave.shape[1] / RATE, CLIPS_PER_FILE):
        clip = wave[:, int(start * RATE) : int(end * RATE)]
        clip -= clip.mean()
        clips.append(_spectrogram(clip[0], bins, frames))
    return np.stack(clips)


def span_clips(samples: Floats, rate: int, bins: int = BINS, frames: int = FRAMES) -> Floats:
    """One span of one channel (n,) to (clips, 1, bins, frames): evenly spaced clips that cover all of it."""
    wave = resampled(samples[np.newaxis], rate)[0]  # (n,)
    _check(wave)
    seconds = len(wave) / RATE
    clips = []
    for start, end in clip_times(seconds, max(1, math.ceil(seconds / CLIP_SECONDS))):
        clip = wave[int(start * RATE) : int(end * RATE)]
        clips.append(_spectrogram(clip - clip.mean(), bins, frames))
    return np.stack(clips)


def resampled(samples: Floats, rate: int) -> Tensor:
    """(channels, n) at ``rate`` to (channels, n') at 16 kHz, by a sinc under a squared cosine.

    Raises EncoderError for a rate outside ``RATES``.
    """
    import torch
    from torch.nn import functional

    if not RATES[0] <= rate <= RATES[1]:
        raise EncoderError(f"cannot use a sound of {rate} samples a second")
    wave = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    ratio = Fraction(rate, RATE).limit_denominator(MOST_PHASES)
    if ratio == 1:
        return wave
    kernels, width = _sinc(ratio)
    length = math.ceil(wave.shape[1] / ratio)
    padded = functional.pad(wave, (width, width + ratio.numerator))
    phases = functional.conv1d(padded[:, None], kernels, stride=ratio.numerator)  # (channels, phases, steps)
    return phases.transpose(1, 2).flatten(1)[:, :length]


@lru_cache(maxsize=8)
def _sinc(ratio: Fraction) -> tuple[Tensor, int]:
    """Kernels (phases, 1, taps) and how many taps lie before the sample; float32 as in the source."""
    import torch

    old, new = ratio.numerator, ratio.denominator
    base = ROLL_OFF * min(old, new)
    width = math.ceil(LOBES * old / base)
    taps = torch.arange(-width, width + old, dtype=torch.float32)[None, None] / old  # (1, 1, taps)
    phases = torch.arange(0, -new, -1, dtype=torch.float32)[:, None, None] / new  # (phases, 1, 1)
    t = ((phases + taps) * base).clamp(-LOBES, LOBES)  # (phases, 1, taps)
    window = torch.cos(t * math.pi / LOBES / 2) ** 2
    t = t * math.pi
    sinc = torch.where(t == 0, torch.tensor(1.0), t.sin() / t)
    return sinc * window * (base / old), width


def _check(wave: Tensor) -> None:
    if wave.shape[-1] < WINDOW:
        raise EncoderError(f"a sound of {wave.shape[-1] / RATE * 1000:.2g} ms is too short, it takes 25 ms")
    if not math.isfinite(float(wave.sum())):
        raise EncoderError("a sound has samples that are not numbers")


def _spectrogram(wave: Tensor, bins: int, frames: int) -> Floats:
    """(n,) at 16 kHz to (1, bins, frames): low bins first, zeros where the clip ends early."""
    filled = np.zeros((1, bins, frames), np.float32)
    bank = filter_bank(wave, bins).numpy().T[:, :frames]  # (bins, frames or fewer)
    filled[0, :, : bank.shape[1]] = bank
    return (filled - np.float32(MEAN)) / np.float32(STD)


def filter_bank(wave: Tensor, bins: int = BINS) -> Tensor:
    """Log mel energies of whole 25 ms frames, 10 ms apart: (n,) to (frames, bins)."""
    import torch
    from torch.nn import functional

    frames = wave.unfold(0, WINDOW, HOP)  # (frames, 400)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = functional.pad(frames[None], (1, 0), mode="replicate")[0, :, :-1]  # each sample's predecessor
    frames = frames - PRE_EMPHASIS * before
    frames = frames * torch.hann_window(WINDOW, periodic=False)
    spectrum = torch.fft.rfft(functional.pad(frames, (0, FFT - WINDOW)))  # (frames, 257)
    energies = spectrum.abs().pow(2.0) @ _triangles(bins).T  # (frames, bins)
    logarithms: Tensor = energies.clamp(min=LEAST_ENERGY).log()
    return logarithms


@cache
def _triangles(bins: int) -> Tensor:
    """Weights (bins, 257): triangles evenly spaced in mel, 20 Hz to 8 kHz; the last FFT bin is unused."""
    import torch

    lowest, highest = _mel(LOWEST), _mel(RATE / 2)
    step = (highest - lowest) / (bins + 1)
    index = torch.arange(bins)[:, None]  # (bins, 1)
    left, centre, right = (lowest + (index + k) * step for k in range(3))
    mels = 1127.0 * (1.0 + RATE / FFT * torch.arange(FFT // 2) / 700.0).log()  # (256,)
    rising, falling = (mels - left) / (centre - left), (right - mels) / (right - centre)  # (bins, 256)
    weights = torch.minimum(rising, falling).clamp(min=0)
    return torch.nn.functional.pad(weights, (0, 1))


def _mel(hertz: float) -> float:
    return 1127.0 * math.log(1.0 + hertz / 700.0)
