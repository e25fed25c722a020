"""bindsearch: find a moment again in folders of photos, films, sounds, sensor logs and notes.

The Python interface is :class:`Library`; everything else is reached through its module.

    import bindsearch

    with bindsearch.Library.open("~/memories") as library:
        library.index(["~/Pictures"])
        for hit in library.search('"a dog on the beach" - "people"'):
            print(hit.score, hit.path)
"""

import os as _os
from typing import Any

__version__ = "0.1.0"
__all__ = ["Library", "__version__"]

# In a checkout the sub-packages lie beside this folder; in a wheel, inside it.
_here = _os.path.dirname(_os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs start-up time
if not _os.path.isdir(_os.path.join(_here, "index")):  # noqa: PTH112, PTH118
    __path__.append(_os.path.dirname(_here))  # noqa: PTH120


def __getattr__(name: str) -> Any:
    """Import ``Library`` on first use, so that ``import bindsearch`` stays cheap."""
    if name == "Library":
        from bindsearch.ingest.library import Library

        return Library
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
