"""Run as a process of its own: brings a library up to date for ever, and counts how often."""

import os
import sys
from pathlib import Path

from bindsearch.ingest.library import Library
from bindsearch.sandbox.limits import die_with
from bindsearch.settings import Settings
from tests.tiny import TinyEncoder

die_with(int(os.environ["LIFELINE"]))
runs = Path(sys.argv[1], "runs")
with Library(Path(sys.argv[1]), Settings(), TinyEncoder()) as library:
    for number in range(1_000_000):
        library.index()
        runs.write_text(str(number))
