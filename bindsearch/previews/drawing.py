"""``draw``: one small picture of any medium."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Readings, Sound
from bindsearch.previews import maps, motion, pictures, readings, sounds, words

if TYPE_CHECKING:
    from PIL.Image import Image

DRAWING = 1  # changes whenever a medium would be drawn otherwise
MIN_SIDE = 16


def draw(media: Media, side: int = 256) -> Image:
    """``media`` as an RGB picture that fits into ``side`` by ``side`` points and fills one of the two.

    Letters and ticks are left out where they would not be legible. Raises ValueError for a ``side`` below
    MIN_SIDE.
    """
    if side < MIN_SIDE:
        raise ValueError(f"a preview of {side} points shows nothing; {MIN_SIDE} is the least")
    match media:
        case Picture():
            return pictures.draw_picture(media, side)
        case Clip():
            return pictures.draw_clip(media, side)
        case Sound():
            return sounds.draw_sound(media, side)
        case DepthMap():
            return maps.draw_depth(media, side)
        case HeatMap():
            return maps.draw_heat(media, side)
        case MotionLog():
            return motion.draw_motion(media, side)
        case Readings():
            return readings.draw_readings(media, side)
        case Passage():
            return words.draw_passage(media, side)
        case _:
            assert_never(media)
