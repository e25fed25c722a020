"""Small real media files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (250, 5, 5), (5, 250, 5), (5, 5, 250), (250, 250, 250)


def picture(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (24, 16)) -> Path:
    """A picture of one colour; the suffix of ``path`` chooses the format."""
    Image.new("RGB", size, colour).save(path)
    return path


def film(path: Path, colours: list[tuple[int, int, int]], seconds: float = 1.0, rate: int = 8) -> Path:
    """An MP4 that shows each colour for ``seconds``."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for colour in colours:
            pixels = np.full((48, 64, 3), colour, np.uint8)
            for _ in range(round(seconds * rate)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path
