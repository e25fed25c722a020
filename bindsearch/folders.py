"""Where the library and the models lie, and by which names they are known.

Apart from the settings, so that a command which asks a daemon does not load them.
"""

from __future__ import annotations

import os
from pathlib import Path

SETTINGS_FILE = "settings.toml"
LIBRARY_VARIABLE = "BINDSEARCH_LIBRARY"
MODELS_VARIABLE = "BINDSEARCH_MODELS"


def library_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The folder of the library: ``named``, or the environment's, or the user's own."""
    chosen = named or os.environ.get(LIBRARY_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("bindsearch", appauthor=False) / "library"


def models_folder() -> Path:
    """The folder of the models that were pulled: the environment's, or the user's own."""
    chosen = os.environ.get(MODELS_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("bindsearch", appauthor=False) / "models"
