"""Folders with manifests and a stand-in encoder that understands every modality they hold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bindsearch.encoders import Vectors
from bindsearch.media import Clip, DepthMap, HeatMap, Media, MotionLog, Picture, Sound
from bindsearch.modality import Modality
from tests.media import picture
from tests.tiny import DIMENSIONS, TinyEncoder

COLUMNS = ("file", "modality", "pair_id", "split", "label", "captions", "index")
HUES = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}
METRES = {"red": 1000, "green": 2000, "blue": 4000}  # millimetres of depth, one for each hue
AXES = {"red": 0, "green": 1, "blue": 2}  # which way gravity points
HERTZ = 50


class SensesEncoder(TinyEncoder):
    """As TinyEncoder, and: near is red, far is blue; gravity along x is red; cold is red; loud is red.

    ``seen`` keeps what was encoded, in order.
    """

    def __init__(self, modalities: Sequence[Modality] = tuple(Modality)) -> None:
        super().__init__(modalities=modalities)
        self.seen: list[Media] = []

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        assert len({media.modality for media in batch}) == 1
        self.seen += batch
        return super().encode(batch)

    def _vector(self, media: Media) -> Vectors:
        match media:
            case Picture() | Clip():
                return super()._vector(media)
            case DepthMap(metres=metres):
                return _axis(int(np.digitize(np.nanmean(metres), [1.5, 3.0])))
            case HeatMap(heat=heat):
                return _axis(int(np.digitize(np.nanmean(heat), [0.3, 0.6])))
            case MotionLog(acceleration=acceleration):
                return _axis(int(np.abs(acceleration).mean(0).argmax()))
            case Sound(samples=samples):
                return _axis(0 if np.abs(samples).max() > 0.5 else 1)
        return super()._vector(media)


def _axis(place: int) -> Vectors:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[place] = 1
    return vector


def write_manifest(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    """A manifest with COLUMNS; rows may leave out the last columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def rooms(folder: Path, copies: int = 2, splits: Sequence[str] = ("test",)) -> Path:
    """Pictures of three colours and the depth maps that belong to them, ``copies`` of each in each split."""
    (folder / "depth").mkdir()
    rows = []
    for split in splits:
        for hue, colour in HUES.items():
            for copy in range(copies):
                name = f"{split}_{hue}_{copy}"
                picture(folder / f"{name}.png", colour)
                millimetres = np.full((12, 16), METRES[hue] + copy, np.uint16)
                Image.fromarray(millimetres).save(folder / "depth" / f"{name}.png")
                rows.append((f"{name}.png", "image", name, split, hue, f"something {hue}"))
                rows.append((f"depth/{name}.png", "depth", name, split, hue, f"something {hue}"))
    return write_manifest(folder / "manifest.csv", rows)


def windows(count: int, samples: int = 250) -> NDArray[np.float16]:
    """Windows at rest of which gravity points along x, y, z, x ... in turn: (count, samples, 6)."""
    readings = np.zeros((count, samples, 6), np.float16)
    readings[np.arange(count), :, np.arange(count) % 3] = 1
    readings[:, :, 5] = 0.5
    return readings


def walks(folder: Path, count: int = 9) -> Path:
    """A manifest of ``count`` windows in one NPZ file, labelled by the hue of their axis."""
    np.savez(folder / "walks.npz", x=windows(count), hz=HERTZ, n_valid=np.full(count, 200, np.int16))
    hues = list(HUES)
    rows = [
        ("walks.npz", "imu", f"w{place}", "test", hues[place % 3], f"somebody {hues[place % 3]}", str(place))
        for place in range(count)
    ]
    return write_manifest(folder / "manifest.csv", rows)
