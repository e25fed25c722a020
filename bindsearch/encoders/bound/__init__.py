"""Spaces that are another space and one tower more, as ``bindsearch bind`` makes them.

manifest   what such a folder says of itself
readings   a sensor's readings as the tower takes them
encoder    the tower for its own modality, the other space's encoder for everything else
"""

from __future__ import annotations

from bindsearch.encoders.bound.encoder import BoundEncoder
from bindsearch.encoders.bound.manifest import BoundManifest

__all__ = ["BoundEncoder", "BoundManifest"]
