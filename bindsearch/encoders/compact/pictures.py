"""From any picture to what the compact image tower takes: (224, 224, 3), uint8.

The whole picture is squashed to a square, whatever its shape: nothing at its edges is lost, and it is what
the training pictures look like. Normalising is part of the exported network. A change here that changes
pixels is a new ``PREPROCESSING`` version.
"""

from __future__ import annotations

import numpy as np

from bindsearch.media import Pixels

SIDE = 224
PREPROCESSING = "1"


def squashed(pixels: Pixels) -> Pixels:
    """``pixels``, (height, width, 3), resized to (224, 224, 3) with Pillow's antialiased bicubic filter."""
    if pixels.shape == (SIDE, SIDE, 3):
        return pixels
    from PIL import Image

    resized = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(resized)
