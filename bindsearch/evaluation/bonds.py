"""Which modalities a space was trained together on, as far as it tells.

A space's ``manifest.json`` may hold ``trained_pairs``, a list of pairs of modalities, at its top or below
``config``. Two modalities that the space knows and that are no such pair met only through others:
what is found across them is emergent. Pictures and films share one tower and count as one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bindsearch.encoders import describe_space
from bindsearch.encoders.registry import MOST_BOUND, is_folder
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality
from bindsearch.models.shelf import base_of

MANIFEST_FILE = "manifest.json"

Pairs = frozenset[frozenset[Modality]]


def is_emergent(space: str, source: Modality, target: Modality) -> bool | None:
    """Whether the space of that name never saw the two together; None where it does not tell.

    What the space that it was bound to saw together counts as well.
    """
    wanted = _pair(source, target)
    name: str | None = space
    told = True
    for _ in range(MOST_BOUND + 1):
        if name is None:
            break
        try:
            folder = describe_space(name if is_folder(name) else name.partition("@")[0]).path
        except EncoderError:
            return None
        pairs = trained_pairs(folder)
        if pairs is not None and wanted in pairs:
            return False
        told &= pairs is not None
        name = base_of(folder)
    return len(wanted) == 2 if told else None


def trained_pairs(folder: Path) -> Pairs | None:
    """What the manifest in ``folder`` says; None where it says nothing that can be understood."""
    try:
        content = json.loads((folder / MANIFEST_FILE).read_bytes())
        told = _told(content)
        return None if told is None else frozenset(_pair(*map(Modality, pair)) for pair in told)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _told(content: dict[str, Any]) -> list[list[str]] | None:
    told: list[list[str]] | None = content.get(
        "trained_pairs", content.get("config", {}).get("trained_pairs")
    )
    return told


def _pair(first: Modality, second: Modality) -> frozenset[Modality]:
    return frozenset(Modality.IMAGE if one is Modality.VIDEO else one for one in (first, second))
