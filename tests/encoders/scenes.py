"""A made-up room for tests of depth."""

from __future__ import annotations

import numpy as np

from bindsearch.media import DepthMap

FOCAL = 200.0
HALF_HEIGHT = 1.3
WALL = 4.0


def room(height: int = 180, width: int = 240) -> DepthMap:
    """A level camera in the middle of a corridor: a floor, a ceiling 2.6 m above it and a wall 4 m ahead."""
    rows = np.abs(np.arange(height) - (height - 1) / 2)[:, np.newaxis]
    flat = HALF_HEIGHT * FOCAL / np.maximum(rows, 1e-3)
    metres = np.minimum(np.repeat(flat, width, axis=1), WALL).astype(np.float32)
    return DepthMap(metres, focal_length=FOCAL)
