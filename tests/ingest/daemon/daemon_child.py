"""Run as a process of its own: a daemon with the tiny encoder, which waits shortly for files to be quiet."""

import logging
import os
import sys
from pathlib import Path

from bindsearch.encoders import Encoder
from bindsearch.ingest.daemon import running
from bindsearch.ingest.library import Library
from bindsearch.sandbox.limits import die_with
from bindsearch.settings import Settings, WatchSettings
from tests.tiny import TinyEncoder


class TinyLibrary(Library):
    """A library that needs no weights."""

    def __init__(self, folder: Path, settings: Settings, encoder: Encoder | None = None, *_: object) -> None:
        super().__init__(folder, settings, encoder or TinyEncoder())


def main() -> None:
    """Serve the library in the first argument; the second is how many seconds files must be quiet."""
    die_with(int(os.environ["LIFELINE"]))
    logging.basicConfig(level=os.environ.get("LOG", "INFO"), format="%(asctime)s %(name)s %(message)s")
    running.Library = TinyLibrary  # type: ignore[misc, assignment]
    watch = WatchSettings(quiet_seconds=float(sys.argv[2]), on_battery=True)
    worker = [sys.executable, "-m", "tests.ingest.daemon.worker_child"]
    settings = Settings(threads=1, chunk_files=16, watch=watch)
    running.run(Path(sys.argv[1]), settings, running.DaemonOptions(worker_command=worker))


if __name__ == "__main__":
    main()
