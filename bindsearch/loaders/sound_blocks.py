"""Blocks of decoded sound brought to one channel, one rate and one clock, a few seconds at a time.

Channels are mixed by their mean. Rates are converted by soxr ("HQ", 20 bits), block after block as if they
were one. A sample that is no number (NaN, infinite, or beyond what any scale of
32 bits holds, as a damaged file of floating-point samples has them) counts as 0 and is counted. Sound keeps
its level: nothing is normalised, and what a file holds beyond full scale stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.loaders.base import LoadOptions
from bindsearch.loaders.packets import MAX_SECONDS
from bindsearch.loaders.sound_spans import SpanCutter
from bindsearch.media import Floats, Sound

BLOCK_SAMPLES = 131_072  # of all channels together: three seconds of CD, half a megabyte

RATES = range(1_000, 768_001)
MAX_CHANNELS = 64

JUMP_SECONDS = 0.1  # time stamps are rounded; what is more is a hole, or a clock that has drifted
_JOIN_SECONDS = 1.0
_LARGEST = float(2**31)
_STRANGE_SHARE_ALLOWED = 0.01


@dataclass(frozen=True, slots=True)
class Block:
    """``samples`` (n,), float32, mono, at ``rate`` a second; the first is heard at ``time`` (seconds)."""

    time: float
    rate: int
    samples: Floats


@dataclass(slots=True)
class Hearing:
    """What has been decoded so far; ``seconds`` of sound, the last of which ends at ``end``."""

    packets: int = 0
    faults: int = 0
    samples: int = 0
    strange: int = 0
    seconds: float = 0.0
    end: float = 0.0

    @property
    def is_strange(self) -> bool:
        """Whether too many samples were no numbers."""
        return self.strange > _STRANGE_SHARE_ALLOWED * self.samples

    def block(self, time: float, rate: int, samples: NDArray[Any]) -> Block:
        """A block of ``samples``, (channels, n) of any type, taken down. Raises ValueError for odd clocks."""
        mono, strange = mixed(samples)
        self.strange += strange
        self.samples += len(mono)
        self.seconds += len(mono) / rate
        self.end = max(self.end, time + len(mono) / rate)
        if not self.end < MAX_SECONDS:
            raise ValueError(f"its sound is said to last {self.end:,.0f} s, which none does")
        return Block(time, rate, mono)


def check_shape(rate: int, channels: int) -> None:
    """Raise ValueError for rates and numbers of channels that no recording has."""
    if rate not in RATES:
        raise ValueError(f"a sound of {rate:,} samples a second")
    if not 1 <= channels <= MAX_CHANNELS:
        raise ValueError(f"a sound of {channels} channels")


def mixed(samples: NDArray[Any]) -> tuple[Floats, int]:
    """The mean of ``samples`` (channels, n) on a full scale of 1, and how many were no numbers.

    Integers are divided by 2^(bits - 1); unsigned bytes are taken from their middle, 128.
    """
    with np.errstate(all="ignore"):
        mono = samples.mean(axis=0, dtype=np.float64 if samples.itemsize > 4 else np.float32)
        if samples.dtype.kind == "u":
            mono -= 2 ** (8 * samples.itemsize - 1)
        if samples.dtype.kind in "ui":
            mono *= 2.0 ** (1 - 8 * samples.itemsize)
        mono = mono.astype(np.float32)
        strange = ~(np.abs(mono) <= _LARGEST)
    count = int(strange.sum())
    if count:
        mono[strange] = 0
    return mono, count


def cut(blocks: Iterable[Block], cutter: SpanCutter, options: LoadOptions) -> Iterator[Sound]:
    """The spans of a recording, or of its part, that are not silent."""
    for piece in at_rate(blocks, options.sound_rate, cutter.position):
        yield from cutter.skip(piece) if isinstance(piece, int) else cutter.add(piece)
        if cutter.done:
            return
    yield from cutter.finish()


def at_rate(blocks: Iterable[Block], rate: int, position: int) -> Iterator[Floats | int]:
    """``blocks`` at ``rate``, from sample number ``position`` on; a number is a hole of that many samples.

    What comes before ``position`` is left out. Where a time stamp leaps ahead there is a hole. Where one
    falls back a little, the sound is cut back to it; where one falls back by more than a second, as where
    recordings were joined, the sound goes on and later time stamps count from there.
    """
    joiner = _Joiner(rate, position)
    for block in blocks:
        yield from joiner.add(block)
    yield joiner.finish()


class _Joiner:
    """Lays blocks end to end on a clock of samples at one rate."""

    def __init__(self, rate: int, position: int) -> None:
        self._rate = rate
        self._position = position
        self._surplus = 0  # samples still to come that lie before the position
        self._converter: _Converter | None = None
        self._due = 0.0  # when the next block should begin
        self._shift = 0.0  # seconds from the blocks' clock to ours

    def add(self, block: Block) -> Iterator[Floats | int]:
        leap = block.time + self._shift - self._due
        if self._converter is None:
            block = _aligned(block, self._rate)
            yield from self._begin(block)
        elif abs(leap) > JUMP_SECONDS or self._converter.source != block.rate:
            yield self.finish()
            self._shift -= leap if leap < -_JOIN_SECONDS else 0.0
            yield from self._begin(block)
        else:
            yield self._taken(self._converter.convert(block.samples))
        self._due += len(block.samples) / block.rate

    def finish(self) -> Floats:
        """What the converter still holds back."""
        return self._taken(self._converter.finish()) if self._converter else np.zeros(0, np.float32)

    def _begin(self, block: Block) -> Iterator[Floats | int]:
        self._due = block.time + self._shift
        hole = round(self._due * self._rate) - self._position
        if hole > 0:
            self._position += hole
            yield hole
        self._surplus = max(0, -hole)
        self._converter = _Converter(block.rate, self._rate)
        yield self._taken(self._converter.convert(block.samples))

    def _taken(self, samples: Floats) -> Floats:
        kept = samples[self._surplus :]
        self._surplus -= len(samples) - len(kept)
        self._position += len(kept)
        return kept


def _aligned(block: Block, rate: int) -> Block:
    """``block`` from its first sample on that falls together with one at ``rate``.

    So that a recording read from its middle has the very samples of one read from its beginning.
    """
    first = round(block.time * block.rate)
    lead = -first % (block.rate // gcd(block.rate, rate))
    return Block((first + lead) / block.rate, block.rate, block.samples[lead:])


class _Converter:
    """Converts a stream of samples from one rate to another."""

    def __init__(self, source: int, target: int) -> None:
        from soxr import ResampleStream

        self.source = source
        self._stream = None
        if source != target:
            self._stream = ResampleStream(source, target, 1, dtype="float32", quality="HQ")

    def convert(self, samples: Floats) -> Floats:
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def finish(self) -> Floats:
        none = np.zeros(0, np.float32)
        return none if self._stream is None else self._stream.resample_chunk(none, last=True)
