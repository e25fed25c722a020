"""Fixtures that several folders of tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindsearch.ingest.library import Library
from bindsearch.settings import Settings
from tests.tiny import TinyEncoder


@pytest.fixture(scope="session", autouse=True)
def hears_interrupts() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that tests start and stop."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def encoder() -> TinyEncoder:
    """A tiny encoder that counts its calls."""
    return TinyEncoder()


@pytest.fixture
def library(tmp_path: Path, encoder: TinyEncoder) -> Iterator[Library]:
    """An empty library with the tiny encoder."""
    with Library(tmp_path / "library", Settings(), encoder) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to put media into."""
    made = tmp_path / "media"
    made.mkdir()
    return made
