"""Previews: what a segment looks like, for people to see.

``draw`` makes a small picture of any medium: pictures and films as they are, sounds as spectrograms, depth
and heat in false colours with a scale, motion and other readings as curves, text as its first lines. Drawing
is deterministic: the same medium gives the same points on one machine. Nothing here opens a file, and nothing
drawn here is ever embedded.

    pictures   Picture, Clip          maps     DepthMap, HeatMap
    sounds     Sound                  motion   MotionLog
    readings   Readings               words    Passage
    palettes   values to colours      canvas   letters, ticks and scales
    sheet      several drawings on one sheet, with a line under each
"""

from bindsearch.previews.drawing import DRAWING, MIN_SIDE, draw
from bindsearch.previews.sheet import sheet

__all__ = ["DRAWING", "MIN_SIDE", "draw", "sheet"]
