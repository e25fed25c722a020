"""Pictures a second through a whole index run, beside the same work done plainly: decode, encode, next.

The plain loop is what the encoder's own speed allows without hashing, catalog, commits and recovery.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from _timing import command, make_pictures, run

PICTURES = 2000


def plain(folder: Path) -> float:
    """Seconds of a bare loop over the pictures."""
    from bindsearch.encoders import open_encoder
    from bindsearch.loaders import LoadOptions, load

    started = time.perf_counter()
    encoder = open_encoder()
    batch = []
    for path in sorted(folder.iterdir()):
        batch += load(path, LoadOptions(picture_side=encoder.picture_side)).media
        if len(batch) == 16:
            encoder.encode(batch)
            batch = []
    return time.perf_counter() - started


def main() -> None:
    """Time a first run, a second one, and one after the folder was renamed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    with tempfile.TemporaryDirectory() as temporary:
        pictures, renamed = Path(temporary) / "pictures", Path(temporary) / "renamed"
        make_pictures(pictures, count)
        library = {"BINDSEARCH_LIBRARY": str(Path(temporary) / "library")}
        seconds = plain(pictures)
        print(f"  plain loop, no library              {seconds:7.2f} s   {count / seconds:6.1f} pictures/s")
        seconds = run(command("index", str(pictures)), library)
        print(f"  bindsearch index, first run         {seconds:7.2f} s   {count / seconds:6.1f} pictures/s")
        print(f"  second run, nothing changed         {run(command('index'), library):7.2f} s")
        pictures.rename(renamed)
        print(f"  after the folder was renamed        {run(command('index', str(renamed)), library):7.2f} s")


if __name__ == "__main__":
    main()
