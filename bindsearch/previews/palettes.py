"""False colours: a value from 0 to 1 becomes a colour whose lightness alone already tells the order.

Each palette is a path through Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020):
lightness rises in 256 equal steps, while hue and chroma follow a few anchors. Where sRGB cannot show a
colour, its chroma is lowered until it can, never its lightness. So equal steps of value look about equally
large, no step turns back, and the order survives a print in grey and eyes that see few colours.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bindsearch.media import Pixels

STEPS = 256
UNKNOWN = (128, 128, 128)  # no palette holds a grey of medium lightness

# Lightness of the first and the last colour, then anchors: position, chroma, hue in degrees of Oklab.
_Anchors = tuple[tuple[float, float, float], ...]
_PATHS: dict[str, tuple[tuple[float, float], _Anchors]] = {
    "sound": ((0.12, 0.97), ((0, 0.06, 285), (0.35, 0.19, 315), (0.65, 0.19, 400), (1, 0.10, 465))),
    "near": ((0.18, 0.93), ((0, 0.08, 265), (0.4, 0.14, 300), (0.7, 0.20, 395), (1, 0.15, 450))),
    "iron": ((0.06, 0.99), ((0, 0.04, 290), (0.35, 0.20, 310), (0.7, 0.20, 410), (1, 0.03, 465))),
}
_CHROMA_STEPS = 64


@cache
def palette(name: str) -> Pixels:
    """The colours (256, 3) of ``sound``, ``near`` or ``iron``, from the darkest to the lightest."""
    (first, last), anchors = _PATHS[name]
    at = np.linspace(0.0, 1.0, STEPS)
    places, chromas, hues = (np.array(column) for column in zip(*anchors, strict=True))
    colours = _shown(
        np.linspace(first, last, STEPS),
        np.interp(at, places, chromas),
        np.radians(np.interp(at, places, hues)),
    )
    colours.flags.writeable = False
    return colours


def coloured(values: NDArray[np.floating], name: str) -> Pixels:
    """``values`` (height, width), 0 to 1, in the colours of a palette; UNKNOWN where they are not finite."""
    known = np.isfinite(values)
    steps = np.clip(np.where(known, values, 0.0), 0.0, 1.0) * (STEPS - 1)
    pixels: Pixels = palette(name)[np.rint(steps).astype(np.intp)]
    pixels[~known] = UNKNOWN
    return pixels


def _shown(lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]) -> Pixels:
    """8-bit sRGB of colours of Oklab, with as much of their chroma as sRGB can show."""
    shares = np.linspace(1.0, 0.0, _CHROMA_STEPS)[:, None]  # (tries, colours)
    linear = _linear_srgb(
        np.broadcast_to(lightness, (_CHROMA_STEPS, len(lightness))),
        shares * chroma * np.cos(hue),
        shares * chroma * np.sin(hue),
    )
    fits: NDArray[np.bool_] = np.all((linear >= 0.0) & (linear <= 1.0), axis=-1)
    fits[-1] = True  # grey is always there, but for rounding
    chosen = linear[fits.argmax(0), np.arange(len(lightness))].clip(0.0, 1.0)
    curved = np.where(chosen <= 0.0031308, 12.92 * chosen, 1.055 * chosen ** (1 / 2.4) - 0.055)
    pixels: Pixels = np.rint(curved * 255).astype(np.uint8)
    return pixels


def _linear_srgb(
    lightness: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear sRGB (..., 3) from Oklab; the matrices are Ottosson's, of 2021-01-25."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return np.stack([red, green, blue], axis=-1)
