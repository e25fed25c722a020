"""Where the golden data lies: arrays that the published code made, and the table of its keys.

It is too large for the repository. BINDSEARCH_GOLDEN names its folder; without it, ``shared/golden`` beside
the checkout is looked at. Tests that need it are skipped where there is none. The table lies in ``spec``
beside that folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def folder() -> Path:
    """The folder of golden data, or a skipped test."""
    found = Path(os.environ.get("BINDSEARCH_GOLDEN") or ROOT.parent / "shared" / "golden")
    if not found.is_dir():
        pytest.skip(f"no golden data in {found}: set BINDSEARCH_GOLDEN")
    return found


def key_table() -> Path:
    """The published model's keys and shapes, or a skipped test."""
    found = folder().parent / "spec" / "imagebind_huge_keys.json"
    if not found.is_file():
        pytest.skip(f"no table of keys in {found}")
    return found
