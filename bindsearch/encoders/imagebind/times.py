"""Where the clips of a recording lie, as the published loaders place them: evenly, the last at the end.

Source: the constant-clips sampler of pytorchvideo, which the published loaders use.
"""

from __future__ import annotations

from fractions import Fraction

CLIP_SECONDS = 2


def clip_times(duration: float, count: int) -> list[tuple[Fraction, Fraction]]:
    """Start and end, in seconds, of ``count`` clips of two seconds; a shorter recording gives equal ones.

    The last start is found in floating point and divided exactly, because a sample more or less follows
    from it.
    """
    last = Fraction(max(duration - CLIP_SECONDS, 0))
    starts = [last * i / max(count - 1, 1) for i in range(count)]
    return [(start, start + CLIP_SECONDS) for start in starts]
