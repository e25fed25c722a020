"""Encoders: media to unit vectors of one space. One folder per family; ``open_encoder`` is the door."""

from bindsearch.encoders.protocol import Encoder, Space, Vectors
from bindsearch.encoders.registry import SpaceInfo, describe_space, list_spaces, open_encoder

__all__ = ["Encoder", "Space", "SpaceInfo", "Vectors", "describe_space", "list_spaces", "open_encoder"]
