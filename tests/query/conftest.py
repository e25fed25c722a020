"""A folder of files to name in queries."""

from __future__ import annotations

from pathlib import Path

import pytest

FILES = (
    *("photo.jpg", "my photo.jpg", "a - b.jpg", "notes", "+", "clip.mp4", "my clip.mp4", "photo(1).jpg"),
    *("odd[1-2].mp4", "@12", "holiday (2).jpg"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own current folder, and home, that holds FILES."""
    for name in FILES:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "films").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path
