"""Columns of numbers out of delimited text and NumPy's formats, for sensors of which nothing is known.

Text is cut at the sign that makes the most of its cells numbers. A line of names right above the first row of
numbers is the header; what stands above that is passed over. Without one, columns are called by their
number, from 1. The rows of an array are readings. In an NPZ file the arrays of one length, the one that holds
the most, belong together: a single row of values is a column of its name, several are ``name_1``,
``name_2`` ...

Dates and times of day are numbers only in a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.motion.archives import opened
from bindsearch.loaders.motion.arrays import RATES, numbers, one_number, read_array
from bindsearch.loaders.motion.columns import Quantity, meaning, plain_name
from bindsearch.loaders.motion.delimited import SEPARATORS, as_text, cells_of, lines_of, rows_of
from bindsearch.loaders.motion.tables import Cells, Style
from bindsearch.loaders.motion.units import Reals

MOST_COLUMNS = 1_000
_HEAD_LINES = 60
_BATCH = 8_192  # rows
_CELL_BYTES = 8
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "?"})


@dataclass(slots=True)
class Columns:
    """Columns of equal length (n,), float64, by their names, in the file's order.

    ``styles`` says of those that may be clocks what their cells were. ``rate`` is readings a second, if the
    file says so. ``typed`` means that all were stored as numbers; else one without any may be words.
    """

    values: dict[str, Reals]
    styles: dict[str, Style] = field(default_factory=dict)
    rate: float | None = None
    typed: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    separator: str
    rows_before: int
    names: tuple[str, ...]


def is_clock(name: str) -> bool:
    """Whether a column of this name tells the time."""
    sense = meaning(name)
    return sense is not None and sense.quantity is Quantity.TIME


def read_text(file: BinaryIO, clock: str | None, limit: int, subject: str) -> Columns:
    """The columns in ``file``, which can seek; ``clock`` is one that may hold dates whatever its name.

    Raises UnsupportedFile for text without a column of numbers, DamagedFile for endless lines and for more
    cells than fit into ``limit`` bytes.
    """
    with as_text(file) as text:
        lines = lines_of(text, subject)
        head = list(islice(lines, _HEAD_LINES))
        layout = _layout(head, subject)
        clocks = {name for name in layout.names if is_clock(name) or name == clock}
        columns = [Cells(times=name in clocks) for name in layout.names]
        rows = rows_of(chain(head[layout.rows_before :], lines), layout.separator, subject)
        _fill(columns, rows, limit, subject)
    named = dict(zip(layout.names, columns, strict=True))
    values = {name: column.array() for name, column in named.items()}
    return Columns(values, {name: named[name].style for name in clocks})


def read_rows(raw: bytes, limit: int, subject: str) -> Columns:
    """The columns of an NPY file's array (readings, channels), or (readings,), within ``limit`` bytes."""
    array = read_array(raw, subject)
    if array.ndim not in (1, 2) or not array.size:
        raise UnsupportedFile(f"{_described(array)}: its rows have to be readings", subject=subject)
    _check_size(array.size, limit, subject)
    return Columns(_of_array("", array, subject), typed=True)


def read_arrays(file: BinaryIO, limit: int, subject: str) -> Columns:
    """The columns in the arrays of an NPZ file that belong together, within ``limit`` bytes."""
    arrays: dict[str, NDArray[np.generic]] = {}
    with opened(file, limit, subject) as archive:
        for member in archive.members:
            if member.filename.endswith(".npy"):
                arrays[member.filename.removesuffix(".npy")] = read_array(archive.read(member), subject)
    rate = next((one_number(arrays[name]) for name in arrays if plain_name(name) in RATES), None)
    together = _of_one_length(arrays)
    if not together:
        raise UnsupportedFile("holds no array of readings (readings, channels)", subject=subject)
    _check_size(sum(array.size for array in together.values()), limit, subject)
    values: dict[str, Reals] = {}
    for name, array in together.items():
        values |= _of_array(name, array, subject)
    _check_width(len(values), subject)
    return Columns(values, dict.fromkeys(filter(is_clock, values), Style.NUMBER), rate, typed=True)


