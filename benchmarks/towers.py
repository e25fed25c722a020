"""What each compact tower does in a second: real files, decoding and encoding, one by one and in batches.

For each modality up to ``--count`` files of the ``test`` rows of a folder of sets are read and encoded: each
after the other as a query is, and in batches of 32 whose files two threads decode, as indexing does. The last
column is the median time of one item without reading it. ``--space`` measures another space.

    python benchmarks/towers.py --data DIR [--modality audio] [--count 96] [--space compact]

Without ``--data`` there is nothing to measure.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bindsearch.encoders import Encoder, open_encoder
from bindsearch.errors import SettingsError
from bindsearch.evaluation.embedding import Embedder
from bindsearch.evaluation.manifest import Manifests, Row, spread
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality

SETS = {
    Modality.IMAGE: "captions_flickr8k",
    Modality.TEXT: "captions_flickr8k",
    Modality.AUDIO: "audio_esc50",
    Modality.DEPTH: "depth_nyuv2",
    Modality.THERMAL: "thermal",
    Modality.IMU: "imu",
}
BATCH = 32


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="the folder of sets")
    parser.add_argument("--modality", action="append", type=Modality, help="only this one; may be repeated")
    parser.add_argument("--count", type=int, default=96, help="items of each modality (96)")
    parser.add_argument("--space", default="compact", help="which space (compact)")
    options = parser.parse_args()
    if options.data is None:
        print("nothing to measure without --data")
        return
    encoder = open_encoder(options.space)
    print(
        f"  {'modality':8} {'items':>5} {'singly, items/s':>16} {'batches, items/s':>17} {'encoding, ms':>13}"
    )
    for modality in options.modality or SETS:
        if modality in encoder.space.modalities:
            print(f"  {modality:8} {measured(encoder, modality, options.data, options.count)}", flush=True)


def measured(encoder: Encoder, modality: Modality, data: Path, count: int) -> str:
    """The rest of the line of one modality."""
    read, items = reader(encoder, modality, data, count)
    encoder.encode([read(items[0])])
    singly = seconds(lambda: [encoder.encode([read(item)]) for item in items])
    together = seconds(lambda: in_batches(encoder, read, items))
    media = [read(item) for item in items]
    alone = statistics.median(seconds(lambda one=medium: encoder.encode([one])) for medium in media)  # type: ignore[misc]
    return f"{len(items):5} {len(items) / singly:16.1f} {len(items) / together:17.1f} {alone * 1e3:13.1f}"


def reader(
    encoder: Encoder, modality: Modality, data: Path, count: int
) -> tuple[Callable[[object], Media], Sequence[object]]:
    """How an item is read, and the items: manifest rows, or captions."""
    manifests = Manifests([data / SETS[modality] / "manifest.csv"])
    if modality is Modality.TEXT:
        rows = spread(manifests.rows("test", Modality.IMAGE), count)
        return lambda text: Passage(str(text)), [row.captions[0] for row in rows]
    embedder = Embedder(encoder)

    def read(row: object) -> Media:
        assert isinstance(row, Row)
        medium = next(iter(embedder.media(row)), None)
        if medium is None:
            raise SettingsError("holds nothing to measure", subject=str(row.path))
        return medium

    return read, spread(manifests.rows("test", modality), count)


def in_batches(encoder: Encoder, read: Callable[[object], Media], items: Sequence[object]) -> None:
    """Encode all, while the next batch is already being read."""
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            [pool.submit(read, item) for item in items[at : at + BATCH]] for at in range(0, len(items), BATCH)
        ]
        for batch in waiting:
            encoder.encode([medium.result() for medium in batch])


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
