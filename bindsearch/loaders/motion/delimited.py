"""Delimited text: commas, semicolons, tabs, bars or blanks between cells, with a point or a comma in numbers.

The header is the line, among the first 60, most of whose cells have a meaning, cut at the sign that gives
the most; what stands above it (``sep=;``, comments, the name of a device) is passed over. Rows are read in
batches, so that only the wanted columns are ever held.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from typing import BinaryIO

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.motion.columns import Meaning, Quantity
from bindsearch.loaders.motion.tables import STANDARD_NAMES, Cells, Scheme, Table

SEPARATORS = ("\t", ";", ",", "|", " ")
_HEADER_LINES = 60
_LEAST_MEANINGS = 3
_LONGEST_LINE = 1_000_000  # characters
_BATCH = 8_192  # rows
_SAMPLE = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class _Header:
    """Where the columns are: by place, the name and the meaning of each."""

    separator: str
    rows_before: int
    names: dict[int, str]
    meanings: dict[int, Meaning]
    positional: bool = False


class Nameless(Enum):
    """What is done with rows of numbers that have no header."""

    REFUSED = "refused"
    PASSED_OVER = "passed over"
    IN_ORDER = "taken for t, ax, ay, az, gx, gy, gz"


def read_delimited(
    file: BinaryIO, name: str, scheme: Scheme, subject: str, nameless: Nameless = Nameless.REFUSED
) -> Table:
    """The table in ``file``, which can seek; with no columns when none of them means anything.

    Raises DamagedFile for endless lines and cells, UnsupportedFile for a log without a header.
    """
    with as_text(file) as text:
        lines = lines_of(text, subject)
        head = list(islice(lines, _HEADER_LINES))
        header = _header(head, name, scheme) or _headerless(head, scheme, subject, nameless)
        if header is None:
            return Table(name, {}, {})
        cells = _filled(header, chain(head[header.rows_before :], lines), subject)
    return Table(
        name,
        columns={header.names[place]: column.array() for place, column in cells.items()},
        meanings={header.names[place]: sense for place, sense in header.meanings.items()},
        styles={header.names[place]: column.style for place, column in cells.items()},
        positional=header.positional,
    )


def read_pairs(file: BinaryIO, subject: str) -> list[list[str]]:
    """The first rows of a small table with commas, as the one that tells of the device."""
    try:
        with as_text(file) as text:
            return [row for row in islice(csv.reader(lines_of(text, subject)), 200) if row]
    except csv.Error as fault:
        raise DamagedFile(f"not a table that can be read: {fault}", subject=subject) from fault


def _filled(header: _Header, lines: Iterator[str], subject: str) -> dict[int, Cells]:
    """The wanted columns of all rows; what a short row lacks is missing."""
    cells = {place: Cells(sense.quantity is Quantity.TIME) for place, sense in header.meanings.items()}
    rows = rows_of(lines, header.separator, subject)
    while batch := [row for row in islice(rows, _BATCH) if row]:
        for place, column in cells.items():
            column.extend(row[place] if place < len(row) else "" for row in batch)
    return cells


@contextmanager
def as_text(file: BinaryIO) -> Iterator[io.TextIOWrapper]:
    """``file`` as text in its own encoding; it stays open."""
    sample = file.read(_SAMPLE)
    file.seek(0)
    text = io.TextIOWrapper(file, _encoding(sample), errors="replace", newline=None)
    try:
        yield text
    finally:
        text.detach()


def lines_of(text: io.TextIOWrapper, subject: str) -> Iterator[str]:
    """The lines of ``text``; DamagedFile for one that never ends and for text that cannot be read."""
    try:
        while line := text.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise DamagedFile("not a table: one of its lines never ends", subject=subject)
            yield line
    except UnicodeError as fault:
        raise DamagedFile(f"not text that can be read: {fault}", subject=subject) from fault


def _encoding(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def rows_of(lines: Iterator[str], separator: str, subject: str) -> Iterator[list[str]]:
    """Lines in cells. Raises DamagedFile for cells that cannot be told apart."""
    try:
        yield from _rows(lines, separator)
    except csv.Error as fault:
        raise DamagedFile(f"not a table that can be read: {fault}", subject=subject) from fault


def _rows(lines: Iterator[str], separator: str) -> Iterator[list[str]]:
    if separator == " ":
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _header(head: list[str], name: str, scheme: Scheme) -> _Header | None:
    best: _Header | None = None
    for number, line in enumerate(head):
        for separator in SEPARATORS:
            names = cells_of(line.lstrip("#% "), separator)
            found = scheme.chosen(names, name)
            if len(found) >= _LEAST_MEANINGS and (best is None or len(found) > len(best.meanings)):
                kept = {place: names[place] for place in found}
                best = _Header(separator, number + 1, kept, found)
    return best


def cells_of(line: str, separator: str) -> list[str]:
    """One line in cells, without the blanks around them; none if it cannot be cut."""
    try:
        return [cell.strip() for cell in next(_rows(iter([line]), separator), [])]
    except csv.Error:
        return []


def _headerless(head: list[str], scheme: Scheme, subject: str, nameless: Nameless) -> _Header | None:
    """Rows of numbers alone: their columns are those that a rule numbers, or all in their usual order."""
    for separator in SEPARATORS:
        rows = [cells_of(line, separator) for line in head if line.strip()]
        width = _width(rows)
        if scheme.numbered and width:
            names = [str(place + 1) for place in range(width)]
            found = scheme.chosen(names, "")
            return _Header(separator, 0, {place: names[place] for place in found}, found) if found else None
        if width in (6, 7) and not scheme.ruled and nameless is not Nameless.PASSED_OVER:
            if nameless is Nameless.REFUSED:
                raise UnsupportedFile(
                    "a table of numbers without a header", subject=subject, hint=_COLUMNS_HINT
                )
            names = list(STANDARD_NAMES[-width:])
            return _Header(separator, 0, dict(enumerate(names)), Scheme().chosen(names, ""), positional=True)
    return None


_COLUMNS_HINT = (
    "if it is a motion log, write a rule for it with "
    'modality = "imu" and columns = { t = "1", ax = "2", ay = "3", az = "4", gx = "5", gy = "6", gz = "7" }'
)


def _width(rows: list[list[str]]) -> int:
    """How many numbers are in every row, 0 if that differs or some are none."""
    widths = {len(row) for row in rows[:-1] or rows}
    if len(rows) < 2 or len(widths) != 1:
        return 0
    cells = Cells(times=True)
    for row in rows[:-1]:
        for cell in row:
            cells.add(cell)
    width = widths.pop()
    return width if width > 1 and all(value == value for value in cells.values) else 0
