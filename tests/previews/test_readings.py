"""Drawings of other sensors' readings: a curve for each channel, blank where nothing was read."""

from __future__ import annotations

import numpy as np
import pytest

from bindsearch.media import Readings
from bindsearch.previews import draw
from bindsearch.previews.motion import AXES

TIMES = np.arange(100) / 10
WAVES = np.stack([np.sin(TIMES), np.cos(TIMES), TIMES], axis=1).astype(np.float32)


def pixels(log: Readings, side: int = 256) -> np.ndarray:
    picture = draw(log, side)
    assert max(picture.size) == side
    return np.asarray(picture)


def rows_of(colour: tuple[int, int, int], drawn: np.ndarray) -> np.ndarray:
    """The rows in which a colour occurs."""
    return np.flatnonzero((drawn == colour).all(axis=2).any(axis=1))


def test_channels_stand_one_above_the_other() -> None:
    drawn = pixels(Readings(TIMES, WAVES, 0.0, 9.9, ("left", "right", "")))
    first, second, third = (rows_of(colour, drawn) for colour in AXES)
    assert first.max() < second.min() <= second.max() < third.min()


def test_a_silent_channel_is_blank() -> None:
    values = WAVES.copy()
    values[:, 1] = np.nan
    drawn = pixels(Readings(TIMES, values, 0.0, 9.9))
    assert len(rows_of(AXES[0], drawn))
    assert not len(rows_of(AXES[1], drawn))


@pytest.mark.parametrize("side", [16, 64, 256, 1000])
@pytest.mark.parametrize(
    "values",
    [
        np.zeros((1, 1)),
        np.full((3, 2), 7.0),
        np.full((2, 40), np.nan),
        np.full((2, 1), 3e38),
        np.zeros((0, 1)),
    ],
    ids=["one", "flat", "many silent", "huge", "none"],
)
def test_anything_can_be_drawn_at_any_size(values: np.ndarray, side: int) -> None:
    pixels(Readings(np.arange(len(values), dtype=np.float64), values.astype(np.float32)), side)
