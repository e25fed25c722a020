"""What a binding is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class Fit:
    """How to fit. A rate is that of the head; what was trained before learns at ``trunk_rate``.

    ``batch`` items are drawn at a time; an epoch is as many batches as there are items to draw.
    ``temperature`` None makes it learnable. The weights are those of the losses against partners, texts and
    labels. ``recall`` is the K of the recall that chooses the best epoch.
    """

    epochs: int = 40
    batch: int = 32
    rate: float = 2e-3
    trunk_rate: float = 5e-4
    decay: float = 0.05
    temperature: float | None = None
    averaging: float = 0.99
    partner_weight: float = 1.0
    text_weight: float = 0.5
    label_weight: float = 0.5
    recall: int = 10
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BindOptions:
    """Bind the rows of ``modality`` in ``manifests`` to the frozen space named ``space``.

    ``name`` is the id of the space that results (default: the frozen one's, a plus sign and the modality),
    ``out`` the folder that it is written to, ``cache`` where vectors and checkpoints are kept, None a folder
    beside ``out``.
    """

    manifests: tuple[Path, ...]
    modality: Modality
    out: Path
    space: str = "compact"
    name: str | None = None
    split: str = "train"
    cache: Path | None = None
    fit: Fit = Fit()
