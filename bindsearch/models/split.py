"""Which tower owns an entry of an ImageBind checkpoint, by the official names.

    modality_preprocessors.<tower>.    modality_trunks.<tower>.
    modality_heads.<tower>.            modality_postprocessors.<tower>.

Names only: whether the shapes fit is for whoever builds the tower.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bindsearch.encoders.imagebind.config import TOWERS
from bindsearch.errors import EncoderError

SECTIONS = ("preprocessors", "trunks", "heads", "postprocessors")
REQUIRED = SECTIONS[:3]  # the vision tower has no post-processor with weights

# Attention of the text tower must not look ahead: minus infinity is what belongs there.
MASK = "modality_preprocessors.text.mask"

_NAME = re.compile(rf"modality_({'|'.join(SECTIONS)})\.({'|'.join(TOWERS)})\..+")


def split_names(names: Iterable[str], subject: str) -> dict[str, list[str]]:
    """The entries of every tower, sorted, by tower.

    Raises EncoderError about ``subject`` for entries that belong to no tower and for towers without entries.
    """
    split: dict[str, list[str]] = {tower: [] for tower in TOWERS}
    strange: list[str] = []
    sections: set[tuple[str, str]] = set()
    for name in sorted(names):
        match = _NAME.fullmatch(name)
        if match is None:
            strange.append(name)
            continue
        split[match[2]].append(name)
        sections.add((match[1], match[2]))
    if strange:
        raise EncoderError(f"has {_some(strange)}, which no tower knows", subject=subject)
    wanted = [(section, tower) for tower in TOWERS for section in REQUIRED]
    lacking = [f"modality_{section}.{tower}" for section, tower in wanted if (section, tower) not in sections]
    if lacking:
        raise EncoderError(f"lacks {_some(lacking)}", subject=subject)
    return split


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
