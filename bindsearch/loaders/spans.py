"""Cutting a film into spans: where its picture changes, and at least every few seconds.

The measure of change between two thumbnails is the mean of two numbers from 0 to 1: how far the points
moved in colour, and how much of the colour histogram is another. Motion moves points and leaves the
histogram, a change of light shifts both a little, a new scene shifts both a lot. A cut is a change that is
large and stands out of the changes just before it, so that a shaking camera is not cut to pieces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Clip, Pixels

THUMB_WIDTH = 32
THUMB_HEIGHT = 18

_CUT_CHANGE = 0.26
_CUT_OVER_USUAL = 2.5
_RECENT_CHANGES = 8
_MIN_SCENE_SECONDS = 0.5
_BLANK_SPREAD = 16  # levels of 256 in a thumbnail, allowing for the noise of coding
_HISTOGRAM_LEVELS = 8


def change(before: Pixels, after: Pixels) -> float:
    """How much of the picture is new, 0 to 1, between two thumbnails of shape (height, width, 3)."""
    moved = np.abs(before.astype(np.int16) - after.astype(np.int16)).mean() / 255
    shares = np.abs(_histogram(before) - _histogram(after)).sum() / 2
    return float(min(1.0, 2 * moved) + shares) / 2


def _histogram(thumb: Pixels) -> NDArray[np.float64]:
    """Shares of the points per colour and level, flat; a point between two levels counts for both."""
    levels = thumb.reshape(-1, 3) * ((_HISTOGRAM_LEVELS - 1) / 255)
    lower = levels.astype(np.int64)
    upper_share = levels - lower
    bins = lower + np.arange(3) * (_HISTOGRAM_LEVELS + 1)
    size = 3 * (_HISTOGRAM_LEVELS + 1)
    counts = np.bincount(bins.ravel(), (1 - upper_share).ravel(), size)
    counts[1:] += np.bincount(bins.ravel(), upper_share.ravel(), size)[:-1]
    return counts / bins.size


class CutFinder:
    """Tells, thumbnail after thumbnail, whether a new scene has begun."""

    def __init__(self) -> None:
        self._before: Pixels | None = None
        self._recent = deque([0.0] * _RECENT_CHANGES, maxlen=_RECENT_CHANGES)

    def is_cut(self, thumb: Pixels) -> bool:
        before, self._before = self._before, thumb
        if before is None:
            return False
        now = change(before, thumb)
        usual = float(np.median(self._recent))
        self._recent.append(now)
        return now > _CUT_CHANGE and now > _CUT_OVER_USUAL * usual


@dataclass(slots=True)
class _Span:
    start: float
    frames: list[Pixels] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)
    sampled_at: float = -np.inf


class SpanCollector:
    """Gathers frames in time order and gives a Clip for every span that has ended.

    ``longest`` is seconds; a span is longer only where no frame arrives in time, that is where the picture
    stands still or is not decoded. Memory holds the frames of one span: twice ``frame_count`` at most.
    """

    def __init__(self, longest: float, frame_count: int) -> None:
        self._longest = longest
        self._frame_count = max(1, frame_count)
        self._step = longest / self._frame_count
        self._finder = CutFinder()
        self._span: _Span | None = None

    def ends_before(self, time: float, thumb: Pixels) -> Iterator[Clip]:
        """The spans that end because a frame at ``time`` that looks like ``thumb`` follows them."""
        cut = self._finder.is_cut(thumb)
        if self._span is None:
            self._span = _Span(time)
            return
        lasted = time - self._span.start
        if lasted >= self._longest or (cut and lasted >= _MIN_SCENE_SECONDS):
            end = self._boundary(self._span, time)
            yield self._closed(end)
            self._span = _Span(end)

    def _boundary(self, span: _Span, time: float) -> float:
        """Where a span ends before the frame at ``time``: at the longest, unless no frame came for long."""
        end = span.start + self._longest
        return end if 0 <= time - end <= min(1.5 * self._step, self._longest / 2) else time

    def wants(self, time: float) -> bool:
        """Whether the frame at ``time`` should be kept for the current span."""
        span = self._span
        return span is not None and time - span.sampled_at >= self._step / 2 - 1e-6

    def keep(self, time: float, frame: Pixels, thumb: Pixels) -> None:
        span = self._span
        if span is not None and len(span.frames) < 2 * self._frame_count + 2:
            span.frames.append(frame)
            span.blank.append(int(np.ptp(thumb)) < _BLANK_SPREAD)
            span.sampled_at = time

    def last(self, end: float) -> Iterator[Clip]:
        """The span that the film's end closes."""
        if self._span is not None and self._span.frames:
            yield self._closed(max(end, self._span.start))

    def _closed(self, end: float) -> Clip:
        span = self._span
        assert span is not None
        shown = [frame for frame, blank in zip(span.frames, span.blank, strict=True) if not blank]
        chosen = _spread(shown or span.frames, self._frame_count)
        return Clip(np.stack(chosen), start=span.start, end=end)


def _spread(frames: list[Pixels], count: int) -> list[Pixels]:
    """``count`` of ``frames`` from the middles of equal parts, or all when there are fewer."""
    if len(frames) <= count:
        return frames
    return [frames[int((part + 0.5) * len(frames) / count)] for part in range(count)]
