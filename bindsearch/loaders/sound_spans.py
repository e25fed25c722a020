"""Cutting a recording into spans that overlap and cover the whole of it, without knowing its length.

Spans lie on a grid: span k begins k steps after the beginning, a step being the length of a span less the
overlap. The last span ends with the recording. What lies beyond the last span of the grid is covered by
moving that span, where it is less than a second and less than the overlap, so that no hole opens; else by one
more span, which reaches back to have its full length. A recording no longer than a span and a twentieth is
one span. All of it follows from the length alone, so that a part of a recording has the spans that the whole
has.

A span is silent, and not given, when nothing in it rises 0.0003 of full scale (-70 dBFS) over its mean:
digital silence, a constant offset, and noise that nobody hears. Its first and last 20 ms do not count: there
resampling rings, and the span beside it hears them as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bindsearch.loaders.base import LoadOptions
from bindsearch.media import Floats, Sound

SILENT_PEAK = 0.0003

_EDGE_SECONDS = 0.02
_SPLINTER_SECONDS = 1.0


class SpanCutter:
    """Takes samples in order and gives a Sound for every span that is complete and not silent.

    Memory holds two spans at most. With ``options.part`` it begins, at ``position`` (samples), with the
    first span that may overlap the part, and is ``done`` when there are no more.
    """

    def __init__(self, options: LoadOptions) -> None:
        self._rate = options.sound_rate
        self._size = max(1, round(options.sound_seconds * self._rate))
        overlap = round(options.sound_overlap * self._rate)
        self._step = max(self._size - overlap, self._size // 10, 1)
        self._splinter = min(round(_SPLINTER_SECONDS * self._rate), max(0, self._size - self._step))
        self._slack = min(self._size // 20, self._step // 2)
        start, end = options.part or (0.0, float("inf"))
        self._wanted = start * self._rate, end * self._rate
        first = max(0, int((min(start, 1e9) * self._rate - self._size) // self._step))
        self._base = self._next = first * self._step  # positions: of the first sample kept, of the next span
        self._kept: Floats = np.zeros(0, np.float32)
        self.done = False
        self.given = 0

    @property
    def position(self) -> int:
        """Which sample, from the recording's beginning, is to come next."""
        return self._base + len(self._kept)

    def add(self, samples: Floats) -> Iterator[Sound]:
        """The spans that ``samples``, which follow the last ones, complete."""
        self._kept = np.concatenate((self._kept, samples))
        held = self._size + max(self._slack, self._splinter)
        while not self.done and self.position > self._next + held:
            self.done = self._next >= self._wanted[1]
            yield from self._span(self._next, self._next + self._size)
            self._next += self._step
        keep = max(0, self._next - self._step - self._base)  # the last span may reach back
        self._kept, self._base = self._kept[keep:], self._base + keep

    def skip(self, count: int) -> Iterator[Sound]:
        """As ``add`` for ``count`` silent samples, in a time that does not grow with them."""
        ahead = min(count, 3 * self._size + self._splinter + self._step)
        yield from self.add(np.zeros(ahead, np.float32))
        steps = (count - ahead) // self._step
        self._base += steps * self._step
        self._next += steps * self._step
        yield from self.add(np.zeros((count - ahead) % self._step, np.float32))

    def finish(self) -> Iterator[Sound]:
        """The spans that the recording's end completes."""
        total = self.position
        for start, end in [] if self.done else self._last_spans(total):
            yield from self._span(start, end)

    def _last_spans(self, total: int) -> list[tuple[int, int]]:
        if self._next == 0 and total <= self._size + self._slack:
            return [(0, total)] if total else []
        starts = list(range(self._next, total - self._size + 1, self._step))
        last = starts[-1] if starts else self._next - self._step
        beyond = total - last - self._size
        if starts and 0 < beyond <= self._splinter and last > 0:
            starts[-1] = total - self._size
        elif beyond > 0 and total > self._size:
            starts.append(total - self._size)
        return [(start, start + self._size) for start in starts]

    def _span(self, start: int, end: int) -> Iterator[Sound]:
        overlaps = start < self._wanted[1] and end > self._wanted[0]
        samples = self._kept[max(0, start - self._base) : end - self._base]
        if overlaps and len(samples) and not self._silent(samples):
            self.given += 1
            yield Sound(samples.copy(), self._rate, start / self._rate, end / self._rate)

    def _silent(self, samples: Floats) -> bool:
        edge = round(_EDGE_SECONDS * self._rate)
        if len(samples) > 3 * edge:
            samples = samples[edge : len(samples) - edge]
        return bool(np.abs(samples - samples.mean(dtype=np.float64)).max() < SILENT_PEAK)
