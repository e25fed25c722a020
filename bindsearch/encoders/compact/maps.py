"""From depth maps and heat to what the compact towers take: pictures of (192, 192, 3), uint8.

Both are squashed to a square, like photos, and what is unknown stays out of every average.

A depth map becomes three channels, after the HHA encoding of S. Gupta et al., *Learning Rich Features from
RGB-D Images*, 2014, but without a search for the direction of gravity:

1. nearness: 255 at 0.3 m and nearer, 0 at 20 m and further, even steps of the logarithm between;
2. nearness within this map: 255 at its 2nd percentile of distance, 0 at its 98th, even steps of distance;
3. how far surfaces look up: 255 for a floor, 127 for a wall, 0 for a ceiling, as seen by a level camera.

The third asks for the camera's focal length; a map that does not tell it is taken as 0.82 widths, a Kinect's.
What is unknown is 0, 0, 127.

Heat becomes a grey picture, all three channels alike: 0 at its 1st percentile, 255 at its 99th. How hot
things are is not seen, only what is hotter: cameras differ too much in their scales.

A change here that changes pictures is a new ``PREPROCESSING`` version in ``pictures``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import DepthMap, Floats, HeatMap, Pixels

SIDE = 192
NEAREST, FURTHEST = 0.3, 20.0
FOCAL_WIDTHS = 0.82
# Sensors measure in steps (a Kinect's are 2 to 70 mm): slopes are taken over so many pixels.
SMOOTHED = 5


def depth_picture(depth: DepthMap) -> Pixels:
    """The picture of a depth map: (192, 192, 3)."""
    height, width = depth.metres.shape
    metres = resized(depth.metres, SIDE)
    known = np.isfinite(metres) & (metres > 0)
    if not known.any():
        return np.full((SIDE, SIDE, 3), (0, 0, 127), np.uint8)
    filled = np.where(known, metres, np.float32(np.median(metres[known])))
    focal = depth.focal_length or FOCAL_WIDTHS * width
    upward = _upwardness(filled, focal * SIDE / width, focal * SIDE / height)
    near, nearer = _nearness(filled), _within(filled, *np.percentile(filled[known], (98, 2)))
    picture = np.stack([near, nearer, upward], axis=-1) * 255
    picture[~known] = 0, 0, 127
    return picture.round().astype(np.uint8)


def heat_picture(heat: HeatMap) -> Pixels:
    """The picture of a heat map: (192, 192, 3)."""
    levels = resized(heat.heat, SIDE)
    known = np.isfinite(levels)
    if not known.any():
        return np.zeros((SIDE, SIDE, 3), np.uint8)
    shares = _within(np.where(known, levels, np.nanmin(levels)), *np.percentile(levels[known], (1, 99)))
    grey: Pixels = (shares * 255).round().astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def resized(values: Floats, side: int) -> Floats:
    """``values`` squashed to (side, side); a pixel is the mean of the known ones that it covers, or NaN."""
    from PIL import Image

    def squash(plane: Floats) -> Floats:
        image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32)

    known = np.isfinite(values)
    weight = squash(known.astype(np.float32))
    total = squash(np.where(known, values, 0).astype(np.float32))
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-3)


def _nearness(metres: Floats) -> NDArray[np.floating]:
    logarithm = np.log(np.clip(metres, NEAREST, FURTHEST))
    near: NDArray[np.floating] = (np.log(FURTHEST) - logarithm) / np.log(FURTHEST / NEAREST)
    return near


def _within(values: Floats, low: float, high: float) -> NDArray[np.floating]:
    """Where values lie between ``low``, which becomes 0, and ``high``, which becomes 1."""
    if low == high:
        return np.zeros_like(values)
    shares: NDArray[np.floating] = np.clip((values - low) / (high - low), 0, 1)
    return shares


def _upwardness(metres: Floats, focal_x: float, focal_y: float) -> NDArray[np.floating]:
    """(1 + the upward part of each surface's unit normal) / 2; normals point to the camera."""
    smooth = _blurred(_blurred(metres))
    rows, columns = np.indices(metres.shape, np.float32)
    centre = (np.array(metres.shape, np.float32) - 1) / 2
    points = np.stack(
        [smooth * (columns - centre[1]) / focal_x, smooth * (rows - centre[0]) / focal_y, smooth], axis=-1
    )
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    length = np.maximum(np.linalg.norm(normals, axis=-1), 1e-9)
    # Image rows run downwards; a surface that is seen faces the camera, which stands at the origin.
    away = (normals * points).sum(-1) > 0
    upward = normals[..., 1] / length * np.where(away, 1, -1)
    shares: NDArray[np.floating] = (1 + upward) / 2
    return shares


def _blurred(plane: Floats) -> Floats:
    """The mean of the ``SMOOTHED`` x ``SMOOTHED`` pixels around each."""
    padded = np.pad(plane, SMOOTHED // 2, mode="edge")
    sums = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED, axis=0).mean(-1)
    blurred: Floats = np.lib.stride_tricks.sliding_window_view(sums, SMOOTHED, axis=1).mean(-1)
    return blurred
