"""From depth maps, heat maps and motion logs to what their towers take.

The published code has no loader for any of the three. What is done here follows what the authors or careful
users have reported, and says where it is a choice of bindsearch's own:

* Depth becomes disparity, in pixels, as the paper says (baseline x focal length / depth), and is standardised
  with the mean and deviation of SUN RGB-D that a user found to reach the paper's figure
  (facebookresearch/ImageBind, issue 134). A camera that is not described is taken for a Kinect: baseline
  0.075 m (facebookresearch/omnivore, issue 12), focal length 518.86 pixels. A choice: holes are filled
  smoothly from around them.
* Thermal is grey from 0 to 1 without standardising (facebookresearch/ImageBind, issue 37 and pull request
  73). A choice: degrees are stretched, the coldest and the warmest hundredth cut off, as thermal cameras do
  for their pictures.
* IMU is 5 s in 2000 steps (the paper). Choices: accelerometer before gyroscope, raw units, linear between
  readings, zero in gaps of over a quarter of a second and beyond the log's ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.imagebind.pictures import LONGEST_ASPECT, resize_and_crop
from bindsearch.errors import EncoderError
from bindsearch.media import DepthMap, HeatMap, MotionLog

Floats = NDArray[np.float32]

BASELINE, FOCAL_LENGTH = 0.075, 518.86  # metres, pixels
NEAREST, FARTHEST = 0.01, 8.0  # metres
DISPARITY_MEAN, DISPARITY_STD = 24.82, 14.40  # pixels
IMPLAUSIBLE = 200.0  # metres; a median above it is in millimetres or in no unit at all

COLD, WARM = 1, 99  # percentiles of a radiometric picture that become black and white

SECONDS = 5.0
LONGEST_GAP = 0.25  # seconds between readings that are still joined by a line


def depth_sample(depth: DepthMap) -> Floats:
    """(height, width) metres to (1, 224, 224); EncoderError if they cannot be metres."""
    from PIL import Image

    metres = _filled(_checked_metres(depth.metres))
    baseline = BASELINE if depth.baseline is None else depth.baseline
    focal_length = FOCAL_LENGTH if depth.focal_length is None else depth.focal_length
    if not (0 < baseline < np.inf and 0 < focal_length < np.inf):
        raise EncoderError("a depth map's baseline and focal length must be above zero")
    disparity = baseline * focal_length / metres.clip(NEAREST, FARTHEST)  # pixels
    standard = ((disparity - DISPARITY_MEAN) / DISPARITY_STD).astype(np.float32)
    return _squared(standard, Image.Resampling.BILINEAR)


def thermal_sample(heat: HeatMap) -> Floats:
    """(height, width) of degrees or grey levels to (1, 224, 224), 0 to 1; EncoderError without a reading."""
    from PIL import Image

    known = np.isfinite(heat.heat)
    if not known.any():
        raise EncoderError("a thermal picture has no reading")
    values = _filled(np.where(known, heat.heat, np.nan))
    grey = _stretched(values) if heat.celsius else values.clip(0, 1)
    levels = np.round(grey * 255).astype(np.uint8)
    return _squared(levels, Image.Resampling.BICUBIC) / np.float32(255)


def motion_sample(log: MotionLog, steps: int = 2000) -> Floats:
    """A log to (6, steps) over five seconds; EncoderError if its times do not rise or nothing lies within.

    A longer span gives the five seconds at its middle; a shorter one begins at the first step.
    """
    times = np.asarray(log.times, np.float64)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise EncoderError("the times of a motion log must rise")
    start = log.start + max(0.0, (log.end - log.start - SECONDS) / 2)
    grid = start + np.arange(steps, dtype=np.float64) * (SECONDS / steps)
    axes = [_on_grid(grid, times, sensor) for sensor in (log.acceleration, log.rotation)]
    sample = np.concatenate(axes)  # (6, steps)
    if np.isnan(sample).all():
        raise EncoderError("a motion log has no readings in its span")
    return np.nan_to_num(sample).astype(np.float32)


def _checked_metres(metres: Floats) -> Floats:
    known = np.isfinite(metres) & (metres > 0)
    if not known.any():
        raise EncoderError("a depth map has no reading")
    if (median := float(np.median(metres[known]))) > IMPLAUSIBLE:
        raise EncoderError(
            f"a depth map with a median of {median:.0f} m has another unit than metres",
            hint="say how many metres one step of its values is",
        )
    return np.where(known, metres, np.nan)


def _filled(values: Floats) -> Floats:
    """Holes (NaN) filled from the mean of what lies around them, found at the finest scale that knows it."""
    holes = np.isnan(values)
    if not holes.any():
        return values
    height, width = values.shape
    if height == width == 1:
        raise ValueError("nothing to fill from")
    padded = np.pad(values, ((0, height % 2), (0, width % 2)), constant_values=np.nan)
    quads = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    known = ~np.isnan(quads)  # (h, w, 2, 2)
    counts = known.sum((2, 3))
    sums = np.where(known, quads, 0).sum((2, 3))
    coarse = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
    finer = _filled(coarse).repeat(2, 0).repeat(2, 1)[:height, :width]
    return np.where(holes, finer, values)


def _stretched(values: Floats) -> Floats:
    cold, warm = np.percentile(values, (COLD, WARM))
    if warm <= cold:
        return np.full_like(values, 0.5)
    stretched: Floats = ((values - cold) / (warm - cold)).clip(0, 1)
    return stretched


def _squared(values: NDArray[np.generic], resampling: int) -> Floats:
    """(height, width) to (1, 224, 224): shorter side to 224, then the centre."""
    from PIL import Image

    most = LONGEST_ASPECT * min(values.shape)
    picture = Image.fromarray(np.ascontiguousarray(values[:most, :most]))
    return np.asarray(resize_and_crop(picture, resampling), np.float32)[np.newaxis]


def _on_grid(grid: NDArray[np.float64], times: NDArray[np.float64], sensor: Floats) -> NDArray[np.float64]:
    """Readings (n, 3) at ``times`` to (3, steps) at ``grid``, NaN where no reading is near."""
    read = np.isfinite(sensor).all(axis=1)
    times, sensor = times[read], sensor[read]
    if not len(times):
        return np.full((3, len(grid)), np.nan)
    after = np.searchsorted(times, grid).clip(0, len(times) - 1)
    before = (np.searchsorted(times, grid, side="right") - 1).clip(0)
    inside = (grid >= times[0]) & (grid <= times[-1]) & (times[after] - times[before] <= LONGEST_GAP)
    return np.stack([np.where(inside, np.interp(grid, times, axis), np.nan) for axis in sensor.T])
