"""Reading data folders' ``manifest.csv``.

Its columns are file (relative to the manifest's folder), modality, pair_id (the same value means the same
moment or thing), split, label, captions separated by `` | ``, and index where ``file`` holds arrays of which
a row is one entry. Columns that are absent count as empty; ``where`` may name any further ones.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bindsearch.errors import SettingsError
from bindsearch.modality import Modality

NEEDED = {"file", "modality", "split"}
SHARED = ("label", "shared")  # the columns of a table of shared labels
LISTED = 12  # how many values of a column an error names at most

Table = list[dict[str, str]]
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


@dataclass(frozen=True, slots=True)
class Manifests:
    """One or more manifests, which of their rows count, and what those rows' labels are called.

    ``where`` holds the values that a column may have; a manifest without that column keeps all its rows.
    ``renames`` gives labels another name, so that what two sets call differently can be one; rows whose label
    becomes empty are left out. A label is renamed once: the new name is not looked up again.
    """

    paths: Sequence[Path]
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The manifests as the subject of an error."""
        return ", ".join(map(str, self.paths))

    def rows(self, split: str, modality: Modality) -> list[Row]:
        """The rows of one split and modality in all manifests.

        Raises SettingsError when a manifest cannot be used, when no manifest has a column of ``where``, or
        when there are no such rows in any.
        """
        tables = [(manifest, *_table(manifest)) for manifest in self.paths]
        self._check_columns([table for _, _, table in tables])
        rows = [
            _row(manifest, sheet, row, self.renames)
            for manifest, sheet, table in tables
            for row in table
            if (row["split"], row["modality"]) == (split, modality) and self._counts(row)
        ]
        if not rows:
            raise self._nothing(split, modality, [row for _, _, table in tables for row in table])
        return rows

    def modalities(self, split: str) -> frozenset[Modality]:
        """The modalities that the manifests have in ``split``; names that are none are passed over."""
        named = {row["modality"] for path in self.paths for row in _table(path)[1] if row["split"] == split}
        return frozenset(modality for modality in Modality if modality in named)

    def check_labels(self, labels: Iterable[str]) -> None:
        """SettingsError, naming what there is, unless each of ``labels`` is some row's in a manifest."""
        wanted = set(labels)
        if not wanted:
            return
        there = {label for manifest in self.paths for row in _table(manifest)[1] if (label := _label(row))}
        for label in sorted(wanted - there):
            raise SettingsError(
                f"has no label {label!r}", subject=self.name, hint=f"there are {_listed(there)}"
            )

    def _counts(self, row: dict[str, str]) -> bool:
        wanted = all(row[name] in values for name, values in self.where.items() if name in row)
        label = _label(row)
        return wanted and (not label or bool(self.renames.get(label, label)))

    def _check_columns(self, tables: Sequence[Table]) -> None:
        there = {name for table in tables if table for name in table[0] if name}
        for name in self.where:
            if any(tables) and name not in there:
                hint = f"there are {', '.join(sorted(there))}"
                raise SettingsError(f"has no column {name!r}", subject=self.name, hint=hint)

    def _nothing(self, split: str, modality: Modality, table: Table) -> SettingsError:
        """The error that tells what there is instead of the rows that were asked for."""
        of_both = [row for row in table if (row["split"], row["modality"]) == (split, modality)]
        if of_both and self.where:
            reason = " with this --where"
            there = {f"{column}={row[column]}" for row in of_both for column in self.where if column in row}
        else:
            reason, there = "", {f"{row['modality']} in {row['split']}" for row in table}
        return SettingsError(
            f"has no {modality} in split {split!r}{reason}",
            subject=self.name,
            hint=f"it has {_listed(there)}" if there else None,
        )


def parse_where(pairs: Iterable[str]) -> dict[str, frozenset[str]]:
    """``COLUMN=VALUE`` texts as ``Manifests.where``; several of one column allow any of their values."""
    where: defaultdict[str, set[str]] = defaultdict(set)
    for column, value in map(_pair, pairs):
        where[column].add(value)
    return {column: frozenset(values) for column, values in where.items()}


def parse_renames(pairs: Iterable[str], file: Path | None = None) -> dict[str, str]:
    """``FROM=TO`` texts, and the rows of a CSV file with the columns label and shared, as ``renames``.

    What a text says goes before the file. Raises SettingsError for what is neither.
    """
    renames = {} if file is None else _shared_labels(file)
    return renames | dict(map(_pair, pairs))


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """``limit`` of ``items`` in their order, evenly spread, since manifests are often sorted by label."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[place * len(items) // limit] for place in range(limit)]


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = (part.strip() for part in text.partition("="))
    if not name or not sign:
        raise SettingsError("is no pair", subject=text, hint="write it as NAME=VALUE")
    return name, value


def _shared_labels(path: Path) -> dict[str, str]:
    _, table = _read_table(path, "no such table of labels")
    renames: dict[str, str] = {}
    for row in table:
        label, shared = (row.get(name) for name in SHARED)
        if label is None or shared is None:
            raise SettingsError("needs the columns label and shared in every row", subject=str(path))
        if renames.setdefault(label.strip(), shared.strip()) != shared.strip():
            raise SettingsError(f"renames {label.strip()!r} in two ways", subject=str(path))
    return renames


def _listed(values: Iterable[str]) -> str:
    names = sorted(values)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _table(manifest: Path) -> tuple[str, Table]:
    """The sha256 of a manifest, and its rows."""
    content, table = _read_table(manifest, "no such manifest", "--manifest names a manifest.csv")
    if table and not table[0].keys() >= NEEDED:
        raise SettingsError("lacks one of the columns file, modality, split", subject=str(manifest))
    if any(row[name] is None for row in table for name in NEEDED):
        raise SettingsError("has a row that is cut short", subject=str(manifest))
    if any("\0" in row["file"] for row in table):
        raise SettingsError("names a file with a zero byte in its name", subject=str(manifest))
    return hashlib.sha256(content).hexdigest(), table


def _read_table(path: Path, absent: str, hint: str | None = None) -> tuple[bytes, Table]:
    """The bytes of a CSV file and its rows; ``absent`` is said of one that is not there."""
    if not path.is_file():
        raise SettingsError(absent, subject=str(path), hint=hint)
    try:
        content = path.read_bytes()
        return content, list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except OSError as error:
        raise SettingsError(error.strerror or "cannot be read", subject=str(path)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError("is not a CSV table", subject=str(path)) from error


def _label(row: dict[str, str]) -> str:
    return (row.get("label") or "").strip()


def _row(manifest: Path, sheet: str, row: dict[str, str], renames: Mapping[str, str]) -> Row:
    label = _label(row)
    captions = (row.get("captions") or "").split(" | ")
    index = _index(manifest, row)
    path = manifest.parent / row["file"]
    return Row(
        path=path,
        index=index,
        modality=Modality(row["modality"]),
        split=row["split"],
        pair=row.get("pair_id") or f"{path}#{index}",
        label=renames.get(label, label),
        captions=tuple(text.strip() for text in captions if text.strip()),
        name=f"{row['file']}#{'' if index is None else index}",
        sheet=sheet,
    )


def _index(manifest: Path, row: dict[str, str]) -> int | None:
    text = (row.get("index") or "").strip()
    if text and not (text.isascii() and text.isdigit()):
        raise SettingsError(f"has the index {text!r} for {row['file']}", subject=str(manifest))
    return int(text) if text else None
