"""How alike are versions of one file, and how alike two files that only resemble each other?

Photos and sounds of the test rows of a folder of data sets are stored anew as people and programs do:
smaller, in lower quality, cropped, brighter; cut off, quieter, as MP3. Told is which part of them stays above
a cosine to the original, beside the part of files whose nearest other file lies above it. The cosine from
which on a search folds hits into one is chosen by it.

    python benchmarks/near_duplicates.py --data DIR [--space compact] [--work .cache/mixed]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _mixed import copied, options

from bindsearch.encoders import Encoder, Vectors, open_encoder
from bindsearch.evaluation.report import table
from bindsearch.index.searching import NEARLY_THE_SAME
from bindsearch.loaders import LoadOptions, load
from bindsearch.modality import Modality

COSINES = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995)
FILES = 200


def picture_versions() -> dict[str, Callable[[Path, Path], None]]:
    """What is done to a photo."""
    from PIL import Image, ImageEnhance

    def stored(change: Callable[[Image.Image], Image.Image], quality: int) -> Callable[[Path, Path], None]:
        def store(source: Path, target: Path) -> None:
            change(Image.open(source).convert("RGB")).save(target, "JPEG", quality=quality)

        return store

    def cropped(picture: Image.Image) -> Image.Image:
        wide, high = picture.size
        return picture.crop((wide // 40, high // 40, wide - wide // 40, high - high // 40))

    return {
        "JPEG at quality 90": stored(lambda one: one, 90),
        "JPEG at quality 40": stored(lambda one: one, 40),
        "three quarters of the size": stored(lambda one: one.resize([n * 3 // 4 for n in one.size]), 85),
        "5 % cropped": stored(cropped, 90),
        "a tenth brighter": stored(lambda one: ImageEnhance.Brightness(one).enhance(1.1), 90),
    }


def sound_versions() -> dict[str, Callable[[Path, Path], None]]:
    """What is done to a sound."""
    import soundfile

    def stored(change: Callable[[np.ndarray], np.ndarray], kind: str) -> Callable[[Path, Path], None]:
        def store(source: Path, target: Path) -> None:
            samples, rate = soundfile.read(source, dtype="float32")
            soundfile.write(target, change(samples), rate, format=kind)

        return store

    return {
        "as MP3": stored(lambda one: one, "MP3"),
        "half as loud": stored(lambda one: one / 2, "WAV"),
        "0.2 s cut off": stored(lambda one: one[min(3200, len(one) // 5) :], "WAV"),
    }


def embedded(encoder: Encoder, path: Path) -> Vectors:
    """The vector (d,) of a file's first medium."""
    media = next(iter(load(path, LoadOptions(picture_side=encoder.picture_side)).media))
    return encoder.encode([media])[0]


def compared(
    encoder: Encoder, paths: list[Path], versions: dict[str, Callable[[Path, Path], None]]
) -> list[tuple[object, ...]]:
    """A row for each version, and one for the nearest other file."""
    own = np.stack([embedded(encoder, path) for path in paths])
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, store in versions.items():
            likeness = []
            for path, vector in zip(paths, own, strict=True):
                target = Path(folder) / "version"
                store(path, target)
                likeness.append(float(embedded(encoder, target) @ vector))
            rows.append((name, *_shares(np.array(likeness))))
    others = own @ own.T
    np.fill_diagonal(others, -1)
    return [*rows, ("nearest other file", *_shares(others.max(axis=1)))]


def _shares(likeness: np.ndarray) -> list[str]:
    return [f"{np.mean(likeness >= cosine):.3f}" for cosine in COSINES]


def main() -> None:
    """Print a table for photos and one for sounds."""
    chosen = options(__doc__ or "").parse_args()
    if chosen.data is None:
        print("  passed over: --data names the folder of data sets that is compared")
        return
    tree, items = copied(chosen.data, chosen.work)
    encoder = open_encoder(chosen.space)
    for modality, versions in ((Modality.IMAGE, picture_versions()), (Modality.AUDIO, sound_versions())):
        paths = [tree / name for name, item in items.items() if item.modality == modality][:FILES]
        rows = compared(encoder, paths, versions)
        print(f"\n{len(paths)} files of {modality}, folded from {NEARLY_THE_SAME[modality]} on\n")
        print(table([("at least", *COSINES), *rows]))


if __name__ == "__main__":
    main()
