"""Reading a data folder's ``manifest.csv``.

Its columns are file (relative to the folder), modality, pair_id (the same value means the same moment),
split, label, and captions separated by `` | ``. Columns that are absent count as empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bindsearch.encoders import Encoder, Vectors
from bindsearch.errors import EncoderError, MediaError, SettingsError
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality


@dataclass(frozen=True, slots=True)
class Row:
    """One file and what is known of it."""

    path: Path
    pair: str
    label: str
    captions: tuple[str, ...]


def read_rows(manifest: Path, split: str, modality: Modality) -> list[Row]:
    """The rows of one split and modality; SettingsError when the file cannot be used or there are none."""
    if not manifest.is_file():
        raise SettingsError("no such manifest", subject=str(manifest), hint="--manifest names a manifest.csv")
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError("is not a CSV table", subject=str(manifest)) from error
    if table and not {"file", "modality", "split"} <= table[0].keys():
        raise SettingsError("lacks one of the columns file, modality, split", subject=str(manifest))
    rows = [
        _row(manifest.parent, row) for row in table if (row["split"], row["modality"]) == (split, modality)
    ]
    if not rows:
        raise SettingsError(
            f"has no {modality} in split {split!r}", subject=str(manifest), hint=_what_there_is(table)
        )
    return rows


def encode_files(encoder: Encoder, paths: Iterable[Path]) -> Vectors:
    """One vector a file, in order: (files, dimensions), float32, unit length.

    A file of several segments (a film, a long text) gets the mean of their vectors, made unit length. Raises
    MediaError for a file that cannot be read.
    """
    import numpy as np

    vectors = []
    for path in paths:
        segments = list(_media(encoder, path))
        if not segments:
            raise MediaError("holds nothing that can be encoded", subject=str(path))
        mean = encoder.encode(segments).mean(axis=0)
        vectors.append(mean / max(float(np.linalg.norm(mean)), 1e-12))
    return np.array(vectors, np.float32)


def encode_texts(encoder: Encoder, texts: Iterable[str]) -> Vectors:
    """The vectors of ``texts``: (texts, dimensions), float32, unit length."""
    return encoder.encode([Passage(text) for text in texts])


def require(encoder: Encoder, *modalities: Modality) -> None:
    """EncoderError unless ``encoder`` knows all of ``modalities``."""
    for modality in modalities:
        if modality not in encoder.space.modalities:
            known = ", ".join(sorted(encoder.space.modalities))
            raise EncoderError(
                f"cannot encode {modality}", subject=encoder.space.id, hint=f"it knows {known}"
            )


def _media(encoder: Encoder, path: Path) -> Iterator[Media]:
    from bindsearch.loaders import LoadOptions, load

    return load(path, LoadOptions(picture_side=encoder.picture_side)).media


def _row(folder: Path, row: dict[str, str]) -> Row:
    captions = (row.get("captions") or "").split(" | ")
    return Row(
        path=folder / row["file"],
        pair=row.get("pair_id") or row["file"],
        label=(row.get("label") or "").strip(),
        captions=tuple(text.strip() for text in captions if text.strip()),
    )


def _what_there_is(table: list[dict[str, str]]) -> str | None:
    kinds = sorted({f"{row['modality']} in {row['split']}" for row in table})
    return f"it has {', '.join(kinds)}" if kinds else None
