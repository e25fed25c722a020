"""Loaders: files to media. ``load`` is the one door.

They lie in the core, below the index, because three rooms need them: indexing, queries that are files,
and the evaluation and training commands.
"""

from bindsearch.loaders.base import FileFacts, LoadedFile, LoadOptions
from bindsearch.loaders.detect import load, readable_kind
from bindsearch.loaders.hints import NO_HINT, Hint
from bindsearch.loaders.surroundings import Surroundings

__all__ = [
    "NO_HINT",
    "FileFacts",
    "Hint",
    "LoadOptions",
    "LoadedFile",
    "Surroundings",
    "load",
    "readable_kind",
]
