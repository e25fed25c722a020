"""Reading data folders' ``manifest.csv``.

Its columns are file (relative to the manifest's folder), modality, pair_id (the same value means the same
moment or thing), split, label, captions separated by `` | ``, and index where ``file`` holds arrays of which
a row is one entry. Columns that are absent count as empty.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bindsearch.errors import SettingsError
from bindsearch.modality import Modality

NEEDED = {"file", "modality", "split"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One item and what is known of it.

    ``index`` is the entry of the arrays in ``path``, None where the file itself is the item. ``name`` tells
    the rows of one manifest apart; ``sheet`` is the sha256 of the manifest that the row is from.
    """

    path: Path
    index: int | None
    modality: Modality
    split: str
    pair: str
    label: str
    captions: tuple[str, ...]
    name: str
    sheet: str


def read_rows(manifests: Sequence[Path], split: str, modality: Modality) -> list[Row]:
    """The rows of one split and modality in all ``manifests``.

    Raises SettingsError when a manifest cannot be used, or when there are no such rows in any.
    """
    tables = [(manifest, *_table(manifest)) for manifest in manifests]
    rows = [
        _row(manifest, sheet, row)
        for manifest, sheet, table in tables
        for row in table
        if (row["split"], row["modality"]) == (split, modality)
    ]
    if not rows:
        there = sorted({f"{row['modality']} in {row['split']}" for _, _, table in tables for row in table})
        raise SettingsError(
            f"has no {modality} in split {split!r}",
            subject=named(manifests),
            hint=f"it has {', '.join(there)}" if there else None,
        )
    return rows


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """``limit`` of ``items`` in their order, evenly spread, since manifests are often sorted by label."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[place * len(items) // limit] for place in range(limit)]


def named(manifests: Sequence[Path]) -> str:
    """The manifests as the subject of an error."""
    return ", ".join(map(str, manifests))


def _table(manifest: Path) -> tuple[str, list[dict[str, str]]]:
    """The sha256 of a manifest, and its rows."""
    if not manifest.is_file():
        raise SettingsError("no such manifest", subject=str(manifest), hint="--manifest names a manifest.csv")
    try:
        content = manifest.read_bytes()
        table = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except OSError as error:
        raise SettingsError(error.strerror or "cannot be read", subject=str(manifest)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError("is not a CSV table", subject=str(manifest)) from error
    if table and not table[0].keys() >= NEEDED:
        raise SettingsError("lacks one of the columns file, modality, split", subject=str(manifest))
    if any(row[name] is None for row in table for name in NEEDED):
        raise SettingsError("has a row that is cut short", subject=str(manifest))
    if any("\0" in row["file"] for row in table):
        raise SettingsError("names a file with a zero byte in its name", subject=str(manifest))
    return hashlib.sha256(content).hexdigest(), table


def _row(manifest: Path, sheet: str, row: dict[str, str]) -> Row:
    captions = (row.get("captions") or "").split(" | ")
    index = _index(manifest, row)
    path = manifest.parent / row["file"]
    return Row(
        path=path,
        index=index,
        modality=Modality(row["modality"]),
        split=row["split"],
        pair=row.get("pair_id") or f"{path}#{index}",
        label=(row.get("label") or "").strip(),
        captions=tuple(text.strip() for text in captions if text.strip()),
        name=f"{row['file']}#{'' if index is None else index}",
        sheet=sheet,
    )


def _index(manifest: Path, row: dict[str, str]) -> int | None:
    text = (row.get("index") or "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise SettingsError(f"has the index {text!r} for {row['file']}", subject=str(manifest))
    return int(text) if text else None
