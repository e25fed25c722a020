"""Features of the training pictures, computed once and kept on disk.

The image tower itself is not trained, so its features are a constant of each view of a picture. View 0 is the
picture as the encoder sees it; the others are random parts of it with another aspect, some mirrored,
in other light. A view of one picture is 1280 numbers, float32.

A cache file's name holds a digest of the file list, the view and the seed: other data make other files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn

from bindsearch.encoders.compact.pictures import PREPROCESSING, SIDE, squashed
from bindsearch.media import Pixels
from bindsearch.training.data import Example
from bindsearch.training.export import export_onnx
from bindsearch.training.towers import FEATURES, EfficientNetLite2

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 8


class Pooled(nn.Module):
    """The image tower up to the mean of its map of features: what the head gets."""

    def __init__(self, tower: EfficientNetLite2) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.tower(pixels).mean((2, 3))
        return features


def cached_features(
    tower: EfficientNetLite2,
    examples: Sequence[Example],
    view: int,
    seed: int,
    cache: Path,
    say: Callable[[str], None],
) -> Tensor:
    """The features of one view of every example: (examples, 1280), kept in the folder ``cache``."""
    path = cache / f"features-{_digest(examples, view, seed)}.npy"
    if not path.is_file():
        say(f"view {view}: computing the features of {len(examples)} pictures")
        cache.mkdir(parents=True, exist_ok=True)
        half_done = path.with_suffix(".part.npy")
        np.save(half_done, _features(tower, examples, view, seed))
        half_done.rename(path)
    return torch.from_numpy(np.load(path))


def random_view(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A random part of ``picture``, squashed to the tower's square, mirrored half of the time."""
    area = rng.uniform(0.35, 1.0)
    # Aspects from 0.7 to 1.4: the captioned photos were squashed upstream, other people's photos were not.
    aspect = float(np.exp(rng.uniform(-0.35, 0.35)))
    width = min(1.0, float(np.sqrt(area * aspect)))
    height = min(1.0, float(np.sqrt(area / aspect)))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    w, h = picture.size
    box = (left * w, top * h, (left + width) * w, (top + height) * h)
    view = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        view = enhance(view).enhance(rng.uniform(0.75, 1.25))
    return view


def _features(
    tower: EfficientNetLite2, examples: Sequence[Example], view: int, seed: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = _session(tower)
    features = np.empty((len(examples), FEATURES), np.float32)
    start = 0
    for batch in _batches(examples, view, seed):
        features[start : start + len(batch)] = session.run(None, {"pixels": batch})[0]
        start += len(batch)
    return features


def _session(tower: EfficientNetLite2) -> InferenceSession:
    # onnxruntime is about three times as fast here as the module itself.
    import onnxruntime

    example = torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)
    model = export_onnx(Pooled(tower), example, ("pixels", "features"), {0: "batch"})
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


def _batches(examples: Sequence[Example], view: int, seed: int) -> Iterator[Pixels]:
    def pixels(index: int) -> Pixels:
        with Image.open(examples[index].path) as file:
            picture = file.convert("RGB")
        if view == 0:
            return squashed(np.asarray(picture))
        return np.asarray(random_view(picture, np.random.default_rng((seed, view, index))))

    with ThreadPoolExecutor(1) as pool:
        for start in range(0, len(examples), BATCH):
            yield np.stack(list(pool.map(pixels, range(start, min(start + BATCH, len(examples))))))


def _digest(examples: Sequence[Example], view: int, seed: int) -> str:
    names = "\n".join(str(example.path) for example in examples)
    text = f"{PREPROCESSING} {SIDE} {view} {seed if view else 0}\n{names}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
