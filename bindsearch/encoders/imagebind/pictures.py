"""From pictures and films to what the vision tower takes: (views, 3, 224, 224) or (views, 3, 2, 224, 224).

Stills and films are prepared as the published loaders do it, number for number. ``span_views`` is
bindsearch's own recipe for a span whose frames a loader has chosen: each frame is prepared like a still, and
neighbours are paired.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.imagebind.times import clip_times
from bindsearch.media import Pixels

Floats = NDArray[np.float32]

SIDE = 224
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)  # CLIP's, of sRGB from 0 to 1
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)

CLIPS_PER_FILM = 5
CROPS = 3
LONGEST_ASPECT = 32


def still(pixels: Pixels) -> Floats:
    """(height, width, 3) to (3, 224, 224): shorter side to 224, bicubic and antialiased, then the centre."""
    from PIL import Image

    resized = resize_and_crop(Image.fromarray(_less_long(pixels)), Image.Resampling.BICUBIC)
    return normalised(np.asarray(resized).transpose(2, 0, 1))


def resize_and_crop(picture: object, resampling: int) -> object:
    """A Pillow image whose shorter side becomes 224, cropped to the centre.

    The longer side is cut off to whole pixels, the offset of the crop rounded half to even.
    """
    from PIL import Image

    assert isinstance(picture, Image.Image)
    width, height = picture.size
    shorter = min(width, height)
    size = (int(SIDE * width / shorter), int(SIDE * height / shorter))
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling(resampling))
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    return picture.crop((left, top, left + SIDE, top + SIDE))


def normalised(levels: NDArray[np.uint8]) -> Floats:
    """(3, ...) levels from 0 to 255, to zero mean and unit variance."""
    shape = (3,) + (1,) * (levels.ndim - 1)
    unit = levels.astype(np.float32) / np.float32(255)
    return (unit - MEAN.reshape(shape)) / STD.reshape(shape)


def film_views(frames: Pixels, rate: float) -> Floats:
    """A whole film (n, height, width, 3) at ``rate`` frames a second, to (15, 3, 2, 224, 224).

    Five clips of two seconds, of each its first and last frame, of these three crops along the longer side.
    """
    used = film_frames(len(frames), rate)
    views = [view for pair in used for view in _three_crops(frames[list(pair)])]
    return np.stack(views)


def film_frames(count: int, rate: float) -> list[tuple[int, int]]:
    """The two frames that each of the five clips is made of."""
    times = clip_times(count / rate, CLIPS_PER_FILM)
    spans = [(math.ceil(rate * start), math.ceil(rate * end) - 1) for start, end in times]
    return [(min(first, count - 1), min(max(first, last), count - 1)) for first, last in spans]


def span_views(frames: Pixels) -> Floats:
    """Frames (n, height, width, 3) of a span to (ceil(n / 2), 3, 2, 224, 224); an odd last one is doubled."""
    prepared = [still(frame) for frame in frames]
    if len(prepared) % 2:
        prepared.append(prepared[-1])
    return np.stack([np.stack(prepared[i : i + 2], axis=1) for i in range(0, len(prepared), 2)])


def _three_crops(frames: Pixels) -> list[Floats]:
    """Frames (2, height, width, 3) to three views (3, 2, 224, 224) along the longer side."""
    resized = _bilinear(frames)  # (3, 2, height, width)
    height, width = resized.shape[2:]
    top, left = math.ceil((height - SIDE) / 2), math.ceil((width - SIDE) / 2)
    if height > width:
        corners = [(0, left), (top, left), (height - SIDE, left)]
    else:
        corners = [(top, 0), (top, left), (top, width - SIDE)]
    return [resized[:, :, y : y + SIDE, x : x + SIDE] for y, x in corners]


def _bilinear(frames: Pixels) -> Floats:
    """(2, height, width, 3) to (3, 2, h, w), shorter side 224, not antialiased, normalised."""
    import torch
    from torch.nn import functional

    frames = np.stack([_less_long(frame) for frame in frames])
    height, width = frames.shape[1:3]
    if width < height:
        size = (math.floor(height / width * SIDE), SIDE)
    else:
        size = (SIDE, math.floor(width / height * SIDE))
    unit = torch.from_numpy(frames.transpose(3, 0, 1, 2) / np.float32(255))  # (3, 2, height, width)
    resized: Floats = functional.interpolate(unit, size, mode="bilinear", align_corners=False).numpy()
    return (resized - MEAN.reshape(3, 1, 1, 1)) / STD.reshape(3, 1, 1, 1)


def _less_long(pixels: Pixels) -> Pixels:
    """The centre of a strip whose sides differ more than 32 times: resized whole it could fill the memory."""
    height, width = pixels.shape[:2]
    most = LONGEST_ASPECT * min(height, width)
    top, left = max(0, height - most) // 2, max(0, width - most) // 2
    return np.ascontiguousarray(pixels[top : top + most, left : left + most])
