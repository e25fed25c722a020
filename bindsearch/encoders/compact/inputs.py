"""What the compact towers take of each kind of medium: the one place that both encoding and training ask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bindsearch.encoders.compact.maps import depth_picture, heat_picture
from bindsearch.encoders.compact.motions import motion_channels
from bindsearch.encoders.compact.pictures import squashed
from bindsearch.encoders.compact.sounds import spectrograms
from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Picture, Sound

Inputs = NDArray[Any]


def network_inputs(medium: Media) -> tuple[str, Inputs]:
    """The name of a tower's input and what it is given: (parts, ...), the parts' vectors to be averaged.

    Raises TypeError for a medium that is not made of numbers: text goes by way of a tokenizer.
    """
    match medium:
        case Picture():
            return "pixels", squashed(medium.pixels)[np.newaxis]
        case Clip():
            return "pixels", np.stack([squashed(frame) for frame in medium.frames])
        case Sound():
            return "pixels", spectrograms(medium.samples, medium.rate)
        case DepthMap():
            return "pixels", depth_picture(medium)[np.newaxis]
        case HeatMap():
            return "pixels", heat_picture(medium)[np.newaxis]
        case MotionLog():
            return "motion", motion_channels(medium)[np.newaxis]
        case _:
            raise TypeError(f"{medium.modality} has no inputs of numbers")
