"""ImageBind: pictures, films, text, sounds, depth, heat and motion in one space."""

from __future__ import annotations

from bindsearch.encoders.imagebind.config import HUGE, TOWERS, TowerConfig, config_from_shapes, tower_of
from bindsearch.encoders.imagebind.encoder import ImageBindEncoder
from bindsearch.encoders.imagebind.load import check_shapes, read_checkpoint, split_state_dict

__all__ = [
    "HUGE",
    "TOWERS",
    "ImageBindEncoder",
    "TowerConfig",
    "check_shapes",
    "config_from_shapes",
    "read_checkpoint",
    "split_state_dict",
    "tower_of",
]
