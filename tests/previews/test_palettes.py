"""Palettes: the order of values can be told from lightness alone."""

from __future__ import annotations

import numpy as np
import pytest

from bindsearch.previews.palettes import UNKNOWN, coloured, palette

NAMES = ("sound", "near", "iron")


def luminance(colours: np.ndarray) -> np.ndarray:
    """CIE Y of 8-bit sRGB (..., 3)."""
    share = np.asarray(colours, np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def lightness(colours: np.ndarray) -> np.ndarray:
    """CIE L* of 8-bit sRGB, 0 to 100."""
    y = luminance(colours)
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


@pytest.mark.parametrize("name", NAMES)
def test_every_step_of_a_palette_is_lighter_than_the_one_before(name: str) -> None:
    smooth = lightness(palette(name)).reshape(64, 4).mean(1)  # 8 bits round single steps
    assert (np.diff(smooth) > 0.1).all()  # the darkest steps, which screens hardly part, are the smallest
    assert smooth[-1] - smooth[0] > 70


@pytest.mark.parametrize("name", NAMES)
def test_no_step_of_a_palette_jumps(name: str) -> None:
    steps = np.abs(np.diff(palette(name).astype(int), axis=0)).max(1)
    assert steps.max() <= 12


@pytest.mark.parametrize("name", NAMES)
def test_no_colour_can_be_taken_for_an_unknown_value(name: str) -> None:
    distance = np.abs(palette(name).astype(int) - np.array(UNKNOWN)).max(1)
    assert distance.min() > 20


def test_values_beyond_the_ends_have_the_colours_of_the_ends_and_no_value_is_grey() -> None:
    values = np.array([[-3.0, 0.0, 1.0, 7.0, np.nan, np.inf]])
    pixels = coloured(values, "iron")
    assert pixels.shape == (1, 6, 3)
    assert (pixels[0, 0] == pixels[0, 1]).all()
    assert (pixels[0, 2] == pixels[0, 3]).all()
    assert [tuple(pixel) for pixel in pixels[0, 4:].tolist()] == [UNKNOWN, UNKNOWN]