def _layout(head: Sequence[str], subject: str) -> _Layout:
    """How the lines at the beginning of a table are to be cut: where the most of them is numbers."""
    best: tuple[tuple[float, int, int], _Layout] | None = None
    for separator in SEPARATORS:
        rows = [cells_of(line.lstrip("#% "), separator) for line in head]
        if (found := _body(rows)) is None:
            continue
        first, share, count = found
        rank = (share, count, len(rows[first]))
        if best is None or rank > best[0]:
            best = rank, _Layout(separator, first, _names(rows, first))
    if best is None:
        raise UnsupportedFile(f"holds no rows of up to {MOST_COLUMNS:,} numbers", subject=subject)
    return best[1]


def _body(rows: Sequence[Sequence[str]]) -> tuple[int, float, int] | None:
    """Where the rows of numbers begin, the share of their cells that are numbers, and how many those are."""
    # The last line that was looked at may have been cut off, and blank ones may stand anywhere.
    whole = [place for place, row in enumerate(rows) if any(row)]
    if len(whole) > 2 and len(rows[whole[-1]]) != len(rows[whole[-2]]):
        whole.pop()
    first, filled, count = None, 0, 0
    for place in reversed(whole):
        width = len(rows[place])
        if width > MOST_COLUMNS or (first is not None and width != len(rows[first])):
            break
        cells = [cell for cell in rows[place] if cell.lower() not in _MISSING]
        known = sum(map(_is_number, cells))
        if cells and not known:
            break
        first, filled, count = place, filled + len(cells), count + known
    return (first, count / filled, count) if first is not None and count else None


def _is_number(text: str) -> bool:
    cells = Cells(times=True)
    cells.add(text)
    return bool(np.isfinite(cells.values[0]))


def _names(rows: Sequence[Sequence[str]], first: int) -> tuple[str, ...]:
    """The names in the line above the first row of numbers, each once; else numbers from 1."""
    width = len(rows[first])
    above = next((row for row in reversed(rows[:first]) if any(row)), [])
    names = list(above) if len(above) == width else [""] * width
    taken: set[str] = set()
    for place, name in enumerate(names):
        if not name or name in taken:
            names[place] = str(place + 1)
        taken.add(names[place])
    return tuple(names)


def _fill(columns: list[Cells], rows: Iterator[list[str]], limit: int, subject: str) -> None:
    read = 0
    while batch := [row for row in islice(rows, _BATCH) if row]:
        read += len(batch) * len(columns)
        _check_size(read, limit, subject)
        for place, column in enumerate(columns):
            column.extend(row[place] if place < len(row) else "" for row in batch)


def _of_one_length(arrays: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    sizes: dict[int, int] = {}
    rows = {name: array for name, array in arrays.items() if array.ndim in (1, 2) and len(array) > 1}
    for array in rows.values():
        sizes[len(array)] = sizes.get(len(array), 0) + array.size
    length = max(sizes, key=lambda length: sizes[length], default=0)
    return {name: array for name, array in rows.items() if len(array) == length}


def _of_array(name: str, array: NDArray[np.generic], subject: str) -> dict[str, Reals]:
    if array.ndim == 1:
        return {name or "1": numbers(array)}
    _check_width(array.shape[1], subject)
    values = numbers(array)
    prefix = f"{name}_" if name else ""
    return {f"{prefix}{place + 1}": values[:, place].copy() for place in range(array.shape[1])}


def _check_size(cells: int, limit: int, subject: str) -> None:
    if cells * _CELL_BYTES > limit:
        raise DamagedFile("too large: its numbers take more than max_table_bytes", subject=subject)


def _check_width(width: int, subject: str) -> None:
    if width > MOST_COLUMNS:
        raise UnsupportedFile(f"{width:,} columns: more than {MOST_COLUMNS:,} are not read", subject=subject)


def _described(array: NDArray[np.generic]) -> str:
    return f"an array of {' x '.join(map(str, array.shape)) or 'one value'}"
