"""Sounds as spectrograms: time to the right, pitch upwards on the mel scale, loud is light.

The filters are librosa's (Slaney's mel scale and norm). The transform beside them is NumPy's, because
librosa's own takes seconds to import, and half a minute the first time after it was installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bindsearch.media import Floats, Sound
from bindsearch.previews.canvas import INK, Box, blank, letters, time_axis, width_of, write
from bindsearch.previews.palettes import coloured

if TYPE_CHECKING:
    from PIL.Image import Image

BANDS = 64
_WINDOW_SECONDS = 1 / 8  # fine enough for the lowest bands, which are 40 Hz wide
_DECIBELS = 70.0
_QUIET = 1e-6  # power of a band below which even the loudest moment is not drawn in full light
_PITCHES = (250, 500, 1000, 2000, 4000, 8000, 16000)
_COLUMNS_AT_ONCE = 64


def draw_sound(sound: Sound, side: int) -> Image:
    """The spectrogram with ticks at round seconds of the recording and at octaves of pitch."""
    size = letters(side)
    box = _plot(side, size)
    paper, pen = blank(side, box.bottom + 1 + (size + 6 if size else 0))
    paper.paste(_picture(spectrogram(sound, box.width), box), (box.left, box.top))
    if size:
        time_axis(pen, box, sound.start, _end(sound), size)
        last = float("inf")
        for pitch in (pitch for pitch in _PITCHES if pitch < sound.rate / 2):
            row = box.top + (1 - pitch_height(pitch, sound.rate)) * (box.height - 1)
            if last - row >= size + 2 and row >= box.top + size / 2:
                last = row
                pen.line([(box.left - 3, row), (box.left - 1, row)], fill=INK)
                write(pen, (box.left - 5, row), _hertz(pitch), size, "rm")
    return paper


def spectrogram(sound: Sound, columns: int) -> Floats:
    """Levels from 0 to 1 over the last 70 dB, (BANDS, columns), the lowest band first.

    The loudest band of the loudest moment is 1, unless it is so quiet that this would make silence loud.
    """
    powers = _bands(sound, columns)
    loudest = max(float(powers.max(initial=0.0)), _QUIET)
    decibels = 10 * np.log10(np.maximum(powers, 1e-20) / loudest)
    return np.clip(1 + decibels / _DECIBELS, 0, 1).astype(np.float32)


def pitch_height(hertz: float, rate: int) -> float:
    """Where a pitch lies between the lowest band (0) and the highest (1) of a sound of that rate."""
    from librosa import mel_frequencies

    centres = mel_frequencies(n_mels=BANDS + 2, fmin=0.0, fmax=rate / 2)[1:-1]
    return float(np.interp(hertz, centres, np.linspace(0, 1, BANDS)))


def _bands(sound: Sound, columns: int) -> Floats:
    """The mean power of each band around the middle of each column, (BANDS, columns)."""
    from librosa.filters import mel

    length = 1 << max(6, int(np.ceil(np.log2(sound.rate * _WINDOW_SECONDS))))
    filters = mel(sr=sound.rate, n_fft=length, n_mels=BANDS)
    window = np.hanning(length + 1)[:-1].astype(np.float32)
    padded = np.pad(np.nan_to_num(sound.samples, posinf=0.0, neginf=0.0), length // 2)
    begins = ((np.arange(columns) + 0.5) / columns * len(sound.samples)).astype(np.intp)
    made = []
    for first in range(0, columns, _COLUMNS_AT_ONCE):
        frames = np.stack([padded[at : at + length] for at in begins[first : first + _COLUMNS_AT_ONCE]])
        spectra = np.abs(np.fft.rfft(frames * window, axis=1) / (length / 4)) ** 2
        made.append(filters @ spectra.T)
    return np.concatenate(made, axis=1).astype(np.float32)


def _end(sound: Sound) -> float:
    return max(sound.end, sound.start + 1e-3)


def _plot(side: int, size: int) -> Box:
    """Where the spectrogram lies; the drawing is three quarters as high as wide."""
    height = side * 3 // 4
    if not size:
        return Box(0, 0, side - 1, height - 1)
    left = round(width_of("500 Hz", size)) + 8
    return Box(left, 2, side - 3, height - size - 7)


def _picture(levels: Floats, box: Box) -> Image:
    from PIL import Image

    pixels = np.ascontiguousarray(coloured(levels[::-1], "sound"))
    return Image.fromarray(pixels).resize((box.width, box.height), Image.Resampling.BILINEAR)


def _hertz(pitch: int) -> str:
    return f"{pitch} Hz" if pitch < 1000 else f"{pitch // 1000} kHz"
