"""Vectors of the training texts, from the text tower as published; computed once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name torch users know

from bindsearch.training.sources import TOKENIZER, locate
from bindsearch.training.towers import TEXT_DIMENSIONS, load_text_tower

BATCH = 64


def cached_vectors(texts: Sequence[str], cache: Path, say: Callable[[str], None]) -> Tensor:
    """Unit vectors of ``texts``: (texts, 384)."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = cache / f"texts-{digest}.npy"
    if not path.is_file():
        say(f"computing the vectors of {len(texts)} texts")
        cache.mkdir(parents=True, exist_ok=True)
        half_done = path.with_suffix(".part.npy")
        np.save(half_done, text_vectors(texts).numpy())
        half_done.rename(path)
    return torch.from_numpy(np.load(path))


@torch.no_grad()
def text_vectors(texts: Sequence[str]) -> Tensor:
    """Unit vectors of ``texts``, in batches of similar length so that little is padded: (texts, 384)."""
    from tokenizers import Tokenizer

    tower = load_text_tower()
    tokenizer = Tokenizer.from_file(str(locate(TOKENIZER)))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    vectors = torch.empty(len(texts), TEXT_DIMENSIONS)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        encoded = tokenizer.encode_batch([texts[i] for i in chosen])
        ids = torch.tensor([item.ids for item in encoded])
        mask = torch.tensor([item.attention_mask for item in encoded])
        vectors[chosen] = tower(ids, mask)
    return F.normalize(vectors, dim=-1)
