"""The compact space: small towers that are shipped with bindsearch and run on any processor."""

from __future__ import annotations

from bindsearch.encoders.compact.encoder import CompactEncoder
from bindsearch.encoders.compact.manifest import WEIGHTS, Manifest

__all__ = ["WEIGHTS", "CompactEncoder", "Manifest"]
