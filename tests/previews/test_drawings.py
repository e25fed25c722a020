"""Every drawing is checked by what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.Image import Image

from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Sound
from bindsearch.previews import MIN_SIDE, draw, sheet
from bindsearch.previews.canvas import PAPER, letters, ticks, width_of
from bindsearch.previews.motion import AXES
from bindsearch.previews.palettes import UNKNOWN
from bindsearch.previews.sounds import BANDS, pitch_height, spectrogram
from bindsearch.previews.words import wrapped
from tests.previews.test_palettes import luminance

RATE = 16_000


def points(drawing: Image) -> np.ndarray:
    return np.asarray(drawing.convert("RGB"))


def tone(hertz: float, seconds: float = 2.0, rate: int = RATE, loudness: float = 0.5) -> Sound:
    times = np.arange(round(seconds * rate)) / rate
    return Sound((loudness * np.sin(2 * np.pi * hertz * times)).astype(np.float32), rate, 0.0, seconds)


def log(rest: float = 0.0, gap: tuple[float, float] | None = None, rotation: bool = True) -> MotionLog:
    times = np.arange(0, 5, 0.01)
    if gap is not None:
        times = times[(times < gap[0]) | (times >= gap[1])]
    wave = np.sin(2 * np.pi * times)[:, None]
    acceleration = (wave * [1.0, 2.0, 3.0] + rest).astype(np.float32)
    turning = acceleration / 10 if rotation else np.full_like(acceleration, np.nan)
    return MotionLog(times, acceleration, turning, 0.0, 5.0)


def depth(holes: bool = False) -> DepthMap:
    """The left half a metre away, the right half four."""
    metres = np.full((60, 80), 4.0, np.float32)
    metres[:, :40] = 1.0
    if holes:
        metres[20:40, 10:30] = np.nan
    return DepthMap(metres)


def one_of_each() -> list[Media]:
    ramp = np.tile(np.arange(80, dtype=np.uint8)[None, :, None] * 3, (60, 1, 3))
    return [
        Picture(ramp),
        Clip(np.stack([ramp] * 4), 0.0, 4.0),
        Clip(ramp[None], 0.0, 4.0),
        Passage("The cat sees the vet on Friday.", 1, 1),
        tone(1000),
        depth(holes=True),
        HeatMap(np.linspace(10, 40, 4800, dtype=np.float32).reshape(60, 80), celsius=True),
        HeatMap(np.linspace(0, 1, 4800, dtype=np.float32).reshape(60, 80)),
        log(),
    ]


@pytest.mark.parametrize("side", [MIN_SIDE, 37, 119, 120, 256, 600])
@pytest.mark.parametrize("media", one_of_each(), ids=lambda media: type(media).__name__)
def test_a_drawing_fits_its_side_fills_it_and_is_the_same_each_time(media: Media, side: int) -> None:
    drawing = draw(media, side)
    assert drawing.mode == "RGB"
    assert side - 3 <= max(drawing.size) <= side
    assert drawing.tobytes() == draw(media, side).tobytes()
    assert len(np.unique(points(drawing).reshape(-1, 3), axis=0)) > 1


def test_a_side_too_small_to_show_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="16 is the least"):
        draw(Passage("x"), MIN_SIDE - 1)


def test_a_picture_keeps_its_proportions_and_its_colours() -> None:
    pixels = np.zeros((100, 400, 3), np.uint8)
    pixels[:, 200:] = (250, 10, 20)
    drawing = draw(Picture(pixels), 128)
    assert drawing.size == (128, 32)
    assert drawing.getpixel((10, 16)) == (0, 0, 0)
    assert drawing.getpixel((118, 16)) == (250, 10, 20)
    assert draw(Picture(pixels[:2, :2]), 64).size == (64, 64), "a tiny picture is enlarged"


def test_a_clip_shows_frames_from_its_beginning_to_its_end_in_reading_order() -> None:
    frames = np.stack([np.full((40, 40, 3), level, np.uint8) for level in range(0, 250, 10)])
    drawing = draw(Clip(frames, 0.0, 4.0), 128)
    corners = [drawing.getpixel(at)[0] for at in ((20, 20), (100, 20), (20, 100), (100, 100))]
    assert corners == [0, 80, 160, 240]


def test_a_clip_of_few_frames_shows_the_middle_one() -> None:
    frames = np.stack([np.full((40, 40, 3), level, np.uint8) for level in (10, 90, 200)])
    assert draw(Clip(frames, 0.0, 4.0), 128).getpixel((64, 64)) == (90, 90, 90)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("hertz", [200, 1000, 3000])
def test_a_tone_lights_the_row_of_its_pitch(hertz: int, rate: int) -> None:
    side = 256
    drawing = points(draw(tone(hertz, rate=rate), side))
    columns = luminance(drawing[:, 120:200])  # of the plot, whatever stands left of it
    rows = columns.mean(1)
    inside = np.flatnonzero(luminance(drawing[:, 130]) < 0.9)  # without the paper above and below
    brightest = inside[rows[inside].argmax()]
    expected = inside[0] + (1 - pitch_height(hertz, rate)) * (inside[-1] - inside[0])
    assert abs(brightest - expected) <= 4, "within a band and a half"


def test_a_tone_that_begins_half_way_leaves_the_first_half_dark() -> None:
    sound = tone(1000, 4.0)
    samples = sound.samples.copy()
    samples[: len(samples) // 2] = 0
    levels = spectrogram(Sound(samples, RATE, 0.0, 4.0), 100)
    assert levels.shape == (BANDS, 100)
    assert levels[:, :45].max() < 0.05
    assert levels[:, 55:].max(0).min() > 0.9


def test_silence_stays_dark_and_so_does_what_nobody_hears() -> None:
    silent = Sound(np.zeros(RATE, np.float32), RATE, 0.0, 1.0)
    assert spectrogram(silent, 50).max() == 0
    faint = tone(1000, loudness=1e-5)
    assert spectrogram(faint, 50).max() < 0.4 < spectrogram(tone(1000, loudness=0.1), 50).max()


@pytest.mark.parametrize("count", [0, 1, 7, 500])
def test_a_sound_shorter_than_a_window_is_drawn(count: int) -> None:
    drawing = draw(Sound(np.full(count, 0.5, np.float32), RATE, 0.0, count / RATE), 128)
    assert drawing.width == 128


def test_the_axis_of_time_begins_where_the_span_does() -> None:
    early, late = tone(1000, 5.0), tone(1000, 5.0)
    late = Sound(late.samples, RATE, 8250.0, 8255.0)
    differs = (points(draw(early)) != points(draw(late))).any((1, 2))
    assert differs[-20:].any(), "the labels below differ"
    assert not differs[:150].any(), "the sound does not"


def test_what_is_nearer_is_warmer_and_lighter() -> None:
    drawing = points(draw(depth(), 128))
    near, far = drawing[40, 20].astype(int), drawing[40, 100].astype(int)
    assert near[0] > near[2], "more red than blue"
    assert far[0] < far[2], "more blue than red"
    assert luminance(near) > luminance(far) + 0.3


def test_points_without_a_distance_are_grey_and_no_others() -> None:
    drawing = draw(depth(holes=True), 100)
    scale = 100 / 80
    assert drawing.getpixel((round(20 * scale), round(30 * scale))) == UNKNOWN
    grey = (points(drawing) == UNKNOWN).all(2).mean()
    assert grey == pytest.approx(400 / 4800, rel=0.3)


@pytest.mark.parametrize("value", [np.nan, 2.5])
def test_a_map_of_one_value_or_none_is_drawn(value: float) -> None:
    flat = np.full((30, 40), value, np.float32)
    for media in (DepthMap(flat), HeatMap(flat, celsius=True), HeatMap(flat)):
        drawing = points(draw(media, 128))
        shown = drawing[10, 20:100]
        assert (shown == shown[0]).all()
        assert (tuple(shown[0].tolist()) == UNKNOWN) == bool(np.isnan(value))


def test_a_stray_value_does_not_take_the_colours_of_all_others() -> None:
    stray = depth().metres.copy()
    stray[0, 0] = 5000.0
    assert (points(draw(DepthMap(stray), 80))[40] == points(draw(depth(), 80))[40]).all()


def test_what_is_warmer_is_lighter_and_the_scale_says_in_what_unit() -> None:
    heat = np.linspace(10, 40, 4800, dtype=np.float32).reshape(60, 80)
    known, relative = draw(HeatMap(heat, celsius=True), 160), draw(HeatMap(heat), 160)
    column = luminance(points(known)[:110, 80])
    assert (np.diff(column[::10]) > 0).all()
    differs = (points(known) != points(relative)).any((1, 2))
    assert not differs[:115].any()
    assert differs[115:].any(), "degrees Celsius are told from relative values"


def curves(drawing: np.ndarray, axis: int) -> np.ndarray:
    """The columns and rows in which the curve of an axis is, (n, 2) as row, column."""
    return np.argwhere((drawing == AXES[axis]).all(2))


def test_each_axis_of_each_sensor_is_a_curve() -> None:
    drawing = points(draw(log(), 256))
    for axis in range(3):
        rows = curves(drawing, axis)[:, 0]
        assert (rows < 80).sum() > 100, "of the accelerometer, above"
        assert (rows > 110).sum() > 100, "of the gyroscope, below"
    heights = [np.ptp(curves(drawing[:85], axis)[:, 0]) for axis in range(3)]
    assert heights == sorted(heights), "z swings furthest"
    assert heights[0] < heights[2] / 2


def test_a_gap_in_a_log_is_blank() -> None:
    whole, broken = points(draw(log(), 256)), points(draw(log(gap=(2.0, 3.0)), 256))
    columns = curves(broken, 0)[:, 1]
    left, right = columns.min(), columns.max()
    gap = (left + 0.42 * (right - left), left + 0.58 * (right - left))
    assert not ((columns > gap[0]) & (columns < gap[1])).any()
    columns = curves(whole, 0)[:, 1]
    assert ((columns > gap[0]) & (columns < gap[1])).any()


def test_readings_that_are_missing_are_a_gap_too() -> None:
    media = log()
    media.rotation[200:300] = np.nan
    columns = curves(points(draw(media, 256))[110:], 1)[:, 1]
    middle = (columns.min() + columns.max()) / 2
    assert not (np.abs(columns - middle) < 15).any()


def test_a_log_without_a_gyroscope_leaves_its_panel_empty() -> None:
    drawing = points(draw(log(rotation=False), 256))
    for axis in range(3):
        rows = curves(drawing, axis)[:, 0]
        assert len(rows) > 100
        assert rows.max() < 95


def test_a_sensor_at_rest_is_a_level_line_not_its_noise_in_full_height() -> None:
    times = np.arange(0, 5, 0.01)
    noise = np.random.default_rng(0).normal(0, 0.001, (500, 3)).astype(np.float32)
    drawing = points(draw(MotionLog(times, noise, noise, 0.0, 5.0), 256))
    assert np.ptp(curves(drawing[:85], 2)[:, 0]) <= 2


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_log_of_hardly_any_readings_is_drawn(count: int) -> None:
    values = np.ones((count, 3), np.float32)
    draw(MotionLog(np.arange(count, dtype=np.float64), values, values, 0.0, 0.0), 128)


def test_a_passage_shows_its_beginning_and_no_more_than_fits() -> None:
    short, long = draw(Passage("alpha\nbeta"), 256), draw(Passage("alpha\nbeta\n" + "word " * 5000), 256)
    ink = [(points(drawing)[:20] != PAPER).any(2) for drawing in (short, long)]
    assert ink[0].any()
    assert (ink[0] == ink[1]).all(), "the first line is the same"
    assert (points(long)[-8:] == PAPER).all(), "the margin below stays free"
    assert (points(long)[:, -4:] == PAPER).all(), "and that on the right"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_drawn_and_its_lines_fit(text: str) -> None:
    draw(Passage(text), 64)
    assert all(len(line) <= 1 or width_of(line, 10) <= 90 for line in wrapped(text, 90, 10))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 20))
def test_ticks_are_few_and_lie_within(low: float, length: float, most: int) -> None:
    high = low + length
    found = list(ticks(low, high, most))
    assert len(found) <= most + 1
    assert all(low - 1e-6 * length <= tick <= high + 1e-6 * length for tick in found)
    assert found == sorted(found)


def test_small_drawings_do_without_letters() -> None:
    assert letters(64) == 0
    assert draw(depth(), 64).size == (64, 48), "no scale below"


def test_a_sheet_shows_every_drawing_in_its_cell() -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    drawings = [
        (draw(Picture(np.full((48, 64, 3), colour, np.uint8)), 64), f"number {n}, " + "and so on " * n)
        for n, colour in enumerate(colours)
    ]
    shown = points(sheet(drawings, 64))
    assert shown.shape[1] == 3 * 64 + 4 * 8
    places = [np.argwhere((shown == colour).all(2)) for colour in colours]
    assert [len(place) for place in places] == [64 * 48] * 5, "none overlaps another, or its words"
    assert places[2][:, 1].min() > places[1][:, 1].max()
    assert places[3][:, 0].min() > places[0][:, 0].max()


def test_an_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        sheet([])
