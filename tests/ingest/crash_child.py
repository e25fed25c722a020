"""Run as a process of its own: index a folder with the tiny encoder, slowly enough to be killed."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bindsearch.encoders import Vectors
from bindsearch.ingest.library import Library
from bindsearch.ingest.progress import NoProgress, Outcome
from bindsearch.media import Media
from bindsearch.settings import Settings
from tests.tiny import TinyEncoder


class SlowEncoder(TinyEncoder):
    """Takes its time over every medium."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        time.sleep(float(sys.argv[3]) * len(batch))
        return super().encode(batch)


class Announce(NoProgress):
    """Tells the parent that reading begins, and of every file that is committed, a line each."""

    def planned(self, files: int, size: int) -> None:
        """See Progress."""
        print(files, flush=True)

    def finished(self, path: Path, size: int, outcome: Outcome) -> None:
        """See Progress."""
        print(outcome, flush=True)


with Library(Path(sys.argv[1]), Settings(chunk_files=7), SlowEncoder()) as library:
    library.index(sys.argv[2], progress=Announce())
