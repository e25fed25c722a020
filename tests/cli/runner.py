"""Runs the real program as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bindsearch(library: Path, *arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    """One command; stdout and stderr are bytes, since paths need not be text."""
    environment = os.environ | {"BINDSEARCH_LIBRARY": str(library), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "bindsearch", *map(os.fspath, arguments)]
    return subprocess.run(command, capture_output=True, env=environment, cwd=cwd, timeout=120)
