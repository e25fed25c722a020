"""How each medium becomes samples of its tower, under a recipe.

``official`` does what the published loaders do with a whole file. ``span`` is bindsearch's own, for the spans
that loaders here cut files into: a film's frames as they come, in pairs, and a sound in clips that cover all
of it. The two differ for films and sounds only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.imagebind.audio import file_clips, span_clips
from bindsearch.encoders.imagebind.config import TowerConfig
from bindsearch.encoders.imagebind.pictures import film_views, span_views, still
from bindsearch.encoders.imagebind.sensors import depth_sample, motion_sample, thermal_sample
from bindsearch.encoders.imagebind.text import token_ids
from bindsearch.errors import EncoderError
from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Passage, Picture, Readings, Sound
from bindsearch.modality import Modality

# Changes whenever the same media would give other samples.
PREPROCESSING = "1"
RECIPES = ("span", "official")

TOWER_FOR = {
    Modality.IMAGE: "vision",
    Modality.VIDEO: "vision",
    Modality.TEXT: "text",
    Modality.AUDIO: "audio",
    Modality.DEPTH: "depth",
    Modality.THERMAL: "thermal",
    Modality.IMU: "imu",
}

Samples = NDArray[np.generic]
Recipe = Callable[[Media, TowerConfig], Samples]


def samples_of(media: Media, config: TowerConfig, recipe: str) -> Samples:
    """(views, ...) samples of ``media`` for its tower; their vectors are averaged.

    Raises EncoderError for a medium that holds nothing to encode.
    """
    match media:
        case Picture():
            return still(_seen(media.pixels))[np.newaxis]
        case Clip():
            return _film_samples(media, recipe)
        case Passage():
            return token_ids([media.text], config.sample[0])
        case Sound():
            return _sound_samples(media, config, recipe)
        case DepthMap():
            return depth_sample(media)[np.newaxis]
        case HeatMap():
            return thermal_sample(media)[np.newaxis]
        case MotionLog():
            return motion_sample(media, config.sample[1])[np.newaxis]
        case Readings():
            raise EncoderError(f"cannot encode {media.modality}")


def _film_samples(clip: Clip, recipe: str) -> Samples:
    frames = _seen(clip.frames)
    if recipe == "span":
        return span_views(frames)
    seconds = clip.end - clip.start
    return film_views(frames, len(frames) / seconds if seconds > 0 else 1.0)


def _sound_samples(sound: Sound, config: TowerConfig, recipe: str) -> Samples:
    _, bins, frames = config.sample
    if recipe == "span":
        return span_clips(sound.samples, sound.rate, bins, frames)
    return file_clips(sound.samples[np.newaxis], sound.rate, bins, frames)


def _seen(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not pixels.size:
        raise EncoderError("a picture without pixels cannot be encoded")
    return pixels
