"""One sound library for the whole folder, and copies of it that tests may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.index.upkeep.libraries import make_library, make_media, merge_log


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files; not to be changed."""
    made = tmp_path_factory.mktemp("upkeep") / "media"
    make_media(made)
    return made


@pytest.fixture(scope="session")
def sound(media: Path) -> Path:
    """A library of them; not to be changed."""
    made = media.parent / "sound"
    make_library(made, media)
    merge_log(made)
    return made


@pytest.fixture
def harmed(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    copy = tmp_path / "harmed"
    shutil.copytree(sound, copy)
    return copy
